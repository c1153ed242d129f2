// Outputs of two collectors on one PostgreSQL: one of them sends. When it is killed, or loses its
// session, the other goes on behind the cursor: everything arrives, in order, and what was sent
// and not noted is all that comes twice.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "collector/store/postgres.h"
#include "common/tls.h"
#include "tests/fleet/simulated_agent.h"
#include "tests/fleet/trap.h"
#include "tests/support/http.h"
#include "tests/support/postgres.h"
#include "tests/support/receivers.h"
#include "tests/support/subprocess.h"
#include "tests/unit/dev_pki.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using nlohmann::json;
using Numbers = std::vector<uint64_t>;  // alerts by their sequence

constexpr uint64_t kBatch = 20;

struct Collector {
  uint16_t port = 0, http = 0;
  std::filesystem::path lines;  // of its output of that name
  std::unique_ptr<Subprocess> program;
};

// What another process does raises no event here.
bool until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds()) return true;
    poll(nullptr, 0, 20);
  }
  return false;
}

uint64_t number_of(const std::string& id) { return std::stoull(id.substr(id.rfind('-') + 1)); }

Numbers range(uint64_t first, uint64_t last) {
  Numbers numbers(last - first + 1);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

class OutputReplicas : public testing::Test {
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
    require_tls13();
    std::string pattern =
        (std::filesystem::temp_directory_path() / "picket-replicas-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* who :
         {"collector collector", "collector receiver --host localhost", "node n1"})
      pki_.issue(who);
    http_ = std::make_unique<HttpReceiver>(ReceiverTls{pki_.files("receiver"), false},
                                           [this](const Request&) { return trap_.pass(); });
    log_ = Fd(open((folder_ / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    for (Collector* collector : {&a_, &b_}) configure(*collector);
  }
  void TearDown() override {
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
    collector.lines = folder_ / fmt::format("{}.jsonl", collector.port);
    const TlsFiles tls = pki_.files("collector");
    ASSERT_TRUE(
        write_file(
            folder_ / fmt::format("{}.yaml", collector.port),
            fmt::format("listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\n"
                        "store: {{postgres: '{}'}}\naudit_key: audit.key\n"
                        "log: {{level: info}}\ntls: {{ca: {}, cert: {}, key: {}}}\n"
                        "outputs:\n"
                        "  - {{name: hook, kind: http, url: 'https://localhost:{}/', tls: "
                        "{{ca: {}}}, start: oldest}}\n"
                        "  - {{name: lines, kind: file, path: {}, start: oldest}}\n",
                        collector.port, collector.http, where_, tls.ca.string(), tls.cert.string(),
                        tls.key.string(), http_->port(), tls.ca.string(), collector.lines.string()))
            .ok());
  }
  void start(Collector& collector) {
    auto started = Subprocess::start({.argv = {PICKET_BINARY_DIR "/picket-collector", "--config",
                                               folder_ / fmt::format("{}.yaml", collector.port)},
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
  static void end(Collector& collector, int signal, int expected) {
    collector.program->signal(signal);
    const auto code = collector.program->wait();
    ASSERT_TRUE(code.ok() && *code == expected) << code.status() << " " << code.value_or(-1);
  }
  static bool runs(const Collector& collector, const std::string& output) {
    const auto running =
        metric(collector.http, "picket_output_running", fmt::format("output=\"{}\"", output));
    return running.ok() && *running == 1;
  }
  // Up to this sequence, from where the database is.
  void deliver(const Collector& to, uint64_t last) {
    SimulatedAgent agent(to.port, pki_.files("n1"));
    const auto known = agent.hello();
    ASSERT_TRUE(known.has_value());
    for (uint64_t next = *known + 1; next <= last; next += kBatch)
      ASSERT_TRUE(agent.send(alerts_batch(kNode, next, std::min(next + kBatch - 1, last))));
    ASSERT_TRUE(agent.wait_for_ack(last));
  }
  uint64_t number(const std::string& sql) {
    auto opened = postgres::Connection::open(where_, "");
    EXPECT_TRUE(opened.ok()) << opened.status();
    const auto result = opened->run(sql);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() && result->rows() > 0 ? result->number(0, 0) : 0;
  }
  // Up to which alert the output is done, as the database knows.
  uint64_t noted(const std::string& output) {
    return number(fmt::format(
        "SELECT count(*) FROM alerts, output_cursors WHERE output = '{}' AND alerts.number <= "
        "output_cursors.number",
        output));
  }
  Numbers hooked(uint64_t last) {
    Numbers numbers;
    const auto number_in = [](const Request& request) {
      return number_of(json::parse(request.body)["id"].get<std::string>());
    };
    for (const Request& request : http_->requests().wait_until(
             [&](const auto& items) { return !items.empty() && number_in(items.back()) == last; },
             kDeadline))
      numbers.push_back(number_in(request));
    return numbers;
  }
  static Numbers written(const Collector& collector) {
    std::ifstream in(collector.lines);
    Numbers numbers;
    for (std::string line; std::getline(in, line);) {
      const json alert = json::parse(line, nullptr, false);
      if (alert.is_object())
        numbers.push_back(number_of(alert["id"].get<std::string>()));  // else a kill has torn it
    }
    return numbers;
  }
  static bool has_written(const Collector& collector, uint64_t last) {
    return until([&] {
      const Numbers numbers = written(collector);
      return !numbers.empty() && numbers.back() == last;
    });
  }

  const DevPki pki_;
  std::unique_ptr<PostgresServer> server_;
  std::string where_;
  std::filesystem::path folder_;
  Trap trap_;
  std::unique_ptr<HttpReceiver> http_;
  Fd log_;
  Collector a_, b_;
};

TEST_F(OutputReplicas, TheOtherGoesOnWhenOneIsKilled) {
  constexpr uint64_t kSent = 60, kStored = 120, kAll = 240, kLater = 260;
  trap_.set(kSent);
  ASSERT_NO_FATAL_FAILURE(start(a_));
  for (const char* output : {"hook", "lines"})
    ASSERT_TRUE(until([&] { return runs(a_, output); })) << output;
  ASSERT_NO_FATAL_FAILURE(start(b_));
  ASSERT_NO_FATAL_FAILURE(deliver(b_, kStored));
  ASSERT_TRUE(trap_.wait()) << "it does not send what the other one has stored";
  ASSERT_TRUE(until([&] { return noted("lines") == kStored; }));
  for (const char* output : {"hook", "lines"}) EXPECT_FALSE(runs(b_, output)) << output;
  EXPECT_TRUE(written(b_).empty());

  ASSERT_NO_FATAL_FAILURE(end(a_, SIGKILL, 128 + SIGKILL));
  const auto killed = std::chrono::steady_clock::now();
  const uint64_t noted_of_hook = noted("hook");
  trap_.release();
  for (const char* output : {"hook", "lines"})
    ASSERT_TRUE(until([&] { return runs(b_, output); })) << output;
  const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - killed);
  EXPECT_LT(gap.count(), 10'000);
  ASSERT_NO_FATAL_FAILURE(deliver(b_, kAll));
  Numbers expected = range(1, kSent);
  for (const uint64_t one : range(noted_of_hook + 1, kAll)) expected.push_back(one);
  EXPECT_EQ(hooked(kAll), expected) << "what was not noted comes again, and nothing else";
  ASSERT_TRUE(has_written(b_, kAll));
  EXPECT_EQ(written(a_), range(1, kStored));
  EXPECT_EQ(written(b_), range(kStored + 1, kAll));

  // One that ends in good order leaves nothing to be repeated.
  ASSERT_NO_FATAL_FAILURE(start(a_));
  EXPECT_FALSE(runs(a_, "hook"));
  ASSERT_NO_FATAL_FAILURE(end(b_, SIGTERM, 0));
  ASSERT_NO_FATAL_FAILURE(deliver(a_, kLater));
  for (const uint64_t one : range(kAll + 1, kLater)) expected.push_back(one);
  EXPECT_EQ(hooked(kLater), expected);
  ASSERT_TRUE(has_written(a_, kLater));
  Numbers of_a = range(1, kStored);
  for (const uint64_t one : range(kAll + 1, kLater)) of_a.push_back(one);
  EXPECT_EQ(written(a_), of_a);
  fmt::print("an output went on elsewhere {} ms after the kill; {} of {} alerts came twice\n",
             gap.count(), kSent - noted_of_hook, kAll);
}

TEST_F(OutputReplicas, WhoLosesItsSessionLeavesItToTheOther) {
  ASSERT_NO_FATAL_FAILURE(start(a_));
  ASSERT_TRUE(until([&] { return runs(a_, "lines"); }));
  ASSERT_NO_FATAL_FAILURE(start(b_));
  ASSERT_NO_FATAL_FAILURE(deliver(a_, 40));
  ASSERT_TRUE(until([&] { return noted("lines") == 40; }));
  EXPECT_EQ(written(a_), range(1, 40));
  EXPECT_EQ(number("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = "
                   "'advisory' AND objsubid = 1"),
            2U)
      << "a session for each output";
  // Whoever of the two has it then.
  ASSERT_TRUE(until([&] { return runs(a_, "lines") != runs(b_, "lines"); }));
  ASSERT_NO_FATAL_FAILURE(deliver(b_, 80));
  ASSERT_TRUE(until([&] { return noted("lines") == 80; }));
  Numbers both = written(a_);
  for (const uint64_t one : written(b_)) both.push_back(one);
  EXPECT_EQ(both, range(1, 80)) << "each once";
  EXPECT_TRUE(until([&] { return runs(a_, "lines") != runs(b_, "lines"); }));
}

}  // namespace
}  // namespace picket::test
