// picketd --standalone as the README shows it: rules of a checkout, findings as JSON lines; and
// what the configuration leaves out, or a reload must not lose.
#include <filesystem>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/http.h"

namespace picket::test {
namespace {

const char* const kRule =
    "- rule: test.mark\n  desc: Of a test\n  output: \"%proc.cmdline\"\n  priority: NOTICE\n"
    "  condition: evt.type in (execve, execveat) and proc.args startswith mark-\n";

class STANDALONE : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    for (const char* name : {"watched", "left-out"}) {
      ASSERT_TRUE(std::filesystem::create_directory(sandbox().cgroup_folder() + "/" + name));
    }
    ASSERT_TRUE(std::filesystem::create_directory(sandbox().path("rules")));
    ASSERT_TRUE(write_file(rules_file(), kRule).ok());
    ASSERT_TRUE(write_file(sandbox().path("picketd.yaml"),
                           fmt::format("rules: [rules]\nhttp: 127.0.0.1:0\n"
                                       "workspaces: {{cgroup_roots: ['{0}'], runc_roots: [runc],\n"
                                       "             exclude: ['{0}/left-out']}}\n",
                                       sandbox().cgroup()))
                    .ok());
  }
  std::string rules_file() { return sandbox().path("rules/test.yaml"); }

  void start(std::vector<std::string> arguments) {
    auto out = make_pipe(), log = make_pipe();
    ASSERT_TRUE(out.ok() && log.ok());
    std::vector<std::string> argv = {PICKET_BINARY_DIR "/picketd", "--standalone"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    auto started =
        Subprocess::start({.argv = argv, .out = out->write.get(), .err = log->write.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    agent_ = *std::move(started);
    findings_ = std::make_unique<LineReader>(std::move(out->read));
    log_ = std::make_unique<LineReader>(std::move(log->read));
    wait_for_log("watching");
  }
  void wait_for_log(std::string_view words) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    std::string last;
    while (auto line = log_->next(deadline)) {
      last = *line;
      if (line->find(words) != std::string::npos) return;
    }
    ADD_FAILURE() << "the agent never said \"" << words << "\", but: " << last;
  }
  void run_in(const std::string& cgroup, const std::string& mark) {
    const std::string procs = sandbox().cgroup_folder() + "/" + cgroup + "/cgroup.procs";
    const auto ran =
        run_program({.argv = {"sh", "-c", "echo $$ >'" + procs + "' && exec /bin/true " + mark}});
    ASSERT_TRUE(ran.ok() && ran->exit_code == 0);
  }
  // The next process that the test's rule found.
  nlohmann::json next_process() {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (auto line = findings_->next(deadline)) {
      const auto finding = nlohmann::json::parse(*line);
      if (finding["rule"] == "test.mark") return finding["process"];
    }
    return {{"cmdline", "nothing"}};
  }
  std::string next_mark() { return next_process()["cmdline"].get<std::string>(); }

  std::unique_ptr<Subprocess> agent_;
  std::unique_ptr<LineReader> findings_, log_;
};

TEST_F(STANDALONE, LeavesOutWhatTheConfigurationSays) {
  start({"--config", sandbox().path("picketd.yaml")});
  run_in("left-out", "mark-unseen");
  run_in("watched", "mark-seen");
  EXPECT_EQ(next_mark(), "/bin/true mark-seen");
}

TEST_F(STANDALONE, TellsWhichAgentDrivesAProcess) {
  const std::string agent = sandbox().path("helper");
  std::filesystem::copy_file("/bin/sh", agent);
  ASSERT_TRUE(write_file(rules_file(), fmt::format("{}- lineage: helper\n  origin: ai_agent\n"
                                                   "  programs: [{}]\n",
                                                   kRule, agent))
                  .ok());
  start({"--config", sandbox().path("picketd.yaml")});
  const std::string procs = sandbox().cgroup_folder() + "/watched/cgroup.procs";
  // Forked twice, in a session of its own, after everybody above it has ended.
  const auto ran = run_program(
      {.argv = {"sh", "-c",
                "echo $$ >'" + procs + "' && exec '" + agent +
                    "' -c 'setsid sh -c \"(read end; /bin/true mark-daemon) & true\"'"}});
  ASSERT_TRUE(ran.ok() && ran->exit_code == 0) << (ran.ok() ? ran->err : "");
  const nlohmann::json process = next_process();
  EXPECT_EQ(process["cmdline"], "/bin/true mark-daemon");
  EXPECT_EQ(process["origin"], "ai_agent");
  EXPECT_EQ(process["agent"], "helper");
}

TEST_F(STANDALONE, KeepsItsRulesWhenTheirFolderIsEmptied) {
  start({"--config", sandbox().path("picketd.yaml")});
  std::filesystem::remove(rules_file());
  agent_->signal(SIGHUP);
  wait_for_log("holds no rule file");
  wait_for_log("the active ones stay");
  run_in("watched", "mark-folder");
  EXPECT_EQ(next_mark(), "/bin/true mark-folder");
  ASSERT_TRUE(write_file(rules_file(), "- list: l\n  items: [a]\n").ok());
  agent_->signal(SIGHUP);
  wait_for_log("no rule in");
  run_in("watched", "mark-list");
  EXPECT_EQ(next_mark(), "/bin/true mark-list");
}

TEST_F(STANDALONE, DoesNotStartWithoutARule) {
  ASSERT_TRUE(write_file(rules_file(), "# nothing yet\n").ok());
  const auto ended = run_program({.argv = {PICKET_BINARY_DIR "/picketd", "--standalone", "--config",
                                           sandbox().path("picketd.yaml")}});
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->exit_code, 1);
  EXPECT_THAT(ended->err, ::testing::HasSubstr("rules/test.yaml: holds no rule, macro or list"));
}

TEST_F(STANDALONE, TakesRulesFromTheCommandLine) {
  const std::string other = sandbox().path("other.yaml");
  ASSERT_TRUE(write_file(other, kRule).ok());
  ASSERT_TRUE(write_file(rules_file(), "# nothing yet\n").ok());
  start({"--config", sandbox().path("picketd.yaml"), "--rules", other});
  run_in("watched", "mark-other");
  EXPECT_EQ(next_mark(), "/bin/true mark-other");
}

// As in a fresh checkout: without any file of the machine's.
TEST_F(STANDALONE, WatchesWithTheRulesOfACheckout) {
  if (std::filesystem::exists("/etc/picket/picketd.yaml")) GTEST_SKIP() << "an agent is installed";
  if (http_get(9470, "/livez").ok()) GTEST_SKIP() << "an agent runs on the usual port";
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(PICKET_SOURCE_DIR);
  start({});
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace picket::test
