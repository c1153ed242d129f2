// The agent's data path on records that a test made: what leaves it at its end, and when.
#include "common/alert_json.h"
#include "tests/support/json_schema.h"
#include "tests/unit/pipeline_fixture.h"

namespace picket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(PipelineTest, AWorkspaceWithoutIdentityIsAnErrorAndItsAlertsKeepTheForm) {
  make();
  then_give(test::exec({.time_ns = clock_.now_ns, .key = {10, 100}}, {1, 1}, "/bin/bad"));
  then_identify(7, absl::NotFoundError("no runtime knows it"));
  run();
  const auto found = alerts();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].rule(), kIdentityRule);
  EXPECT_THAT(found[0].output(), HasSubstr("no runtime knows it"));
  EXPECT_EQ(found[1].rule(), "r");
  auto schema = test::JsonSchema::read(PICKET_SOURCE_DIR "/docs/alert.schema.json");
  ASSERT_TRUE(schema.ok()) << schema.status();
  for (v1::Alert alert : found) {
    EXPECT_FALSE(alert.workspace().id().empty());
    EXPECT_EQ(alert.workspace().image(), "unresolved");
    EXPECT_EQ(alert.workspace().image_source(), "none");
    const absl::Status valid = (*schema)->check(nlohmann::json::parse(alert_json(alert)));
    EXPECT_TRUE(valid.ok()) << valid;
  }
}

TEST_F(PipelineTest, TheInventoryWaitsUntilEverybodyIsNamed) {
  make();
  then([this](EventSink& sink) {
    sink.on_record(test::found({.time_ns = clock_.now_ns, .key = {10, 100}}, {1, 1}, "/bin/a"));
    sink.on_record(test::found({.time_ns = clock_.now_ns, .key = {11, 100}, .workspace = 8}, {1, 1},
                               "/bin/b"));
  });
  then_identify(7, named("one"));
  then_pass(1);
  then([this](EventSink&) { EXPECT_THAT(inventories(), IsEmpty()) << "8 has no name yet"; });
  then_identify(8, named("two", 8));
  then_pass(1);
  then_pass(1);
  run();
  ASSERT_EQ(inventories().size(), 1u);
  const auto inventory = inventories().front();
  EXPECT_THAT(
      std::vector<std::string>(inventory.workspace_ids().begin(), inventory.workspace_ids().end()),
      ::testing::UnorderedElementsAre("one", "two"));
}

TEST_F(PipelineTest, NobodyHearsOfTheAgentsOwnCgroups) {
  make();
  then_give(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = clock_.now_ns, .key = {}}, 7, "/own/1"));
  then_give(test::exec({.time_ns = clock_.now_ns, .key = {10, 100}}, {1, 1}, "/bin/bad"));
  then([this](EventSink&) { EXPECT_EQ(recorded_, 0u); });
  Workspace own = named("canary");
  own.cgroup = "/own/1";
  then_identify(7, own);
  then_pass(1);
  then_give(test::exec({.time_ns = clock_.now_ns, .key = {11, 100}, .workspace = 8}, {1, 1},
                       "/bin/good"));
  then_identify(8, named("two", 8));
  then_pass(1);
  run();
  EXPECT_THAT(alerts(), IsEmpty());
  EXPECT_FALSE(workspaces().empty());
  for (const auto& [id, state] : workspaces()) EXPECT_EQ(id, "two");
  EXPECT_EQ(recorded_, 1u);
  EXPECT_THAT(watched_, ElementsAre(8));
}

TEST_F(PipelineTest, WhatTheRingRefusedIsABlindSpotWithBounds) {
  make();
  then_give(test::exec({.time_ns = clock_.now_ns, .key = {10, 100}}, {1, 1}, "/bin/good"));
  then_identify(7, named("one"));
  then([this](EventSink&) {
    const uint64_t from = clock_.now_ns - kSecond / 2;
    losses_ = {{7, "fork", 3, from, from + 100},
               {7, "connect", 4, from + 50, from + 200},
               {0, "fork", 1, from, from}};
    clock_.now_ns += kSecond;
  });
  run();
  const auto found = alerts();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].rule(), kBlindSpotRule);
  EXPECT_EQ(found[0].output(), "1 records of unknown workspaces were lost: 1 fork");
  EXPECT_EQ(found[1].output(), "7 records of workspace one were lost: 4 connect, 3 fork");
  EXPECT_EQ(found[1].workspace().id(), "one");
  const uint64_t from = kBootWallNs + 100 * kSecond - kSecond / 2;
  EXPECT_EQ(wall_ns(found[1].first()), from);
  EXPECT_EQ(wall_ns(found[1].last()), from + 200);
  EXPECT_EQ(counter("picket_sensor_lost_total"), 8);
}

TEST_F(PipelineTest, AProcessThatTheKernelHadNoRoomForIsABlindSpotOfItsOwn) {
  make();
  then_give(test::exec({.time_ns = clock_.now_ns, .key = {10, 100}}, {1, 1}, "/bin/good"));
  then_identify(7, named("one"));
  then([this](EventSink&) {
    losses_ = {{7, std::string(kUnseenProcess), 3, clock_.now_ns - 100, clock_.now_ns}};
    clock_.now_ns += kSecond;
  });
  run();
  const auto found = alerts();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rule(), kBlindSpotRule);
  EXPECT_EQ(found[0].priority(), v1::PRIORITY_CRITICAL);
  EXPECT_EQ(found[0].output(), "3 processes of workspace one run unseen");
  EXPECT_EQ(found[0].workspace().id(), "one");
}

TEST_F(PipelineTest, NothingIsJudgedThatIsInTheRingOrWaitsForAnIdentity) {
  make();
  const uint64_t start = clock_.now_ns;
  const auto bad = [&](uint64_t time_ns, uint32_t pid, uint64_t workspace) {
    then_give(test::exec({.time_ns = time_ns, .key = {pid, pid * 10}, .workspace = workspace},
                         {1, 1}, "/bin/bad"));
  };
  const auto judged = [&] { return outlet_.judged.empty() ? 0 : outlet_.judged.back().first; };
  std::vector<std::pair<uint64_t, uint64_t>> expected;  // at most, and what was told
  const auto then_expect = [&](uint64_t at_most) {
    then([&, at_most](EventSink&) { expected.emplace_back(at_most, judged()); });
  };
  bad(start + 1 * kSecond, 10, 7);  // read later than it happened, and there may be more
  then_pass(5);
  then_identify(7, named("one"));
  bad(start + 2 * kSecond, 11, 7);
  then_pass(0);
  then_expect(start + 5 * kSecond);
  bad(clock_.now_ns + 6 * kSecond, 12, 8);  // waits
  then_pass(2);
  then_pass(2);
  then_expect(start + 6 * kSecond);
  then_identify(8, named("two", 8));
  then_pass(2);
  then_pass(0);
  run();
  for (const auto& [at_most, told] : expected) {
    EXPECT_GT(told, 0u);
    EXPECT_LT(told, at_most);
  }
  EXPECT_GT(judged(), start + 6 * kSecond) << "nobody waits any more";
  EXPECT_EQ(alerts().size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(outlet_.judged));
}

TEST_F(PipelineTest, AKillReachesDescendantsThatWereAdopted) {
  make(rule_with("evt.type = execve and proc.name = bad") + "  respond: kill\n");
  const auto at = [&](uint32_t pid) {
    return test::At{.time_ns = clock_.now_ns + pid, .key = {pid, pid * 10}};
  };
  then([&, this](EventSink& sink) {
    sink.on_record(test::exec(at(10), {1, 1}, "/bin/shell"));
    sink.on_record(test::fork(at(11), {10, 100}));
    sink.on_record(test::fork(at(12), {11, 110}));
    sink.on_record(test::exit(at(11)));  // 12 is init's child now
    sink.on_record(test::fork(at(13), {12, 120}));
    sink.on_record(test::fork(at(14), {10, 100}));  // of the shell, not of the bad one
    Bytes bad = test::exec(at(11), {10, 100}, "/bin/bad");
    sink.on_record(bad);
  });
  then_identify(7, named("one"));
  run();
  ASSERT_EQ(verdicts_.size(), 1u);
  EXPECT_EQ(verdicts_[0].action, Action::kill);
  EXPECT_EQ(verdicts_[0].target.process, (ProcessKey{11, 110}));
  EXPECT_THAT(verdicts_[0].target.descendants,
              ::testing::UnorderedElementsAre(ProcessKey{12, 120}, ProcessKey{13, 130}));
}

TEST_F(PipelineTest, OrdersAreAnsweredWhateverBecomesOfThem) {
  make();
  then_give(test::exec({.time_ns = clock_.now_ns, .key = {10, 100}}, {1, 1}, "/bin/good"));
  then_identify(7, named("one"));
  const auto command = [](const char* id, const char* workspace, uint64_t not_after_ns) {
    v1::Command order;
    order.set_id(id);
    order.set_action(v1::ACTION_FREEZE);
    order.set_workspace_id(workspace);
    if (not_after_ns != 0) set_wall_ns(*order.mutable_not_after(), not_after_ns);
    return order;
  };
  then([&, this](EventSink&) {
    EXPECT_TRUE(pipeline_->post(command("late", "one", kBootWallNs + 99 * kSecond)));
    EXPECT_TRUE(pipeline_->post(command("stray", "nobody", 0)));
    EXPECT_TRUE(pipeline_->post(command("good", "one", kBootWallNs + 101 * kSecond)));
  });
  run();
  ASSERT_EQ(results().size(), 2u);
  EXPECT_EQ(results()[0].command_id(), "late");
  EXPECT_FALSE(results()[0].ok());
  EXPECT_EQ(results()[0].detail(), "the command came after its time");
  EXPECT_EQ(results()[1].command_id(), "stray");
  EXPECT_EQ(results()[1].detail(), "no workspace nobody runs on this node");
  ASSERT_EQ(verdicts_.size(), 1u);
  EXPECT_EQ(verdicts_[0].command, "good");
  EXPECT_EQ(verdicts_[0].target.cgroup_id, 7u);
}

TEST_F(PipelineTest, ABadRecordIsCountedByReasonAndDropped) {
  make();
  then([this](EventSink& sink) {
    Bytes whole = test::exec({.time_ns = clock_.now_ns, .key = {10, 100}}, {1, 1}, "/bin/bad");
    sink.on_record(std::span(whole).first(8));
    sink.on_record(std::span(whole).first(whole.size() - 8));
  });
  run();
  EXPECT_EQ(counter("picket_pipeline_events_total"), 0);
  EXPECT_EQ(counter(R"(picket_pipeline_rejected_total{reason="too_short"})"), 1);
  EXPECT_EQ(counter(R"(picket_pipeline_rejected_total{reason="size_mismatch"})"), 1);
  EXPECT_THAT(alerts(), IsEmpty());
}

}  // namespace
}  // namespace picket
