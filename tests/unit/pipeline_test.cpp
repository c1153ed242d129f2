// The agent's data path on records that a test made: what leaves it at its end, and when.
#include "agent/app/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "common/alert_json.h"
#include "tests/support/json_schema.h"
#include "tests/unit/records.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using test::Bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kBootWallNs = 1'764'000'000 * kSecond;

struct SetClock final : Clock {
  uint64_t boot_ns() const override { return now_ns; }
  uint64_t wall_ns() const override { return kBootWallNs + now_ns; }
  uint64_t now_ns = 100 * kSecond;
};

struct KeepingOutlet final : Outlet {
  void publish(v1::Envelope envelope, Priority) override {
    envelopes.push_back(std::move(envelope));
  }
  void judged_until(uint64_t wall_ns) override { judged.push_back({wall_ns, envelopes.size()}); }
  std::vector<v1::Envelope> envelopes;
  std::vector<std::pair<uint64_t, size_t>> judged;  // and how many envelopes lay before it
};

// Gives what a step holds, a step for each poll, then ends the run.
struct Script final : EventSource {
  using Step = std::function<void(EventSink&)>;
  absl::Status start() override { return absl::OkStatus(); }
  absl::StatusOr<size_t> poll(EventSink& sink, std::chrono::milliseconds) override {
    if (steps.empty()) return absl::OutOfRangeError("the script has ended");
    CountingSink counting(sink);
    steps.front()(counting);
    steps.pop_front();
    return counting.count;
  }
  std::deque<Step> steps;

 private:
  struct CountingSink final : EventSink {
    explicit CountingSink(EventSink& the_next) : next(the_next) {}
    void on_record(std::span<const std::byte> record) override {
      ++count;
      next.on_record(record);
    }
    EventSink& next;
    size_t count = 0;
  };
};

class PipelineTest : public ::testing::Test {
 protected:
  void make(const std::string& rules = rule_with("evt.type = execve and proc.name = bad")) {
    PipelineParts parts(clock_, outlet_, registry_, "boot-1");
    parts.respond = [this](Verdict verdict) {
      verdicts_.push_back(std::move(verdict));
      return true;
    };
    parts.identify = [this](uint64_t cgroup, std::string, uint32_t) { asked_.push_back(cgroup); };
    parts.losses = [this] { return std::exchange(losses_, {}); };
    pipeline_ = std::make_unique<Pipeline>(std::move(parts), EnricherOptions{}, rules_of(rules));
  }

  void then(Script::Step step) { script_.steps.push_back(std::move(step)); }
  void then_give(Bytes record) {
    then([record = std::move(record)](EventSink& sink) { sink.on_record(record); });
  }
  void then_identify(uint64_t cgroup, absl::StatusOr<Workspace> identity) {
    then([this, cgroup, identity = std::move(identity)](EventSink&) {
      EXPECT_TRUE(pipeline_->post(IdentityAnswer{cgroup, identity}));
    });
  }
  void then_pass(uint64_t seconds) {
    then([this, seconds](EventSink&) { clock_.now_ns += seconds * kSecond; });
  }
  void run() {
    const std::atomic<bool> stop = false;
    EXPECT_EQ(pipeline_->run(script_, stop).code(), absl::StatusCode::kOutOfRange);
  }

  static Workspace named(const std::string& id, uint64_t cgroup = 7) {
    Workspace workspace;
    workspace.id = workspace.name = id;
    workspace.cgroup = "/lab/" + id;
    workspace.cgroup_id = cgroup;
    workspace.image = "debian:12";
    workspace.image_source = "annotation";
    return workspace;
  }
  std::vector<v1::Alert> alerts() const {
    std::vector<v1::Alert> found;
    for (const v1::Envelope& envelope : outlet_.envelopes)
      if (envelope.has_alert()) found.push_back(envelope.alert());
    return found;
  }
  template <class Body>
  std::vector<Body> bodies(bool (v1::Envelope::*has)() const,
                           const Body& (v1::Envelope::*get)() const) const {
    std::vector<Body> found;
    for (const v1::Envelope& envelope : outlet_.envelopes)
      if ((envelope.*has)()) found.push_back((envelope.*get)());
    return found;
  }
  std::vector<v1::CommandResult> results() const {
    return bodies(&v1::Envelope::has_result, &v1::Envelope::result);
  }
  std::vector<v1::WorkspaceInventory> inventories() const {
    return bodies(&v1::Envelope::has_inventory, &v1::Envelope::inventory);
  }
  double counter(const std::string& name, const std::string& label = {}) const {
    for (const auto& family : registry_.Collect())
      for (const auto& metric : family.metric)
        if (family.name == name && (label.empty() || metric.label.at(0).value == label))
          return metric.counter.value;
    return -1;
  }

  SetClock clock_;
  KeepingOutlet outlet_;
  prometheus::Registry registry_;
  std::vector<Verdict> verdicts_;
  std::vector<uint64_t> asked_;
  std::vector<RecordLoss> losses_;
  Script script_;
  std::unique_ptr<Pipeline> pipeline_;
};

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

TEST_F(PipelineTest, NothingIsJudgedThatIsInTheRingOrWaitsForAnIdentity) {
  make();
  const uint64_t start = clock_.now_ns;
  const auto bad = [&](uint64_t time_ns, uint32_t pid, uint64_t workspace) {
    then_give(test::exec({.time_ns = time_ns, .key = {pid, pid * 10}, .workspace = workspace},
                         {1, 1}, "/bin/bad"));
  };
  const auto judged = [&] {
    return outlet_.judged.empty() ? 0 : outlet_.judged.back().first - kBootWallNs;
  };
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
  EXPECT_EQ(counter("picket_pipeline_rejected_total", "too_short"), 1);
  EXPECT_EQ(counter("picket_pipeline_rejected_total", "size_mismatch"), 1);
  EXPECT_THAT(alerts(), IsEmpty());
}

}  // namespace
}  // namespace picket
