#include "agent/app/sight_reports.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "agent/app/blind_spots.h"
#include "agent/app/envelopes.h"
#include "common/alert_json.h"

namespace picket {

SightReports::SightReports(HealthServer& health, const Clock& clock, MetricRegistry& registry,
                           std::string boot_id, Publish publish)
    : health_(health),
      clock_(clock),
      sees_(registry.gauge("picket_agent_sees",
                           "1: the last canary came back with its full identity")),
      boot_id_(std::move(boot_id)),
      publish_(std::move(publish)) {}

void SightReports::tell(const Sight& now, const std::optional<Sight>& before) {
  sees_.set(now.sees ? 1 : 0);
  health_.set_not_ready(now.sees ? "" : "blind: " + now.why);
  if (!now.sees) {
    SPDLOG_ERROR("blind: {}", now.why);
    tell_finding(now, clock_.boot_ns(), false);
  } else if (before) {
    SPDLOG_WARN("sees again; was blind: {}", before->why);
    tell_finding(*before, now.since_ns, true);
  }
  publish(sight_envelope(now.sees, now.why, Timeline::of(clock_).wall_ns(now.since_ns)),
          Priority::notice);
}

// From the last canary that came back: nobody knows what was seen after it.
void SightReports::tell_finding(const Sight& blind, uint64_t last_ns, bool over) {
  const uint64_t first_ns = blind.seen_ns != 0 ? blind.seen_ns : blind.since_ns;
  const Finding finding = blinded(blind.why, first_ns, last_ns, over);
  publish(alert_envelope(finding, Timeline::of(clock_), boot_id_), finding.priority);
}

void SightReports::publish(v1::Envelope envelope, Priority priority) {
  set_wall_ns(*envelope.mutable_recorded(), clock_.wall_ns());
  publish_(std::move(envelope), priority);
}

}  // namespace picket
