// The two ends of the pipeline: the uplink, and standard output. Pipeline thread.
// Errors: what the uplink refuses is counted and reported by it; a closed standard output ends
// nothing.
#pragma once

#include <cstdio>

#include "agent/app/envelopes.h"
#include "agent/app/outlet.h"
#include "agent/uplink/uplink.h"
#include "common/alert_json.h"
#include "common/secrets.h"

namespace picket {

class UplinkOutlet final : public Outlet {
 public:
  explicit UplinkOutlet(Uplink& uplink) : uplink_(uplink) {}
  void publish(v1::Envelope envelope, Priority severity) override {
    const uint8_t urgency = spool_urgency(envelope, severity);
    uplink_.publish(std::move(envelope), urgency);
  }
  void judged_until(uint64_t boot_ns) override { uplink_.checkpoint(boot_ns); }

 private:
  Uplink& uplink_;
};

// Alerts only, one JSON object per line.
class JsonLinesOutlet final : public Outlet {
 public:
  void publish(v1::Envelope envelope, Priority) override {
    if (!envelope.has_alert()) return;
    mask_secrets(envelope);
    std::puts(alert_json(envelope.alert()).c_str());
    std::fflush(stdout);
  }
  void judged_until(uint64_t) override {}
};

}  // namespace picket
