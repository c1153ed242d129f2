// File policies for AI agents: what they become, and what is wrong with one, by file, line and
// column.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(AgentFilesPolicy, BecomesARuleWithItsScope) {
  const auto rules = rules_of(
      "- agent_files: p\n  scope: {agent: claude-code}\n  write: [/project, '/home/*/.cache']\n"
      "  credentials: [npm]\n  startup: [git_hooks, ci_workflow]\n");
  ASSERT_EQ(rules->rules().size(), 1u);
  const RuleInfo& rule = rules->rules()[0];
  EXPECT_EQ(rule.name, "agent_files.p");
  EXPECT_EQ(rule.priority, Priority::warning);
  EXPECT_FALSE(rule.why.empty());
  EXPECT_THAT(
      rule.condition,
      AllOf(StartsWith("lineage.agent exists and ("), HasSubstr("not fd.class in (\"npm\")"),
            HasSubstr("not fs.target.class in (\"git_hooks\", \"ci_workflow\")"),
            HasSubstr("not fs.target.name pmatch (\"/project\", \"/home/*/.cache\")")));
}

TEST(AgentFilesPolicy, WithoutDirectoriesItMayWriteAnywhere) {
  const auto rules = rules_of("- agent_files: p\n");
  EXPECT_THAT(rules->rules()[0].condition, Not(HasSubstr("pmatch")));
}

TEST(AgentFilesPolicy, ErrorsHaveFileLineAndColumn) {
  EXPECT_THAT(load_report("- agent_files: p\n  write: [project]\n").error_text(),
              HasSubstr("test.yaml:2:11: 'project' is no whole path"));
  EXPECT_THAT(load_report("- agent_files: p\n  credentials: ['a b']\n").error_text(),
              HasSubstr("test.yaml:2:17: 'a b' is no name of a class"));
  EXPECT_THAT(load_report("- agent_files: p\n  reads: [npm]\n").error_text(), HasSubstr("reads"));
  EXPECT_THAT(load_report("- agent_files: p\n  priority: HIGH\n").error_text(),
              HasSubstr("is not a priority"));
}

}  // namespace
}  // namespace picket
