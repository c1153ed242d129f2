// TR6: secrets in arguments, in an environment that a command line gives, and in URLs are masked
// before they leave the node: neither the agent's spool nor anything of the collector's holds them,
// of the process, of its ancestors, or of the fields of the rule. The rules judge what was there.
#include <filesystem>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

constexpr const char* kSecret = "hunter2sWholeSecret";

class TR6 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = "- rule: test.secret\n  desc: Of a test\n"
                     "  condition: evt.type in (execve, execveat) and (proc.args contains " +
                     std::string(kSecret) +
                     " or proc.args = test-child)\n  output: \"%proc.cmdline, below "
                     "%proc.pcmdline\"\n  priority: NOTICE\n"});
    if (HasFatalFailure()) return;
    container_ = make_container();
    ASSERT_TRUE(container_);
  }
  // The file and SQLite's log beside it.
  static std::string bytes_of(const std::string& file) {
    std::string bytes;
    for (const char* side : {"", "-wal"}) bytes += read_file(file + side).value_or("");
    return bytes;
  }
  std::unique_ptr<Container> container_;
};

TEST_F(TR6, SecretsStayOnTheNodeAndRulesSeeThem) {
  const std::string secret = kSecret;
  const std::vector<std::pair<std::string, std::string>> words = {
      {"--password=" + secret, "--password=[masked]"},
      {"postgres://dev:" + secret + "@db/app", "postgres://dev:[masked]@db/app"},
      {"https://h.example/?access_token=" + secret + "&page=2",
       "https://h.example/?access_token=[masked]&page=2"},
      {"DEPLOY_TOKEN=" + secret, "DEPLOY_TOKEN=[masked]"},
      {"Authorization: Bearer " + secret, "Authorization: Bearer [masked]"},
      {"ghp_" + secret + "0123456789abcdef", "[masked]"}};
  for (const auto& [word, left] : words)
    ASSERT_TRUE(container_->run({"true", word, "3f786850e387550fdab836ed7e6dc881de23b001"}).ok());
  // What the program below it did carries it in the lineage.
  ASSERT_TRUE(
      container_->run({"sh", "-c", "/bin/true test-child; true", "--token=" + secret}).ok());
  const auto alerts = by_rule(distinct(alerts_so_far(*container_)), "test.secret");
  EXPECT_EQ(alerts.size(), words.size() + 2);  // the shell and its child
  std::vector<std::string> lines;
  bool child = false;
  for (const Alert& alert : alerts) {
    lines.push_back(alert["process"]["cmdline"]);
    if (!lines.back().ends_with("test-child")) continue;
    child = true;
    EXPECT_THAT(alert["output"].get<std::string>(), ::testing::EndsWith("--token=[masked]"));
    EXPECT_THAT(alert["lineage"][0]["cmdline"].get<std::string>(),
                ::testing::EndsWith("--token=[masked]"));
  }
  EXPECT_TRUE(child);
  for (const auto& [word, left] : words)
    EXPECT_THAT(lines, ::testing::Contains(::testing::HasSubstr(
                           left + " 3f786850e387550fdab836ed7e6dc881de23b001")));

  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().stop_collector().ok());
  const std::string stored = bytes_of(deployment().database());
  EXPECT_NE(stored.find("[masked]"), std::string::npos);
  EXPECT_NE(stored.find("test.secret"), std::string::npos);
  EXPECT_EQ(stored.find(secret), std::string::npos);
  EXPECT_EQ(bytes_of(sandbox().path("agent/spool.db")).find(secret), std::string::npos);
}

}  // namespace
}  // namespace picket::test
