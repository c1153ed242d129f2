// Sequences: steps in order by lineage or workspace, absence, counts, bounds, reload; by event time
// only.
#include <gmock/gmock.h>

#include "agent/detect/merger.h"
#include "tests/unit/sequence_stage.h"

namespace picket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> names(const std::vector<FindingStep>& steps) {
  std::vector<std::string> names;
  for (const FindingStep& step : steps) names.push_back(step.name);
  return names;
}

TEST(Sequence, StepsInOrderAreOneFindingWithTheEvidenceOfEach) {
  Stage stage(kThreeSteps);
  stage.event(100, "curl").event(110, "ls").event(120, "chmod").event(130, "payload");
  ASSERT_EQ(stage.found.size(), 1u);
  const Finding& finding = stage.found[0];
  EXPECT_EQ(finding.rule, "s");
  EXPECT_EQ(finding.output, "payload ran");
  EXPECT_EQ(finding.first_ns, 100 * kSecond);
  EXPECT_EQ(finding.time_ns, 130 * kSecond);
  ASSERT_THAT(names(finding.steps), ElementsAre("fetch", "chmod", "run"));
  EXPECT_EQ(finding.steps[0].time_ns, 100 * kSecond);
  EXPECT_EQ(finding.steps[0].process.name, "curl");
  EXPECT_EQ(finding.steps[1].process.name, "chmod");
  EXPECT_EQ(finding.steps[2].event_type, "exec");
  EXPECT_EQ(stage.detector.sequences().open(), 0u);
}

TEST(Sequence, OutOfOrderIsNone) {
  Stage stage(kThreeSteps);
  stage.event(100, "chmod").event(101, "curl").event(102, "payload").event(103, "payload");
  EXPECT_THAT(stage.found, IsEmpty());
}

TEST(Sequence, TheTimeRunsFromTheFirstStep) {
  Stage stage(kThreeSteps);
  stage.event(100, "curl").event(130, "chmod").event(161, "payload");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.event(200, "curl").event(230, "chmod").event(260, "payload");
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(Sequence, ALaterFirstStepHasMoreTimeLeft) {
  Stage stage(kThreeSteps);
  stage.event(100, "curl").event(150, "curl").event(155, "chmod").event(205, "payload");
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].first_ns, 150 * kSecond);
}

TEST(Sequence, OneEventIsOneStep) {
  Stage stage(
      sequence_of("    within: 1m\n    steps: [{step: a, condition: proc.name = x},"
                  " {step: b, condition: proc.name = x}]\n"));
  stage.event(100, "x");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.event(101, "x");
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(Sequence, AnotherBranchOrWorkspaceIsAnotherSequence) {
  Stage stage(kThreeSteps);
  stage.event(100, "curl", 1).event(101, "chmod", 2).event(102, "payload", 1);
  stage.event(110, "curl", 1, 77).event(111, "chmod", 1, 78).event(112, "payload", 1, 77);
  EXPECT_THAT(stage.found, IsEmpty());
}

TEST(Sequence, ASessionIsOneSubtree) {
  Stage stage(kThreeSteps);
  stage.session = 42;
  stage.event(100, "curl", 1).event(101, "chmod", 2).event(102, "payload", 3);
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(Sequence, ByWorkspaceBranchesDoNotMatter) {
  std::string rules = kThreeSteps;
  rules.insert(rules.find("    within"), "    by: workspace\n");
  Stage stage(rules);
  stage.event(100, "curl", 1).event(101, "chmod", 2).event(102, "payload", 3);
  EXPECT_EQ(stage.found.size(), 1u);
  stage.event(110, "curl", 1, 77).event(111, "chmod", 1, 78).event(112, "payload", 1, 77);
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(Sequence, WhatMustBeAbsentEndsIt) {
  Stage stage(kUnreviewed);
  stage.event(100, "curl").event(101, "sha256sum").event(102, "payload");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.event(110, "curl").event(111, "sha256sum", 2).event(112, "payload");
  EXPECT_EQ(stage.found.size(), 1u);  // checked on another branch
  stage.event(120, "sha256sum").event(121, "curl").event(122, "payload");
  EXPECT_EQ(stage.found.size(), 2u);  // before the first step
}

const std::string kNeverAnswered = sequence_of(R"(
    within: 60s
    steps:
      - step: ask
        condition: proc.name = ask
      - absent: answer
        condition: proc.name = answer
)");

TEST(Sequence, AnAbsentLastStepIsToldWhenTheTimeIsOver) {
  Stage stage(kNeverAnswered);
  stage.event(100, "ask").tick(150).tick(160.5);
  EXPECT_THAT(stage.found, IsEmpty());
  stage.tick(162);
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].time_ns, 160 * kSecond);
  EXPECT_EQ(stage.found[0].process.name, "ask");
  stage.tick(163).event(200, "ask").event(259, "answer").tick(300);
  EXPECT_EQ(stage.found.size(), 1u);
}

std::string scan(std::string_view count) {
  return sequence_of(
      "    within: 60s\n    steps:\n      - step: contact\n        condition: "
      "evt.type = connect\n" +
          std::string(count),
      "%sequence.count hosts, the last one %fd.rip");
}

TEST(Sequence, DistinctValuesAreCountedAndTheAlertGrows) {
  Stage stage(scan("        count: 30\n        distinct: fd.rip\n"));
  const auto contact = [&](double seconds, int host) {
    stage.event(seconds, "scan", 1, 77, "10.0.0." + std::to_string(host));
  };
  for (int i = 1; i < 30; ++i) contact(100 + i, i);
  for (int i = 1; i < 30; ++i) contact(129.5, i);  // known hosts
  EXPECT_THAT(stage.found, IsEmpty());
  contact(130, 30);
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].output, "30 hosts, the last one 10.0.0.30");
  EXPECT_THAT(stage.found[0].fields, testing::Contains(testing::Pair("sequence.count", "30")));
  EXPECT_EQ(stage.found[0].steps.back().count, 30u);
  for (int i = 31; i <= 40; ++i) contact(131, i);
  EXPECT_EQ(stage.found.size(), 1u);
  stage.tick(132);
  ASSERT_EQ(stage.found.size(), 2u);
  EXPECT_EQ(stage.found[1].output, "40 hosts, the last one 10.0.0.30");
  EXPECT_TRUE(stage.found[1].restates);

  Merger merger({});
  CollectingSink sink;
  for (const Finding& finding : stage.found) merger.add(finding, sink);
  merger.flush(sink);
  ASSERT_EQ(sink.findings.size(), 2u);
  EXPECT_EQ(sink.findings[0].merge_id, sink.findings[1].merge_id);
  EXPECT_EQ(sink.findings[1].count, 1u);
  EXPECT_THAT(sink.findings[1].output, HasSubstr("40 hosts"));
}

TEST(Sequence, TheWindowOfACountSlides) {
  Stage stage(scan("        count: 3\n"));
  for (const double at : {100, 130, 161, 191, 222}) stage.event(at, "slow", 1, 77, "10.0.0.1");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.event(230, "slow", 1, 77, "10.0.0.1");
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].first_ns, 191 * kSecond);
  EXPECT_EQ(stage.found[0].steps.front().time_ns, 191 * kSecond);
}

TEST(Sequence, ANewBurstIsToldAnew) {
  Stage stage(scan("        count: 2\n"));
  const auto contact = [&](double at) { stage.event(at, "x", 1, 77, "10.0.0.1"); };
  contact(100), contact(101), contact(102);
  EXPECT_EQ(stage.found.size(), 1u);
  contact(300);
  EXPECT_EQ(stage.found.size(), 1u);
  contact(301);
  ASSERT_EQ(stage.found.size(), 2u);
  EXPECT_FALSE(stage.found[1].restates);
  EXPECT_EQ(stage.found[1].first_ns, 300 * kSecond);
  EXPECT_EQ(stage.found[1].steps.size(), 2u);
}

TEST(Sequence, AStepAddsUpTheValuesOfAField) {
  Stage stage(scan("        sum: fd.rport\n        reach: 1KiB\n"));
  const auto contact = [&](double at) { stage.event(at, "x", 1, 77, "10.0.0.1"); };  // port 443
  contact(100), contact(110);
  EXPECT_THAT(stage.found, IsEmpty());
  contact(120);
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].output, "1329 hosts, the last one 10.0.0.1");
  EXPECT_EQ(stage.found[0].first_ns, 100 * kSecond);
  EXPECT_EQ(stage.found[0].steps.size(), 3u);
  EXPECT_EQ(stage.found[0].steps.back().count, 1329u);
  contact(121);
  EXPECT_EQ(stage.found.size(), 1u);
  stage.tick(122);
  ASSERT_EQ(stage.found.size(), 2u);
  EXPECT_TRUE(stage.found[1].restates);
  EXPECT_EQ(stage.found[1].output, "1772 hosts, the last one 10.0.0.1");
}

TEST(Sequence, TheWindowOfASumSlides) {
  Stage stage(scan("        sum: fd.rport\n        reach: 1000\n"));
  for (const double at : {100, 130, 161, 192, 223}) stage.event(at, "slow", 1, 77, "10.0.0.1");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.event(230, "slow", 1, 77, "10.0.0.1");
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].first_ns, 192 * kSecond);
}

TEST(Sequence, MistakesInASumAreToldWithTheirPlace) {
  EXPECT_THAT(load_report(scan("        sum: fd.rport\n        reach: 10MB\n")).error_text(),
              HasSubstr("'10MB' is no amount"));
  EXPECT_THAT(load_report(scan("        sum: fd.rport\n        reach: 9999999GiB\n")).error_text(),
              HasSubstr("is no amount"));
  EXPECT_THAT(load_report(scan("        sum: fd.rport\n")).error_text(), HasSubstr("'reach'"));
  EXPECT_THAT(load_report(scan("        reach: 4MiB\n")).error_text(), HasSubstr("'sum'"));
  EXPECT_THAT(load_report(scan("        sum: fd.rip\n        reach: 4MiB\n")).error_text(),
              HasSubstr("'fd.rip' is no number"));
  EXPECT_THAT(
      load_report(scan("        sum: fd.rport\n        reach: 9\n        count: 4\n")).error_text(),
      HasSubstr("not both"));
}

TEST(Sequence, AnOwnersWorkspacesCountTogether) {
  std::string rules = scan("        count: 3\n        distinct: fd.rip\n");
  rules.replace(rules.find("within"), 6, "by: owner\n    within");
  Stage stage(rules);
  stage.owner = "ann";
  stage.event(100, "x", 1, 77, "10.0.0.1").event(101, "x", 1, 78, "10.0.0.1");
  stage.owner = "bob";
  stage.event(102, "x", 1, 79, "10.0.0.2");
  stage.owner = "";
  stage.event(102, "x", 1, 80, "10.0.0.3").event(102, "x", 1, 81, "10.0.0.4");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.owner = "ann";
  stage.event(103, "x", 1, 79, "10.0.0.2");
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].workspace.owner, "ann");
}

TEST(Sequence, ACountBehindAStepBeginsWithIt) {
  Stage stage(sequence_of(R"(
    within: 60s
    steps:
      - step: fetch
        condition: proc.name = curl
      - step: contact
        condition: evt.type = connect
        count: 2
      - step: run
        condition: proc.name = payload
)"));
  stage.event(90, "x", 1, 77, "10.0.0.1").event(100, "curl").event(101, "x", 1, 77, "10.0.0.1");
  stage.event(102, "payload");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.event(103, "x", 1, 77, "10.0.0.1").event(104, "payload");
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_THAT(names(stage.found[0].steps), ElementsAre("fetch", "contact", "contact", "run"));
}

TEST(Sequence, AFloodOfOneWorkspaceCostsNoOtherItsOpenOnes) {
  Stage stage(kThreeSteps, {.open = 4});
  stage.event(100, "curl", 1, 78).event(100, "chmod", 1, 78);
  for (uint32_t branch = 1; branch <= 10; ++branch) stage.event(101, "curl", branch, 77);
  EXPECT_EQ(stage.detector.sequences().open(), 5u);
  stage.event(102, "payload", 1, 78);
  EXPECT_EQ(stage.found.size(), 1u);
  stage.tick(103);
  const auto losses = stage.detector.sequences().take_losses();
  ASSERT_EQ(losses.size(), 1u);
  EXPECT_EQ(losses[0].cgroup_id, 77u);
  EXPECT_EQ(losses[0].count, 6u);
  EXPECT_THAT(stage.detector.sequences().take_losses(), IsEmpty());
}

TEST(Sequence, ARuleThatFloodsLetsGoOfItsOwn) {
  std::string other = kThreeSteps;
  other.replace(other.find("rule: s"), 7, "rule: t");
  other.replace(other.find("= curl"), 6, "= wget");
  Stage stage(kThreeSteps + other, {.open = 4});
  stage.event(100, "wget", 1).event(100, "chmod", 1);
  for (uint32_t branch = 1; branch <= 10; ++branch) stage.event(101, "curl", branch);
  stage.event(102, "payload", 1);
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].rule, "t");
}

TEST(Sequence, ValuesAreBoundedAndWhatIsLostIsCounted) {
  Stage stage(scan("        count: 100\n        distinct: fd.rip\n"), {.values = 50});
  for (int i = 0; i < 99; ++i) stage.event(100, "x", 1, 77, "10.0.1." + std::to_string(i));
  stage.tick(101);
  const auto losses = stage.detector.sequences().take_losses();
  ASSERT_EQ(losses.size(), 1u);
  EXPECT_EQ(losses[0].count, 49u);
}

TEST(Sequence, OpenOnesLiveOnOverAReload) {
  Stage stage(kThreeSteps);
  stage.event(100, "curl").event(101, "chmod");
  stage.detector.replace(rules_of(rule_with("proc.name = other") + kThreeSteps));
  stage.event(102, "payload");
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].rule, "s");
  stage.event(110, "curl").event(111, "chmod");
  stage.detector.replace(rules_of(kUnreviewed));  // another sequence of that name
  stage.event(112, "payload");
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(Sequence, WhatIsOverIsForgotten) {
  Stage stage(kThreeSteps + scan("        count: 3\n").replace(8, 1, "u"));
  stage.event(100, "curl").event(100, "x", 1, 77, "10.0.0.1");
  EXPECT_EQ(stage.detector.sequences().open(), 2u);
  stage.tick(165);
  EXPECT_EQ(stage.detector.sequences().open(), 2u);  // its events may still wait for an identity
  stage.tick(171);
  EXPECT_EQ(stage.detector.sequences().open(), 0u);
}

std::string error_of(std::string_view body) { return load_report(sequence_of(body)).error_text(); }

TEST(SequenceErrors, HaveFileLineAndColumn) {
  const std::string two = "{step: b, condition: proc.name = b}]\n";
  EXPECT_EQ(error_of("    within: 60\n    steps: [{step: a, condition: proc.name = a}, " + two),
            "test.yaml:6:13: '60' is no time; 1s to 24h expected: 90s, 5m, 1h");
  EXPECT_EQ(error_of("    within: 1m\n    steps: [{step: a, condition: proc.name = a}]\n"),
            "test.yaml:7:20: one step that happens once is no sequence; a 'condition' says the "
            "same");
  EXPECT_EQ(error_of("    within: 1m\n    steps: [{absent: a, condition: proc.name = a}, " + two),
            "test.yaml:7:22: a sequence begins with a step that happens");
  EXPECT_EQ(error_of("    within: 1m\n    steps: [{step: b, condition: proc.name = a}, " + two),
            "test.yaml:7:57: two steps are called 'b'");
  EXPECT_EQ(error_of("    within: 1m\n    steps: [{step: a, condition: proc.nam = a}, " + two),
            "test.yaml:7:34: unknown field 'proc.nam'; did you mean 'proc.name'?");
  EXPECT_EQ(
      error_of("    within: 1m\n    steps:\n      - {step: a, condition: proc.name = a, count: "
               "3, distinct: fd.no}\n"),
      "test.yaml:8:65: unknown field 'fd.no'; did you mean 'fd.ino'?");
  EXPECT_EQ(
      error_of(
          "    within: 1m\n    steps:\n      - {step: a, condition: proc.name = a, count: 1}\n"),
      "test.yaml:8:52: '1' is no number from 2 to 4096");
  EXPECT_EQ(
      error_of("    within: 1m\n    by: host\n    steps: [{step: a, condition: proc.name = a}, " +
               two),
      "test.yaml:7:9: 'host' is none of lineage, workspace and owner");
}

TEST(SequenceErrors, AConditionBesideASequenceIsOne) {
  EXPECT_THAT(load_report(kThreeSteps + "  condition: proc.name = x\n").error_text(),
              HasSubstr("a rule has a condition or a sequence, not both"));
}

}  // namespace
}  // namespace picket
