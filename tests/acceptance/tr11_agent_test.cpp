// TR11 with an agent as it is run, and containers: while processes of a workspace raise alerts one
// after the other, the collector that the agent talks to is killed. The other one goes on with it.
#include <fcntl.h>
#include <signal.h>

#include <filesystem>

#include "collector/store/postgres.h"
#include "tests/acceptance/load.h"
#include "tests/support/http.h"
#include "tests/support/postgres.h"

namespace picket::test {
namespace {

using ::testing::HasSubstr;

constexpr int kProcesses = 3000, kPauseUs = 1000;

class ReplicasOfAgents : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto server = PostgresServer::start();
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    auto where = server_->create_database();
    ASSERT_TRUE(where.ok()) << where.status();
    where_ = *where;
    // As somebody does it who has the packages' files: by drop-ins.
    drop_in(
        "collector",
        fmt::format("database: ''\nstore: {{postgres: '{}'}}\naudit_key: ../audit.key\n", where_));
    auto first = Deployment::with_collector(
        sandbox(), {.rules = kLoadRule + kMarkRule, .shipped_rules = false});
    ASSERT_TRUE(first.ok()) << first.status();
    deployment_ = *std::move(first);
    start_second();
    if (HasFatalFailure()) return;
    drop_in("picketd", fmt::format("collector: {{address: 'ipv4:127.0.0.1:{},127.0.0.1:{}'}}\n",
                                   deployment().collector_port(), port_));
    const absl::Status started = deployment().start_agent();
    ASSERT_TRUE(started.ok()) << started;
  }
  void TearDown() override {
    watch_.reset();
    questions_.reset();
    deployment_.reset();
    second_.reset();
    server_.reset();
  }

  void drop_in(const std::string& daemon, const std::string& text) {
    std::error_code error;
    std::filesystem::create_directory(sandbox().path(daemon + ".conf.d"), error);
    ASSERT_TRUE(write_file(sandbox().path(daemon + ".conf.d/50-replicas.yaml"), text).ok());
  }
  void start_second() {
    const auto port = free_port(), http = free_port();
    ASSERT_TRUE(port.ok() && http.ok());
    port_ = *port;
    ASSERT_TRUE(
        write_file(
            sandbox().path("second.yaml"),
            fmt::format("listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\nstore: {{postgres: '{}'}}\n"
                        "audit_key: audit.key\ntls: {{ca: pki/ca.crt, cert: "
                        "pki/collector.crt, key: pki/collector.key}}\n",
                        port_, *http, where_))
            .ok());
    ASSERT_TRUE(write_file(sandbox().path("second-context.yaml"),
                           fmt::format("collector: 127.0.0.1:{}\nca: pki/ca.crt\ncert: "
                                       "pki/alice.crt\nkey: pki/alice.key\nserver_id: "
                                       "spiffe://picket/collector/collector\n",
                                       port_))
                    .ok());
    const Fd log(open(sandbox().path("second.log").c_str(),
                      O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    auto started = Subprocess::start(
        {.argv = {PICKET_BINARY_DIR "/picket-collector", "--config", sandbox().path("second.yaml")},
         .out = log.get(),
         .err = log.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    second_ = *std::move(started);
    ASSERT_TRUE(until([&] {
      const auto ready = http_get(*http, "/readyz");
      return ready.ok() && ready->code == 200;
    })) << read_file(sandbox().path("second.log")).value_or("");
    auto watch = AlertStream::start(at_second({"alerts", "watch", "--since", "1h", "-o", "json"}));
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = *std::move(watch);
  }
  std::vector<std::string> at_second(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {PICKET_BINARY_DIR "/picketctl", "--context",
                                         sandbox().path("second-context.yaml")});
    return arguments;
  }
  uint64_t number(const std::string& sql) {
    if (!questions_) {
      auto opened = postgres::Connection::open(where_, "");
      EXPECT_TRUE(opened.ok()) << opened.status();
      if (!opened.ok()) return 0;
      questions_ = *std::move(opened);
    }
    const auto result = questions_->run(sql);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() && result->rows() == 1 ? result->number(0, 0) : 0;
  }
  // Which of the collectors has the agent's stream; 0: none.
  uint64_t replica() {
    return number("SELECT replica FROM nodes WHERE replica IN (SELECT replica FROM live_replicas)");
  }
  // The order was carried out: the container's processes stand, or go.
  void expect_order(bool at_first, const Container& container, const std::string& what) {
    const std::vector<std::string> order{"workspace", what, container.id(), "--reason", "a test"};
    const auto done =
        at_first ? deployment().picketctl(order) : run_program({.argv = at_second(order)});
    ASSERT_TRUE(done.ok()) << done.status();
    EXPECT_EQ(done->exit_code, 0) << what << ": " << done->out << done->err;
    const auto events = read_file(cgroup2_mount() + container.cgroup() + "/cgroup.events");
    ASSERT_TRUE(events.ok()) << events.status();
    EXPECT_THAT(*events, HasSubstr(what == "freeze" ? "frozen 1" : "frozen 0"));
  }

  std::unique_ptr<PostgresServer> server_;
  std::string where_;
  uint16_t port_ = 0;
  std::unique_ptr<Subprocess> second_;
  std::unique_ptr<AlertStream> watch_;  // at the second one
  std::optional<postgres::Connection> questions_;
};

TEST_F(ReplicasOfAgents, TheOtherCollectorGoesOnWithTheNode) {
  auto loud = make_container({.id = "tr11-loud"});
  auto quiet = make_container({.id = "tr11-quiet"});
  ASSERT_TRUE(loud && quiet);
  ASSERT_TRUE(until([&] { return replica() != 0; }));
  alerts_so_far(*loud);  // which the first one told: it has the agent, or hears of what comes
  alerts_so_far(*quiet);
  const uint64_t before = replica();
  expect_order(true, *quiet, "freeze");
  expect_order(false, *quiet, "thaw");

  auto load = launch_load(*loud, kProcesses, kPauseUs);
  ASSERT_TRUE(load.ok()) << load.status();
  constexpr char kStored[] = "SELECT count(*) FROM alerts WHERE rule = 'test.load'";
  ASSERT_TRUE(until([&] { return number(kStored) >= 100; }));
  ASSERT_TRUE(deployment().kill_collector().ok());
  const uint64_t stored = number(kStored);
  EXPECT_LT(stored, uint64_t{kProcesses}) << "the load was over when the collector was killed";
  ASSERT_TRUE(until([&] { return replica() != 0 && replica() != before; })) << "the agent moved";
  expect_order(false, *quiet, "freeze");
  ASSERT_TRUE(deployment().start_collector().ok());
  expect_order(true, *quiet, "thaw");

  ASSERT_EQ(loud->wait_for(*load).value_or(-1), 0);
  ASSERT_TRUE(loud->run({"true", "mark-end"}).ok());
  const auto seen = watch_->all_until("the mark behind the load", [&](const Alert& alert) {
    return alert["rule"] == "test.mark" && of(*loud, alert) &&
           alert["process"]["cmdline"].get<std::string>().ends_with("mark-end");
  });
  ASSERT_TRUE(seen.ok()) << seen.status();
  // Each once, in the order in which they ran, also for who watched where the agent came to.
  size_t next = 0;
  for (const Alert& alert : by_rule(*seen, "test.load"))
    EXPECT_THAT(alert["process"]["cmdline"].get<std::string>(),
                ::testing::EndsWith(fmt::format("load-{}", ++next)));
  EXPECT_EQ(next, size_t{kProcesses});
  EXPECT_EQ(number(kStored), uint64_t{kProcesses});
  EXPECT_EQ(number("SELECT count(DISTINCT id) FROM alerts WHERE rule = 'test.load'"),
            uint64_t{kProcesses});
  EXPECT_EQ(number("SELECT sum(missing)::bigint FROM streams"), 0U);
  EXPECT_EQ(number("SELECT count(*) FROM commands WHERE state = 'done'"), 4U);
  fmt::print("of {} alerts {} were stored when the collector was killed\n", kProcesses, stored);
}

}  // namespace
}  // namespace picket::test
