// The agent's configuration and its rules: what is read, and what is refused with which words.
#include "agent/app/config.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "agent/app/rules.h"

namespace picket {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class AgentConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-conf-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  absl::StatusOr<AgentConfig> load(const std::string& text) {
    std::ofstream(folder_ / "a.yaml") << text;
    return load_config(folder_ / "a.yaml", true);
  }
  void write_rules(const std::string& text) { std::ofstream(folder_ / "r.yaml") << text; }
  std::string rules_problem() {
    const std::array<std::filesystem::path, 1> paths{folder_ / "r.yaml"};
    return std::string(read_rules(paths).status().message());
  }

  std::filesystem::path folder_;
};

TEST_F(AgentConfigTest, ASpoolIsPowerSafeOnRequest) {
  const auto usual = load("spool_bytes: 1048576\n");
  ASSERT_TRUE(usual.ok()) << usual.status();
  EXPECT_FALSE(usual->spool_power_safe);
  const auto safe = load("spool_power_safe: true\n");
  ASSERT_TRUE(safe.ok()) << safe.status();
  EXPECT_TRUE(safe->spool_power_safe);
  EXPECT_THAT(std::string(load("spool_power_safe: 1\n").status().message()),
              HasSubstr("a.yaml:1:19: spool_power_safe: expected true or false"));
}

TEST_F(AgentConfigTest, LeavesCgroupsOut) {
  const auto config = load("workspaces: {exclude: [/picket/collector, /system.slice]}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->excluded_cgroups, ElementsAre("/picket/collector", "/system.slice"));
  for (const char* path : {"/", "picket", "''", "/picket/", "/a/../b", "/a//b", "/sys/fs/./x"}) {
    const auto refused = load(std::string("workspaces: {exclude: [/a, ") + path + "]}\n");
    EXPECT_THAT(std::string(refused.status().message()),
                HasSubstr("a.yaml:1:23: workspaces.exclude: "))
        << path;
  }
  EXPECT_FALSE(load("workspaces: {exclude: /a}\n").ok());
}

TEST_F(AgentConfigTest, AnAgentNeedsARule) {
  write_rules("- macro: shells\n  condition: proc.name = bash\n");
  EXPECT_EQ(rules_problem(), "load rules: no rule in " + (folder_ / "r.yaml").string());
  EXPECT_EQ(std::string(read_rules({}).status().message()),
            "load rules: no rule in an empty list of paths");
  write_rules("");
  EXPECT_THAT(rules_problem(), HasSubstr("r.yaml: holds no rule, macro or list"));
  write_rules(
      "- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: evt.type = execve\n");
  EXPECT_EQ(rules_problem(), "");
}

TEST_F(AgentConfigTest, WithoutAWordTheRulesAreThoseOfTheWorkingDirectory) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  EXPECT_EQ(usual_rules(), "/usr/share/picket/rules");
  std::filesystem::create_directory("rules");
  EXPECT_EQ(usual_rules(), "rules");
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace picket
