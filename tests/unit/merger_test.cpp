// Merging of repeats, by event time only, and the engine's dispatch.
#include <gmock/gmock.h>

#include <array>

#include "agent/detect/engine.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

Finding finding(std::string rule, uint32_t pid, uint64_t seconds, std::string workspace = "w") {
  Finding f;
  f.rule = std::move(rule);
  f.process.key = {pid, pid * 10ull};
  f.workspace.id = std::move(workspace);
  f.time_ns = f.first_ns = f.last_ns = seconds * kSecond;
  return f;
}

struct MergerTest : testing::Test {
  Merger merger{{.window_ns = 60 * kSecond, .interval_ns = 10 * kSecond, .capacity = 3}};
  CollectingSink sink;
  std::vector<Finding>& sent = sink.findings;
};

TEST_F(MergerTest, TheFirstGoesOutAtOnceAndRepeatsAreCounted) {
  merger.add(finding("r", 1, 100), sink);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].count, 1u);
  EXPECT_NE(sent[0].merge_id, "");
  merger.add(finding("r", 1, 103), sink);
  merger.add(finding("r", 1, 105), sink);
  EXPECT_EQ(sent.size(), 1u);  // not before the interval is over
  merger.on_tick(111 * kSecond, sink);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[1].count, 3u);
  EXPECT_EQ(sent[1].first_ns, 100 * kSecond);
  EXPECT_EQ(sent[1].last_ns, 105 * kSecond);
  EXPECT_EQ(sent[1].time_ns, 100 * kSecond);
  EXPECT_EQ(sent[1].merge_id, sent[0].merge_id);
  merger.on_tick(130 * kSecond, sink);
  EXPECT_EQ(sent.size(), 2u);  // nothing new to tell
}

TEST_F(MergerTest, ARepeatAfterTheIntervalGoesOutByItself) {
  merger.add(finding("r", 1, 100), sink);
  merger.add(finding("r", 1, 111), sink);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[1].count, 2u);
}

TEST_F(MergerTest, RulesProcessesAndWorkspacesAreKeptApart) {
  merger.add(finding("r", 1, 100), sink);
  merger.add(finding("s", 1, 100), sink);
  merger.add(finding("r", 2, 100), sink);
  merger.add(finding("r", 1, 100, "other"), sink);
  ASSERT_EQ(sent.size(), 4u);
  for (size_t i = 0; i < sent.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(sent[i].merge_id, sent[j].merge_id);
  }
}

TEST_F(MergerTest, APidThatIsUsedAgainIsAnotherProcess) {
  merger.add(finding("r", 1, 100), sink);
  Finding later = finding("r", 1, 101);
  later.process.key.start_ns = 99;
  merger.add(later, sink);
  EXPECT_EQ(sent.size(), 2u);
}

TEST_F(MergerTest, TheWindowMovesWithTheRepeats) {
  merger.add(finding("r", 1, 100), sink);
  merger.add(finding("r", 1, 155), sink);
  merger.add(finding("r", 1, 210), sink);
  EXPECT_EQ(sent.back().count, 3u);
  EXPECT_EQ(sent.back().merge_id, sent.front().merge_id);
  merger.add(finding("r", 1, 271), sink);  // 61 s after the last one
  EXPECT_EQ(sent.back().count, 1u);
  EXPECT_NE(sent.back().merge_id, sent.front().merge_id);
}

TEST_F(MergerTest, WhatIsForgottenWasTold) {
  merger.add(finding("r", 1, 100), sink);
  merger.add(finding("r", 1, 101), sink);
  merger.add(finding("r", 2, 102), sink);
  merger.add(finding("r", 3, 103), sink);
  ASSERT_EQ(sent.size(), 3u);
  merger.add(finding("r", 4, 104), sink);  // full: the quietest goes, with the count it had
  ASSERT_EQ(sent.size(), 5u);
  EXPECT_EQ(sent[3].process.key.pid, 1u);
  EXPECT_EQ(sent[3].count, 2u);
  EXPECT_EQ(merger.size(), 3u);
}

TEST_F(MergerTest, QuietEntriesExpireAndFlushTellsTheRest) {
  merger.add(finding("r", 1, 100), sink);
  merger.add(finding("r", 1, 104), sink);
  merger.add(finding("r", 2, 150), sink);
  merger.add(finding("r", 2, 151), sink);
  merger.on_tick(155 * kSecond, sink);
  EXPECT_EQ(merger.size(), 2u);
  merger.on_tick(165 * kSecond, sink);
  EXPECT_EQ(merger.size(), 1u);
  const size_t before = sent.size();
  merger.flush(sink);
  merger.flush(sink);
  EXPECT_EQ(sent.size(), before);  // told by the tick already
  merger.add(finding("r", 2, 166), sink);
  merger.flush(sink);
  EXPECT_EQ(sent.back().count, 3u);
}

TEST_F(MergerTest, CountsAddUpWhateverIsSentWhen) {
  for (uint64_t i = 0; i < 500; ++i)
    merger.add(finding("r", static_cast<uint32_t>(i % 5), 100 + i), sink);
  merger.flush(sink);
  std::map<std::string, uint64_t> last;
  for (const Finding& f : sent) last[f.merge_id] = f.count;
  uint64_t total = 0;
  for (const auto& [id, count] : last) total += count;
  EXPECT_EQ(total, 500u);
}

TEST(MergeId, IsTheSameInEveryRun) {
  CollectingSink first, second;
  Merger a({}), b({});
  a.add(finding("r", 7, 100), first);
  b.add(finding("r", 7, 100), second);
  EXPECT_EQ(first.findings[0].merge_id, second.findings[0].merge_id);
}

class CountingDetector final : public Detector {
 public:
  CountingDetector(int& events, int& ticks) : events_(events), ticks_(ticks) {}
  std::span<const pk_type> wants() const override { return kWants; }
  void on_event(const Observation&, FindingSink& sink) override {
    ++events_;
    sink.on_finding(finding("counted", 1, 100));
  }
  void on_tick(uint64_t, FindingSink&) override { ++ticks_; }

 private:
  static constexpr std::array<pk_type, 1> kWants{PK_CONNECT};
  int& events_;
  int& ticks_;
};

TEST(Engine, DetectorsGetWhatTheyWantAndFindingsAreMerged) {
  int events = 0, ticks = 0;
  Engine engine;
  engine.add(std::make_unique<CountingDetector>(events, ticks));
  engine.add(std::make_unique<RuleDetector>(rules_of(rule_with("evt.type in (execve, connect)"))));
  CollectingSink sink;
  const Scene exec, connect(PK_CONNECT);
  for (const Scene* scene : {&exec, &connect, &connect}) {
    const std::vector<std::byte> bytes = scene->record.bytes();
    const auto event = Event::parse(bytes);
    ASSERT_TRUE(event.has_value());
    engine.on_event({*event, scene->process, scene->workspace}, sink);
  }
  EXPECT_EQ(events, 2);
  EXPECT_EQ(sink.findings.size(), 2u);  // one each; the repeats wait
  engine.on_tick(1'000 * kSecond, sink);
  EXPECT_EQ(ticks, 1);
  EXPECT_EQ(sink.findings.size(), 4u);
}

TEST(RuleDetectorFinding, SaysWhoWhereAndWhy) {
  RuleDetector detector(
      rules_of("- rule: r\n  desc: d\n  why: because\n  priority: CRITICAL\n  tags: [T1059, x]\n"
               "  respond: kill\n  condition: evt.type = execve\n  output: \"%proc.name "
               "%proc.pname %proc.name\"\n"));
  const Finding f = Scene().run(detector).at(0);
  EXPECT_EQ(f.rule, "r");
  EXPECT_EQ(f.priority, Priority::critical);
  EXPECT_EQ(f.why, "because");
  EXPECT_EQ(f.output, "bash make bash");
  EXPECT_THAT(f.tags, testing::ElementsAre("T1059", "x"));
  EXPECT_EQ(f.respond, Action::kill);
  EXPECT_EQ(f.event_type, "exec");
  EXPECT_EQ(f.time_ns, 5'000'000'123u);
  EXPECT_EQ(f.process.name, "bash");
  EXPECT_EQ(f.process.cmdline, "/bin/bash -c echo hello");
  EXPECT_EQ(f.process.uid, 1000u);
  EXPECT_EQ(f.workspace.name, "demo");
  ASSERT_EQ(f.lineage.size(), 2u);
  EXPECT_EQ(f.lineage[0].name, "make");
  EXPECT_EQ(f.lineage[1].name, "sleep");
  EXPECT_THAT(f.fields, testing::ElementsAre(testing::Pair("proc.name", "bash"),
                                             testing::Pair("proc.pname", "make")));
}

TEST(RuleDetectorFinding, LineageEndsAtTheWorkspace) {
  RuleDetector detector(rules_of(rule_with("evt.type = execve")));
  Scene scene;
  scene.init.workspace_cgroup = 0;
  EXPECT_EQ(scene.run(detector).at(0).lineage.size(), 1u);
}

}  // namespace
}  // namespace picket
