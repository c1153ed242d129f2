// Findings of one lineage become a story: who led to whom, at which stage; and what does not belong
// together stays apart.
#include <gmock/gmock.h>

#include "agent/detect/merger.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

constexpr uint64_t kSecond = 1'000'000'000, kHour = 3600 * kSecond;

// Below branch 100 + `branch`, in a session of that number.
Finding finding(std::string rule, uint32_t pid, uint64_t seconds, uint32_t branch = 1) {
  Finding f;
  f.rule = std::move(rule);
  f.process.key = {pid, pid * 10ull};
  f.subtree = {{100 + branch, 1}, branch};
  f.workspace.id = "w";
  f.priority = Priority::warning;
  f.time_ns = f.first_ns = f.last_ns = seconds * kSecond;
  return f;
}
Finding below(Finding f, std::initializer_list<uint32_t> ancestors) {
  for (const uint32_t pid : ancestors) {
    ProcessSummary ancestor;
    ancestor.key = {pid, pid * 10ull};
    f.lineage.push_back(ancestor);
  }
  return f;
}
Finding tagged(Finding f, std::vector<std::string> tags) {
  f.tags = std::move(tags);
  return f;
}

struct StoryTest : testing::Test {
  // As it was sent.
  const Finding& add(Finding f) {
    merger.add(std::move(f), sink);
    return sink.findings.back();
  }
  Merger merger{{}};
  CollectingSink sink;
};

TEST_F(StoryTest, OneLineageIsOneStoryWithParentsAndStages) {
  const Finding shell =
      add(tagged(finding("shell", 10, 1), {"T1059.004", "mitre_execution", "mitre_impact"}));
  EXPECT_EQ(shell.incident.first.merge_id, shell.merge_id) << "it begins its own";
  EXPECT_TRUE(shell.incident.parent.empty());
  EXPECT_EQ(shell.incident.stage, "execution");
  EXPECT_EQ(shell.incident.position, 1u);
  const Finding escape =
      add(tagged(below(finding("escape", 12, 2), {11, 10}), {"mitre_privilege_escalation"}));
  EXPECT_EQ(escape.incident.first.merge_id, shell.merge_id);
  EXPECT_EQ(escape.incident.parent.merge_id, shell.merge_id);
  EXPECT_EQ(escape.incident.stage, "privilege_escalation");
  EXPECT_EQ(escape.incident.position, 2u);
  const Finding again = add(below(finding("other", 12, 3), {11, 10}));
  EXPECT_EQ(again.incident.parent.merge_id, escape.merge_id) << "what it did before itself";
  EXPECT_EQ(again.incident.stage, "");
  const Finding sibling = add(below(finding("miner", 13, 4), {10}));
  EXPECT_EQ(sibling.incident.parent.merge_id, shell.merge_id) << "the nearest above, not the last";
  const Finding cousin = add(finding("cousin", 14, 5));
  EXPECT_EQ(cousin.incident.parent.merge_id, sibling.merge_id) << "nobody above: the one before";
  EXPECT_EQ(cousin.incident.position, 5u);
}

TEST_F(StoryTest, OtherBranchesWorkspacesAndTimesAreOtherStories) {
  const Finding one = add(finding("r", 10, 1));
  EXPECT_NE(add(finding("r", 20, 2, 2)).incident.first.merge_id, one.merge_id);
  Finding elsewhere = finding("r", 10, 3);
  elsewhere.workspace.id = "x";
  EXPECT_EQ(add(std::move(elsewhere)).incident.position, 1u);
  EXPECT_EQ(add(finding("s", 11, 3601)).incident.first.merge_id, one.merge_id) << "within the hour";
  EXPECT_EQ(add(finding("t", 12, 7202)).incident.position, 1u) << "an hour of silence ends it";
}

TEST_F(StoryTest, ASessionJoinsBranchesAndWhatJoinedBringsItsOwn) {
  const Finding one = add(finding("r", 10, 1, 1));
  Finding other_branch = finding("r", 20, 2, 2);
  other_branch.subtree.session = 1;
  EXPECT_EQ(add(other_branch).incident.first.merge_id, one.merge_id);
  EXPECT_EQ(add(finding("s", 21, 3, 2)).incident.first.merge_id, one.merge_id)
      << "another session of that branch";
}

TEST_F(StoryTest, RecordsAndTrialsJoinButBeginNothing) {
  Finding record = finding("record", 10, 1);
  record.priority = Priority::informational;
  EXPECT_TRUE(add(record).incident.first.empty());
  Finding trial = finding("trial", 10, 2);
  trial.shadow = true;
  EXPECT_TRUE(add(trial).incident.first.empty());
  const Finding shell = add(finding("shell", 10, 3));
  record.rule = "later";
  record.time_ns = 4 * kSecond;
  EXPECT_EQ(add(record).incident.parent.merge_id, shell.merge_id);
  EXPECT_EQ(add(finding("escape", 10, 5)).incident.parent.merge_id, shell.merge_id)
      << "a record is nobody's parent";
  Finding of_agent = finding("agent", 0, 6);
  EXPECT_TRUE(add(of_agent).incident.first.empty());
}

TEST_F(StoryTest, RepeatsKeepTheirPlaceAndTheStoryOpen) {
  const Finding first = add(finding("r", 10, 1));
  uint64_t seconds = 1;
  for (; seconds < 5000; seconds += 50) merger.add(finding("r", 10, seconds), sink);
  merger.on_tick(seconds * kSecond, sink);
  EXPECT_EQ(sink.findings.back().incident.position, 1u);
  EXPECT_EQ(sink.findings.back().merge_id, first.merge_id);
  EXPECT_EQ(add(finding("s", 11, seconds)).incident.first.merge_id, first.merge_id);
}

TEST(Stories, AreBounded) {
  Stories stories({.quiet_ns = kHour, .per_workspace = 2, .remembered = 2});
  const auto add = [&](uint32_t pid, uint64_t seconds, uint32_t branch) {
    Finding f = finding("r", pid, seconds, branch);
    f.merge_id = std::to_string(pid);
    stories.add(f);
    return f;
  };
  add(1, 1, 1);
  add(2, 2, 2);
  add(3, 3, 1);  // the second is the quiet one now
  add(4, 4, 3);
  EXPECT_EQ(stories.size(), 2u);
  EXPECT_EQ(add(5, 5, 1).incident.first.merge_id, "1");
  EXPECT_EQ(add(6, 6, 2).incident.position, 1u) << "forgotten";
  for (uint32_t pid = 10; pid < 20; ++pid) add(pid, pid, 2);
  Finding old = below(finding("r", 30, 30, 2), {6});
  stories.add(old);
  EXPECT_EQ(old.incident.first.merge_id, "6") << "the first is never forgotten";
  EXPECT_EQ(old.incident.parent.merge_id, "19") << "6 is no longer remembered as a parent";
  stories.on_tick(31 * kSecond + kHour);
  EXPECT_EQ(stories.size(), 0u);
}

TEST(RuleDetectorFinding, KnowsItsSubtree) {
  RuleDetector detector(rules_of(rule_with("evt.type = execve")));
  Scene scene;
  scene.process.session = 7;
  const Finding f = scene.run(detector).at(0);
  EXPECT_EQ(f.subtree.root, scene.parent.key) << "the branch below the first process";
  EXPECT_EQ(f.subtree.session, 7u);
}

}  // namespace
}  // namespace picket
