// Where rules hold (scope), for whom they do not (waivers, by an injected clock), and rules on
// trial (shadow).
#include <gmock/gmock.h>

#include "agent/detect/rule/urgency.h"
#include "agent/detect/rule/waiver_reader.h"
#include "agent/respond/policy.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSecond = 1'000'000'000;

std::string scoped(std::string_view scope) {
  return rule_with("proc.name = bash") + "  scope: " + std::string(scope) + "\n";
}

bool applies(std::string_view scope, const Scene& scene) {
  RuleDetector detector(rules_of(scoped(scope)));
  return !scene.run(detector).empty();
}

struct ScopeTest : testing::Test {
  ScopeTest() {
    scene.workspace.pod.name = "pod";
    scene.workspace.pod.ns = "team-blue";
    scene.workspace.pod.labels["tier"] = "dev";
    scene.workspace.owner = "alice@example.org";
    scene.workspace.template_name = "go-1.26";
    scene.workspace.repository = "https://git.example.org/blue/shop";
  }
  Scene scene;
};

TEST_F(ScopeTest, EverySelectorHoldsOnlyThere) {
  EXPECT_TRUE(applies("{namespace: team-blue}", scene));
  EXPECT_FALSE(applies("{namespace: team-red}", scene));
  EXPECT_TRUE(applies("{label: {team: blue}}", scene));
  EXPECT_FALSE(applies("{label: {team: red}}", scene));
  EXPECT_TRUE(applies("{label: {tier: dev}}", scene));  // of the pod
  EXPECT_TRUE(applies("{owner: alice@example.org}", scene));
  EXPECT_FALSE(applies("{owner: bob@example.org}", scene));
  EXPECT_TRUE(applies("{template: [java-21, go-1.26]}", scene));
  EXPECT_FALSE(applies("{template: [java-21, go-1.25]}", scene));
  EXPECT_TRUE(applies("{repository: '*/blue/*'}", scene));
  EXPECT_FALSE(applies("{repository: '*/red/*'}", scene));
  EXPECT_TRUE(applies("{workspace: demo}", scene));
  EXPECT_FALSE(applies("{workspace: dem}", scene));
}

TEST_F(ScopeTest, AllSelectorsHoldTogether) {
  EXPECT_TRUE(applies("{namespace: 'team-*', owner: [bob@example.org, alice@*]}", scene));
  EXPECT_FALSE(applies("{namespace: 'team-*', owner: bob@example.org}", scene));
}

TEST_F(ScopeTest, WhatIsNotKnownIsNotSelected) { EXPECT_FALSE(applies("{owner: '*'}", Scene())); }

TEST_F(ScopeTest, HoldsForEveryStepOfASequence) {
  const std::string rules =
      "- rule: s\n  desc: d\n  priority: NOTICE\n  output: o\n  scope: {owner: alice@example.org}\n"
      "  sequence: {within: 60s, steps: [{step: a, condition: proc.name = bash, count: 2}]}\n";
  RuleDetector detector(rules_of(rules));
  EXPECT_THAT(scene.run(detector), IsEmpty());
  scene.workspace.owner = "bob@example.org";
  EXPECT_THAT(scene.run(detector), IsEmpty());
  scene.workspace.owner = "alice@example.org";
  EXPECT_EQ(scene.run(detector).size(), 1u);
}

TEST(ScopeErrors, HaveFileLineAndColumn) {
  EXPECT_THAT(load_report(scoped("{ownr: a}")).error_text(),
              HasSubstr("test.yaml:7:11: unknown key 'ownr'; one of namespace, label"));
  EXPECT_THAT(load_report(scoped("{owner: []}")).error_text(),
              HasSubstr("test.yaml:7:18: an empty list selects nothing"));
  EXPECT_THAT(load_report(scoped("{label: x}")).error_text(),
              HasSubstr("test.yaml:7:18: a mapping of keys to values expected for 'label'"));
  EXPECT_THAT(load_report(scoped("everywhere")).error_text(),
              HasSubstr("test.yaml:7:10: a mapping expected for 'scope'"));
  EXPECT_THAT(load_report(scoped("{}")).error_text(),
              HasSubstr("test.yaml:7:10: an empty 'scope' selects nothing"));
}

// --- Shadow

TEST(Shadow, ReportsWhatItWouldHaveDoneAndDoesNothing) {
  const std::string text = rule_with("proc.name = bash") + "  respond: kill\n  shadow: true\n";
  const auto rules = rules_of(text);
  RuleDetector detector(rules);
  Scene scene;
  const std::vector<Finding> found = scene.run(detector);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].shadow);
  EXPECT_EQ(found[0].respond, Action::kill);
  const Verdict verdict = ResponsePolicy().decide(found[0], found[0].workspace);
  EXPECT_EQ(verdict.action, Action::kill);
  EXPECT_TRUE(verdict.dry_run);
  EXPECT_FALSE(is_urgent(rules->rules()[0]));  // nobody waits for it
}

// --- Waivers

constexpr uint64_t kEnd = 1'767'225'600 * kSecond;  // 2026-01-01T00:00:00Z

std::string waiver(std::string_view more = {}) {
  return "- waiver: w\n  rules: [r]\n  owner: alice\n  reason: the migration\n"
         "  expires: 2026-01-01T00:00:00Z\n" +
         std::string(more);
}

struct WaiverTest : testing::Test {
  // Two seconds pass from the first event to the end, by the wall clock that is set.
  void load(std::string text) {
    detector = std::make_unique<RuleDetector>(rules_of(rule_with("proc.name = bash") + text));
    detector->waivers().set_wall_minus_boot_ns(kEnd - 12 * kSecond);
  }
  size_t found_at(uint64_t seconds) {
    scene.record.header().time_ns = seconds * kSecond;
    return scene.run(*detector).size();
  }
  std::vector<EndedWaiver> ended_at(uint64_t seconds) {
    CollectingSink sink;
    detector->on_tick(seconds * kSecond, sink);
    return detector->waivers().take_ended();
  }
  Scene scene;
  std::unique_ptr<RuleDetector> detector;
};

TEST_F(WaiverTest, AlertsAreWithheldUntilItsEndAndResumeByThemselves) {
  load(waiver());
  EXPECT_EQ(found_at(10), 0u);
  EXPECT_EQ(found_at(11), 0u);
  EXPECT_THAT(ended_at(11), IsEmpty());
  EXPECT_EQ(found_at(12), 1u);
  const auto ended = ended_at(12);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].waiver.name, "w");
  EXPECT_EQ(ended[0].waiver.owner, "alice");
  EXPECT_EQ(ended[0].waiver.reason, "the migration");
  EXPECT_EQ(ended[0].withheld, 2u);
  EXPECT_THAT(ended_at(13), IsEmpty());
}

TEST_F(WaiverTest, HoldsInItsScopeAndUnderItsCondition) {
  load(waiver("  scope: {label: {team: red}}\n"));
  EXPECT_EQ(found_at(10), 1u);
  load(waiver("  scope: {label: {team: blue}}\n"));
  EXPECT_EQ(found_at(10), 0u);
  load(waiver("  condition: proc.pname = cron\n"));
  EXPECT_EQ(found_at(10), 1u);
  load(waiver("  condition: proc.pname = make\n"));
  EXPECT_EQ(found_at(10), 0u);
}

TEST_F(WaiverTest, ACompleteSequenceIsWithheld) {
  const std::string sequence =
      "- rule: s\n  desc: d\n  priority: NOTICE\n  output: o\n"
      "  sequence: {within: 60s, steps: [{step: a, condition: proc.name = bash, count: 2}]}\n";
  std::string text = waiver();
  text.replace(text.find("[r]"), 3, "['*']");
  load(sequence + text);
  EXPECT_EQ(found_at(10) + found_at(11), 0u);
  EXPECT_EQ(found_at(12), 1u);  // the rule; the sequence began anew
  EXPECT_EQ(found_at(13), 2u);
}

// Asked when it would be told, not when the last step happened.
TEST_F(WaiverTest, ASequenceThatEndsWithAnAbsenceIsWithheldAtItsEnd) {
  const std::string sequence =
      "- rule: s\n  desc: d\n  priority: NOTICE\n  output: o\n"
      "  sequence: {within: 1s, steps: [{step: a, condition: proc.name = bash},"
      " {absent: b, condition: proc.name = zsh}]}\n";
  std::string text = waiver();
  text.replace(text.find("[r]"), 3, "[s]");
  const auto told_after = [&](double start, bool answered) {
    load(sequence + text);
    scene.process.comm = "bash";
    scene.record.header().time_ns = static_cast<uint64_t>(start * kSecond);
    scene.run(*detector);
    if (answered) {
      scene.process.comm = "zsh";
      scene.run(*detector);
    }
    CollectingSink sink;
    detector->on_tick(20 * kSecond, sink);
    return sink.findings.size();
  };
  EXPECT_EQ(told_after(10, false), 0u);  // ends at 11, the waiver at 12
  EXPECT_EQ(detector->waivers().take_ended().at(0).withheld, 1u);
  EXPECT_EQ(told_after(11.5, false), 1u);  // the waiver ended in between
  EXPECT_EQ(detector->waivers().take_ended().at(0).withheld, 0u);
  EXPECT_EQ(told_after(10, true), 0u);
  EXPECT_EQ(detector->waivers().take_ended().at(0).withheld, 0u) << "there was no alert";
}

TEST_F(WaiverTest, WithoutAWallClockNoneHolds) {
  RuleDetector fresh(rules_of(rule_with("proc.name = bash") + waiver()));
  EXPECT_EQ(scene.run(fresh).size(), 1u);
}

TEST_F(WaiverTest, WhatIsCountedOutlivesAReload) {
  load(waiver());
  EXPECT_EQ(found_at(10), 0u);
  detector->replace(rules_of(rule_with("proc.name = bash") + waiver()));
  EXPECT_EQ(found_at(11), 0u);
  const auto ended = ended_at(12);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].withheld, 2u);
  detector->replace(rules_of(rule_with("proc.name = bash") + waiver()));
  EXPECT_THAT(ended_at(13), IsEmpty());
}

TEST(WaiverErrors, AnswerForOwnerReasonAndEnd) {
  const auto errors = [](std::string text) {
    return load_report(rule_with("proc.name = bash") + text).error_text();
  };
  EXPECT_THAT(errors("- waiver: w\n  rules: [r]\n  expires: 2026-01-01\n"),
              testing::AllOf(HasSubstr("'owner' is missing"), HasSubstr("'reason' is missing")));
  EXPECT_THAT(errors("- waiver: w\n  rules: [r]\n  owner: a\n  reason: b\n"),
              HasSubstr("'expires' is missing"));
  EXPECT_THAT(errors("- waiver: w\n  rules: [r]\n  owner: a\n  reason: b\n  expires: never\n"),
              HasSubstr("test.yaml:11:12: 'never' is no time"));
}

TEST(WaiverErrors, ANameThatIsNoRuleIsNoted) {
  const LoadReport report = load_report(rule_with("proc.name = bash") +
                                        "- waiver: w\n  rules: [r, q]\n  owner: a\n  reason: b\n"
                                        "  expires: 2026-01-01\n");
  EXPECT_THAT(report.errors, IsEmpty());
  ASSERT_EQ(report.notes.size(), 2u);
  EXPECT_THAT(report.notes[1].text(), HasSubstr("8:14: waiver 'w' names no rule: 'q'"));
}

TEST(WaiverEnd, IsTheEndOfADayOrATime) {
  EXPECT_EQ(rule::parse_end_ns("2026-01-01T00:00:00Z"), kEnd);
  EXPECT_EQ(rule::parse_end_ns("2025-12-31"), kEnd);
  for (const char* text : {"2026-02-30", "2026-1-1", "2026-01-01T24:00:00Z", "tomorrow", ""})
    EXPECT_EQ(rule::parse_end_ns(text), std::nullopt) << text;
}

}  // namespace
}  // namespace picket
