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

TEST_F(AgentConfigTest, ANodeHasLabels) {
  EXPECT_TRUE(load("")->labels.empty());
  EXPECT_THAT(load("labels: {zone: a, picket/tier: dev}\n")->labels,
              ElementsAre(testing::Pair("picket/tier", "dev"), testing::Pair("zone", "a")));
  for (const char* wrong : {"labels: [zone]\n", "labels: {zone: [a]}\n", "labels: {a=b: c}\n",
                            "labels: {zone: ''}\n"}) {
    const auto config = load(wrong);
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("a.yaml:1:")) << wrong;
  }
}

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

TEST_F(AgentConfigTest, KeysOfLabelsSayWhoseAWorkspaceIs) {
  const auto usual = load("spool_bytes: 1048576\n");
  ASSERT_TRUE(usual.ok()) << usual.status();
  EXPECT_EQ(usual->cri_socket, "");
  EXPECT_EQ(usual->ownership.owner.front(), "picket/owner");
  const auto own = load(
      "identity:\n  cri_socket: /run/k3s/containerd/containerd.sock\n  cri_timeout_ms: 500\n"
      "  owner: [example.com/owner]\n  pull_request: [example.com/pr, ci/pr]\n");
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(own->cri_socket, "/run/k3s/containerd/containerd.sock");
  EXPECT_EQ(own->cri_timeout_ms, 500u);
  EXPECT_THAT(own->ownership.owner, ElementsAre("example.com/owner"));
  EXPECT_THAT(own->ownership.pull_request, ElementsAre("example.com/pr", "ci/pr"));
  EXPECT_EQ(own->ownership.template_name, OwnershipKeys().template_name);
  EXPECT_TRUE(load("identity: {cri_socket: none}\n").ok());
}

TEST_F(AgentConfigTest, RefusesKeysThatNoLabelCanHave) {
  EXPECT_THAT(std::string(load("identity: {owner: [a, 'b c']}\n").status().message()),
              HasSubstr("a.yaml:1:19: identity.owner: \"b c\" is no key of a label"));
  EXPECT_FALSE(load("identity: {owner: [a=b]}\n").ok());
  EXPECT_FALSE(load("identity: {owner: ['']}\n").ok());
  EXPECT_THAT(std::string(load("identity: {cri_socket: run/x.sock}\n").status().message()),
              HasSubstr("identity.cri_socket: \"run/x.sock\" is no absolute path"));
  EXPECT_THAT(std::string(load("identity: {owners: [a]}\n").status().message()),
              HasSubstr("unknown key \"owners\"; expected one of: cri_socket, "));
}

TEST_F(AgentConfigTest, LabelsSelectTheRestrictedProfile) {
  const auto own = load("identity: {restricted: [ci/fork, ci/trust=fork]}\n");
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_THAT(own->ownership.restricted, ElementsAre("ci/fork", "ci/trust=fork"));
  EXPECT_THAT(std::string(load("identity: {restricted: [=fork]}\n").status().message()),
              HasSubstr("identity.restricted: \"=fork\" selects nothing"));
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
