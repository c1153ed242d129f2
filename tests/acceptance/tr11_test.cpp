// TR11: two collectors on one PostgreSQL, and nodes that know the addresses of both. One is killed
// under load: its nodes move to the other, every alert is stored once, and whoever watches at one
// has seen what the other stored. Orders given at either reach nodes at either. The nodes are the
// agent's spool and uplink with alerts on order: what the kernel tells is not what is asked here.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>

#include "agent/uplink/uplink.h"
#include "collector/store/postgres.h"
#include "common/alert_json.h"
#include "common/clock.h"
#include "common/tls.h"
#include "tests/support/alert_stream.h"
#include "tests/support/http.h"
#include "tests/support/postgres.h"
#include "tests/unit/dev_pki.h"

namespace picket::test {
namespace {

using testing::HasSubstr;

constexpr int kNodes = 4;
constexpr int kAlertsEach = 400;
constexpr char kServer[] = "spiffe://picket/collector/collector";

// What another process does raises no event here.
bool until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds()) return true;
    poll(nullptr, 0, 20);
  }
  return false;
}

// One that does what it is told, and says so.
class Node {
 public:
  Node(const std::filesystem::path& folder, const std::string& name, const std::string& addresses,
       const TlsFiles& tls)
      : name_(name) {
    auto spool = Spool::open(folder / (name + ".db"), {});
    if (!spool.ok()) std::abort();
    Uplink::Options options;
    options.batch_items = 20;
    options.last_backoff = std::chrono::milliseconds(200);
    Uplink::Callbacks callbacks;
    callbacks.on_command = [this](const v1::Command& command) { answer(command); };
    callbacks.on_loss = [this](const UplinkLoss& loss) { lost += loss.count; };
    uplink_ =
        std::make_unique<Uplink>(*std::move(spool), grpc_stream_factory(addresses, tls, kServer),
                                 options, callbacks, registry_);
    uplink_->start();
    v1::Envelope envelope;
    envelope.mutable_workspace()->mutable_workspace()->set_id("w-" + name);
    envelope.mutable_workspace()->set_state(v1::WORKSPACE_STATE_RUNNING);
    publish(envelope, 8);
  }
  void raise_alerts(int count) {
    for (int i = 0; i < count; ++i) {
      v1::Envelope envelope;
      v1::Alert& alert = *envelope.mutable_alert();
      alert.set_id(fmt::format("{}-{:06}", name_, ++alerts_));
      alert.set_rule("load");
      alert.set_priority(v1::PRIORITY_CRITICAL);
      alert.set_count(1);
      alert.mutable_workspace()->set_id("w-" + name_);
      set_wall_ns(*alert.mutable_time(), clock_.wall_ns());
      publish(envelope, 2);
    }
  }
  bool connected() const { return uplink_->connected(); }
  void stop() { uplink_->stop(kDeadline); }

  std::atomic<uint64_t> lost{0};

 private:
  void publish(const v1::Envelope& envelope, uint8_t priority) {
    ASSERT_TRUE(uplink_->publish(envelope, priority));
  }
  void answer(const v1::Command& command) {
    v1::Envelope envelope;
    v1::CommandResult& result = *envelope.mutable_result();
    result.set_command_id(command.id());
    result.set_action(command.action());
    result.set_workspace_id(command.workspace_id());
    result.set_ok(true);
    result.set_detail("done by " + name_);
    set_wall_ns(*result.mutable_time(), clock_.wall_ns());
    uplink_->publish(envelope, 0);
  }

  const std::string name_;
  const SystemClock clock_;
  int alerts_ = 0;
  MetricRegistry registry_;
  std::unique_ptr<Uplink> uplink_;
};

struct Collector {
  uint16_t port = 0, http = 0;
  std::string file;  // its configuration
  std::unique_ptr<Subprocess> program;
};

class TR11 : public testing::Test {
 protected:
  void SetUp() override {
    auto server = PostgresServer::start();
    if (absl::IsUnimplemented(server.status())) {
      const char* ci = std::getenv("CI");
      ASSERT_FALSE(ci != nullptr && std::string(ci) == "true") << server.status();
      GTEST_SKIP() << server.status();
    }
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const auto where = server_->create_database();
    ASSERT_TRUE(where.ok()) << where.status();
    where_ = *where;
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-tr11-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    log_ = Fd(open((folder_ / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    require_tls13();
    pki_.issue("collector collector");
    pki_.issue("operator admin ada");
    for (Collector* collector : {&a_, &b_}) {
      configure(*collector);
      start(*collector);
    }
  }
  void TearDown() override {
    nodes_.clear();
    for (Collector* collector : {&a_, &b_}) collector->program.reset();
    if (HasFailure()) std::cerr << read_file(folder_ / "log").value_or("") << '\n';
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void configure(Collector& collector) {
    for (uint16_t* port : {&collector.port, &collector.http}) {
      const auto found = free_port();
      ASSERT_TRUE(found.ok());
      *port = *found;
    }
    collector.file = folder_ / fmt::format("{}.yaml", collector.port);
    const TlsFiles tls = pki_.files("collector");
    ASSERT_TRUE(write_file(collector.file,
                           fmt::format("listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\n"
                                       "store: {{postgres: '{}'}}\naudit_key: audit.key\n"
                                       "tls: {{ca: {}, cert: {}, key: {}}}\n",
                                       collector.port, collector.http, where_, tls.ca.string(),
                                       tls.cert.string(), tls.key.string()))
                    .ok());
    const TlsFiles ada = pki_.files("ada");
    ASSERT_TRUE(write_file(folder_ / fmt::format("{}.context", collector.port),
                           fmt::format("collector: 127.0.0.1:{}\nca: {}\ncert: {}\nkey: {}\n"
                                       "server_id: {}\n",
                                       collector.port, ada.ca.string(), ada.cert.string(),
                                       ada.key.string(), kServer))
                    .ok());
  }
  void start(Collector& collector) {
    auto started = Subprocess::start(
        {.argv = {PICKET_BINARY_DIR "/picket-collector", "--config", collector.file},
         .out = log_.get(),
         .err = log_.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    collector.program = *std::move(started);
    ASSERT_TRUE(until([&] {
      const auto answer = http_get(collector.http, "/readyz");
      return (answer.ok() && answer->code == 200) ||
             !collector.program->running_after(std::chrono::milliseconds(0));
    }));
    ASSERT_TRUE(collector.program->running_after(std::chrono::milliseconds(0))) << "it ended";
  }
  // Half of the nodes try the one first, half the other.
  void start_nodes() {
    for (int i = 0; i < kNodes; ++i) {
      const std::string name = fmt::format("n{}", i);
      const Collector &first = i % 2 == 0 ? a_ : b_, &second = i % 2 == 0 ? b_ : a_;
      pki_.issue("node " + name);
      nodes_.push_back(std::make_unique<Node>(
          folder_, name, fmt::format("ipv4:127.0.0.1:{},127.0.0.1:{}", first.port, second.port),
          pki_.files(name)));
    }
    ASSERT_TRUE(until([&] { return all_connected(); }));
  }
  bool all_connected() const {
    return std::all_of(nodes_.begin(), nodes_.end(),
                       [](const auto& node) { return node->connected(); });
  }
  std::vector<std::string> command(const Collector& at, std::vector<std::string> arguments) const {
    std::vector<std::string> argv{PICKET_BINARY_DIR "/picketctl", "--context",
                                  folder_ / fmt::format("{}.context", at.port)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
  }
  // An order given there for that node's workspace is carried out by it.
  void order(const Collector& at, int node) {
    const auto result = run_program(
        {.argv = command(at, {"workspace", "thaw", fmt::format("w-n{}", node), "--reason", "r"})});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->exit_code, 0) << result->err;
    EXPECT_THAT(result->out + result->err, HasSubstr(fmt::format("done by n{}", node)));
  }
  uint64_t number(const std::string& sql) {
    if (!questions_) {
      auto opened = postgres::Connection::open(where_, "");
      EXPECT_TRUE(opened.ok()) << opened.status();
      questions_ = *std::move(opened);
    }
    const auto result = questions_->run(sql);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->number(0, 0) : 0;
  }
  uint64_t nodes_at_living() {
    return number(
        "SELECT count(*) FROM nodes WHERE replica IN (SELECT replica FROM live_replicas)");
  }

  std::unique_ptr<PostgresServer> server_;
  std::string where_;
  std::filesystem::path folder_;
  Fd log_;
  const DevPki pki_;
  Collector a_, b_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::optional<postgres::Connection> questions_;
};

TEST_F(TR11, ACollectorIsKilledUnderLoad) {
  start_nodes();
  if (HasFatalFailure()) return;
  ASSERT_TRUE(until([&] { return number("SELECT count(*) FROM workspaces") == kNodes; }));
  EXPECT_EQ(number("SELECT count(DISTINCT replica) FROM nodes"), 2U) << "both have nodes";
  order(a_, 1);  // which is at the other one
  order(b_, 0);
  order(b_, 1);
  auto watch = AlertStream::start(command(b_, {"alerts", "watch", "--since", "1h", "-o", "json"}));
  ASSERT_TRUE(watch.ok()) << watch.status();

  const uint64_t half = kNodes * kAlertsEach / 2;
  for (const auto& node : nodes_) node->raise_alerts(kAlertsEach / 2);
  ASSERT_TRUE(until([&] { return number("SELECT count(*) FROM alerts") > 0; }));
  a_.program->signal(SIGKILL);
  ASSERT_EQ(a_.program->wait().value_or(-1), 128 + SIGKILL);
  const uint64_t stored = number("SELECT count(*) FROM alerts");
  for (const auto& node : nodes_) node->raise_alerts(kAlertsEach / 2);
  ASSERT_TRUE(until([&] { return nodes_at_living() == kNodes; })) << "all moved to the other";
  order(b_, 0);
  start(a_);
  if (HasFatalFailure()) return;
  order(a_, 0);

  for (const auto& node : nodes_) node->stop();
  EXPECT_EQ(number("SELECT count(*) FROM alerts"), 2 * half);
  EXPECT_EQ(number("SELECT count(DISTINCT (node, id)) FROM alerts"), 2 * half);
  EXPECT_EQ(number("SELECT count(*) FROM alerts WHERE count <> 1"), 0U);
  EXPECT_EQ(number("SELECT count(*) FROM gaps"), 0U);
  EXPECT_EQ(number("SELECT sum(missing)::bigint FROM streams"), 0U);
  EXPECT_EQ(number("SELECT count(*) FROM command_results"), 5U);
  EXPECT_EQ(number("SELECT count(*) FROM commands WHERE state = 'done'"), 5U);
  for (const auto& node : nodes_) EXPECT_EQ(node->lost, 0U);
  // Each once, also for who watched at the one that lived.
  std::set<std::string> seen;
  const auto all = (*watch)->all_until("every alert", [&](const AlertStream::Alert& alert) {
    EXPECT_TRUE(seen.insert(alert["id"].get<std::string>()).second) << alert["id"];
    return seen.size() == 2 * half;
  });
  EXPECT_TRUE(all.ok()) << all.status();
  const auto verified = run_program(
      {.argv = {PICKET_BINARY_DIR "/picket-collector", "--verify-audit", "--config", b_.file}});
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->exit_code, 0) << verified->err;
  fmt::print("of {} alerts {} were stored when a collector was killed, at last each once\n",
             2 * half, stored);
}

}  // namespace
}  // namespace picket::test
