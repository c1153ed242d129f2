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

// Fewer than a watcher may be behind (8192): nobody reads while the load runs.
constexpr int kProcesses = 2000, kPauseUs = 2000;

class ReplicasOfAgents : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto server = PostgresServer::start();
    if (absl::IsUnimplemented(server.status())) {
      const char* ci = std::getenv("CI");
      ASSERT_FALSE(ci != nullptr && std::string(ci) == "true") << server.status();
      GTEST_SKIP() << server.status();
    }
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
    configure_second();
    if (HasFatalFailure()) return;
    const absl::Status second = start_second();
    ASSERT_TRUE(second.ok()) << second;
    drop_in("picketd", fmt::format("collector: {{address: 'ipv4:127.0.0.1:{},127.0.0.1:{}'}}\n",
                                   deployment().collector_port(), port_));
    const absl::Status started = deployment().start_agent();
    ASSERT_TRUE(started.ok()) << started;
  }
  void TearDown() override {
    if (HasFailure())
      for (const char* log : {"collector.log", "second.log", "agent.log"})
        std::cerr << log << ":\n" << read_file(sandbox().path(log)).value_or("") << '\n';
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
  void configure_second() {
    const auto port = free_port(), http = free_port();
    ASSERT_TRUE(port.ok() && http.ok());
    port_ = *port;
    http_ = *http;
    ASSERT_TRUE(
        write_file(
            sandbox().path("second.yaml"),
            fmt::format("listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\nstore: {{postgres: '{}'}}\n"
                        "audit_key: audit.key\ntls: {{ca: pki/ca.crt, cert: "
                        "pki/collector.crt, key: pki/collector.key}}\n",
                        port_, http_, where_))
            .ok());
    ASSERT_TRUE(write_file(sandbox().path("second-context.yaml"),
                           fmt::format("collector: 127.0.0.1:{}\nca: pki/ca.crt\ncert: "
                                       "pki/alice.crt\nkey: pki/alice.key\nserver_id: "
                                       "spiffe://picket/collector/collector\n",
                                       port_))
                    .ok());
  }
  absl::Status start_second() {
    const Fd log(open(sandbox().path("second.log").c_str(),
                      O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    auto started = Subprocess::start(
        {.argv = {PICKET_BINARY_DIR "/picket-collector", "--config", sandbox().path("second.yaml")},
         .out = log.get(),
         .err = log.get()});
    if (!started.ok()) return started.status();
    second_ = *std::move(started);
    const bool ready = until([&] {
      const auto answer = http_get(http_, "/readyz");
      return answer.ok() && answer->code == 200;
    });
    if (!ready) return absl::DeadlineExceededError("the second collector is not ready");
    auto watch = AlertStream::start(at_second({"alerts", "watch", "--since", "1h", "-o", "json"}));
    if (!watch.ok()) return watch.status();
    watch_ = *std::move(watch);
    return absl::OkStatus();
  }
  absl::Status kill_second() {
    watch_.reset();
    second_->signal(SIGKILL);
    return second_->wait().status();
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
  uint16_t port_ = 0, http_ = 0;  // of the second one
  std::unique_ptr<Subprocess> second_;
  std::unique_ptr<AlertStream> watch_;  // at the second one
  std::optional<postgres::Connection> questions_;
};

TEST_F(ReplicasOfAgents, TheOtherCollectorGoesOnWithTheNode) {
  auto loud = make_container({.id = "tr11-loud"});
  auto quiet = make_container({.id = "tr11-quiet"});
  ASSERT_TRUE(loud && quiet);
  ASSERT_TRUE(until([&] { return replica() != 0; }));
  alerts_so_far(*loud);  // as the first one tells them, wherever the agent is
  alerts_so_far(*quiet);
  // Numbers are in the order of starts. An agent that finds the first one too slow to answer takes
  // the other.
  const uint64_t before = replica();
  const bool at_first = before == 1;
  expect_order(true, *quiet, "freeze");
  expect_order(false, *quiet, "thaw");

  auto load = launch_load(*loud, kProcesses, kPauseUs);
  ASSERT_TRUE(load.ok()) << load.status();
  constexpr char kStored[] = "SELECT count(*) FROM alerts WHERE rule = 'test.load'";
  ASSERT_TRUE(until([&] { return number(kStored) >= 100; }));
  ASSERT_TRUE((at_first ? deployment().kill_collector() : kill_second()).ok());
  const uint64_t stored = number(kStored);
  EXPECT_LT(stored, uint64_t{kProcesses}) << "the load was over when the collector was killed";
  ASSERT_TRUE(until([&] { return replica() != 0 && replica() != before; })) << "the agent moved";
  expect_order(!at_first, *quiet, "freeze");
  const absl::Status again = at_first ? deployment().start_collector() : start_second();
  ASSERT_TRUE(again.ok()) << again;
  expect_order(at_first, *quiet, "thaw");

  ASSERT_EQ(loud->wait_for(*load).value_or(-1), 0);
  ASSERT_TRUE(loud->run({"true", "mark-end"}).ok());
  AlertStream& watch = at_first ? *watch_ : deployment().alerts();  // where the agent came to
  const auto seen = watch.all_until("the mark behind the load", [&](const Alert& alert) {
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
