// Runs records that did not come from this kernel through the real enricher and engine: recordings
// and rule tests. The same records give the same findings every time. Owner: one thread. Errors:
// records that do not parse are counted by reason; a damaged recording ends with the reader's
// status after everything in front of the damage was delivered.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/detect/engine.h"
#include "agent/detect/rule/rule_detector.h"
#include "agent/enrich/enricher.h"
#include "agent/sensor/source.h"

namespace picket {

struct ReplayStats {
  uint64_t records = 0;
  std::array<uint64_t, static_cast<size_t>(RecordError::bad_value) + 1>
      refused{};  // by RecordError
  uint64_t observations = 0;
  uint64_t findings = 0;  // repeats that were sent again included
};

class Replay final : public EventSink, private ObservationSink {
 public:
  // Answers who a workspace is; without it identities come through on_identity() only.
  using Identify = std::function<absl::StatusOr<Workspace>(uint64_t cgroup_id)>;

  Replay(std::shared_ptr<const RuleSet> rules, FindingSink& findings, Identify identify = {});

  void on_record(std::span<const std::byte> record) override;
  void on_identity(uint64_t cgroup_id, absl::StatusOr<Workspace> identity);
  // Waivers hold by the wall clock, and events have a time of day by it: without it neither.
  void set_wall_minus_boot_ns(uint64_t distance_ns) { rules_->set_wall_minus_boot_ns(distance_ns); }
  void finish();  // lets go of what still waits for an identity, and of counts not sent yet

  const ReplayStats& stats() const { return stats_; }

 private:
  void on_observation(const Observation& observation) override;
  void tick(uint64_t time_ns);
  void answer_requests();

  FindingSink& findings_;
  Identify identify_;
  std::vector<uint64_t> requests_;  // asked for while an event was handled
  Enricher enricher_;
  Engine engine_;
  RuleDetector* rules_;  // owned by the engine
  ReplayStats stats_;
  uint64_t now_ns_ = 0;
  uint64_t next_tick_ns_ = 0;
};

absl::StatusOr<ReplayStats> replay_recording(const std::filesystem::path& file,
                                             std::shared_ptr<const RuleSet> rules,
                                             FindingSink& findings);

}  // namespace picket
