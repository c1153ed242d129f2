// A pipeline on records that a test made, with a clock, an outlet and a responder of the test's.
// One thread. Nothing fails but the test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/app/pipeline.h"
#include "tests/unit/metric_value.h"
#include "tests/unit/records.h"
#include "tests/unit/rule_fixture.h"

namespace picket {

using test::Bytes;

inline constexpr uint64_t kSecond = 1'000'000'000;
inline constexpr uint64_t kBootWallNs = 1'764'000'000 * kSecond;

struct SetClock final : Clock {
  uint64_t boot_ns() const override { return now_ns; }
  uint64_t wall_ns() const override { return kBootWallNs + now_ns; }
  uint64_t now_ns = 100 * kSecond;
};

struct KeepingOutlet final : Outlet {
  void publish(v1::Envelope envelope, Priority) override {
    envelopes.push_back(std::move(envelope));
  }
  void judged_until(uint64_t boot_ns) override { judged.push_back({boot_ns, envelopes.size()}); }
  std::vector<v1::Envelope> envelopes;
  std::vector<std::pair<uint64_t, size_t>> judged;  // and how many envelopes lay before it
};

// Gives what a step holds, a step for each poll, then ends the run.
struct Script final : EventSource {
  using Step = std::function<void(EventSink&)>;
  absl::Status start() override { return absl::OkStatus(); }
  absl::StatusOr<size_t> poll(EventSink& sink, std::chrono::milliseconds timeout) override {
    const bool is_first = !std::exchange(begun_, true);
    if (timeout.count() == 0 && !is_first) return 0;  // the others come to those who wait
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
  bool begun_ = false;
};

class PipelineTest : public ::testing::Test {
 protected:
  void make(const std::string& rules = rule_with("evt.type = execve and proc.name = bad")) {
    PipelineParts parts(clock_, outlet_, registry_, "boot-1");
    parts.watched = [this](const Workspace& workspace, bool is_watched) {
      if (is_watched) {
        watched_.insert(workspace.cgroup_id);
      } else {
        watched_.erase(workspace.cgroup_id);
      }
    };
    parts.respond = [this](Verdict verdict) {
      EXPECT_TRUE(watched_.contains(verdict.target.cgroup_id)) << "the guard would refuse it";
      verdicts_.push_back(std::move(verdict));
      return true;
    };
    parts.is_own = [](std::string_view cgroup) { return cgroup.starts_with("/own/"); };
    parts.record = [this](std::span<const std::byte>) { ++recorded_; };
    parts.identify = [this](uint64_t cgroup, std::string, uint32_t) { asked_.push_back(cgroup); };
    parts.losses = [this] { return std::exchange(losses_, {}); };
    pipeline_ = std::make_unique<Pipeline>(std::move(parts), EnricherOptions{}, rules_of(rules));
  }

  void then(Script::Step step) { script_.steps.push_back(std::move(step)); }
  void then_give(Bytes record) {
    then([record = std::move(record)](EventSink& sink) { sink.on_record(record); });
  }
  void then_identify(uint64_t cgroup, absl::StatusOr<Workspace> identity, bool frozen = false) {
    then([this, cgroup, identity = std::move(identity), frozen](EventSink&) {
      EXPECT_TRUE(pipeline_->post(IdentityAnswer{cgroup, identity, frozen}));
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
  // Id and state, as they were told.
  std::vector<std::pair<std::string, v1::WorkspaceState>> workspaces() const {
    std::vector<std::pair<std::string, v1::WorkspaceState>> told;
    for (const auto& status : bodies(&v1::Envelope::has_workspace, &v1::Envelope::workspace))
      told.emplace_back(status.workspace().id(), status.state());
    return told;
  }
  std::vector<v1::WorkspaceInventory> inventories() const {
    return bodies(&v1::Envelope::has_inventory, &v1::Envelope::inventory);
  }
  double counter(const std::string& name) const { return test::metric_value(registry_, name); }

  SetClock clock_;
  KeepingOutlet outlet_;
  MetricRegistry registry_;
  std::vector<Verdict> verdicts_;
  std::vector<uint64_t> asked_;
  std::set<uint64_t> watched_;
  std::vector<RecordLoss> losses_;
  size_t recorded_ = 0;
  Script script_;
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace picket
