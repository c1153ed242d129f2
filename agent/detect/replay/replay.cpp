#include "agent/detect/replay/replay.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/enrich/identity_json.h"
#include "agent/sensor/recording.h"

namespace picket {
namespace {

constexpr uint64_t kTickNs = 1'000'000'000;

EnricherOptions replay_options() { return {}; }

// An identity that never came is no failure of a replay: the events go on with what the path says.
void ignore_failure(const Workspace&, const absl::Status&) {}

class Counting final : public FindingSink {
 public:
  Counting(FindingSink& next, uint64_t& count) : next_(next), count_(count) {}
  void on_finding(Finding finding) override {
    ++count_;
    next_.on_finding(std::move(finding));
  }

 private:
  FindingSink& next_;
  uint64_t& count_;
};

}  // namespace

Replay::Replay(std::shared_ptr<const RuleSet> rules, FindingSink& findings, Identify identify)
    : findings_(findings),
      identify_(std::move(identify)),
      enricher_(
          replay_options(),
          [this](uint64_t cgroup_id, const std::string&, uint32_t) {
            if (identify_) requests_.push_back(cgroup_id);
          },
          ignore_failure) {
  enricher_.set_origins(rules->origins());
  auto detector = std::make_unique<RuleDetector>(std::move(rules));
  rules_ = detector.get();
  engine_.add(std::move(detector));
}

void Replay::on_record(std::span<const std::byte> record) {
  ++stats_.records;
  RecordError why = RecordError::none;
  const auto event = Event::parse(record, &why);
  if (!event.has_value()) {
    ++stats_.refused[static_cast<size_t>(why)];
    return;
  }
  tick(event->header().time_ns);
  enricher_.on_event(*event, *this);
  answer_requests();
}

void Replay::tick(uint64_t time_ns) {
  now_ns_ = std::max(now_ns_, time_ns);
  if (now_ns_ < next_tick_ns_) return;
  next_tick_ns_ = now_ns_ + kTickNs;
  Counting counting(findings_, stats_.findings);
  engine_.on_tick(now_ns_, counting);
}

void Replay::answer_requests() {
  for (const uint64_t cgroup_id : std::exchange(requests_, {})) {
    on_identity(cgroup_id, identify_(cgroup_id));
  }
}

void Replay::on_identity(uint64_t cgroup_id, absl::StatusOr<Workspace> identity) {
  enricher_.on_identity(cgroup_id, std::move(identity), *this);
}

void Replay::on_observation(const Observation& observation) {
  ++stats_.observations;
  Counting counting(findings_, stats_.findings);
  engine_.on_event(observation, counting);
}

void Replay::finish() {
  const uint64_t wait_ns = replay_options().identity_wait_ns;
  enricher_.on_tick(now_ns_ + 2 * wait_ns, *this);
  Counting counting(findings_, stats_.findings);
  engine_.on_tick(now_ns_, counting);
  engine_.flush(counting);
}

absl::StatusOr<ReplayStats> replay_recording(const std::filesystem::path& file,
                                             std::shared_ptr<const RuleSet> rules,
                                             FindingSink& findings) {
  Replay replay(std::move(rules), findings);
  absl::Status identities;
  RecordingSource source(file, [&](std::string_view text) {
    auto identity = identity_from_json(text);
    if (identity.ok()) {
      replay.on_identity(identity->cgroup_id, std::move(identity->workspace));
    } else {
      identities.Update(identity.status());
    }
  });
  absl::Status status = source.start();
  if (status.ok()) replay.set_wall_minus_boot_ns(source.info().wall_minus_boot_ns);
  while (status.ok()) status = source.poll(replay, std::chrono::milliseconds(0)).status();
  replay.finish();
  if (!absl::IsOutOfRange(status)) return status;
  if (!identities.ok()) return identities;
  return replay.stats();
}

}  // namespace picket
