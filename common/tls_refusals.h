// Counts why peers were refused before an RPC began. gRPC shows failed handshakes only in its log,
// so that log is read. Safe from every thread. Errors: a line that is not understood counts as
// `other`, never as nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/metrics.h"

namespace picket {

enum class Refusal {
  plaintext,
  tls_version,
  untrusted,  // a certificate that has expired, is not valid yet, or is of another authority: gRPC
              // does not say which
  no_certificate,
  wrong_identity,
  other,
  count
};
std::string_view to_string(Refusal refusal);

class RefusalCounts {
 public:
  void add(Refusal refusal) { at(refusal).fetch_add(1, std::memory_order_relaxed); }
  uint64_t of(Refusal refusal) const {
    return counts_[static_cast<size_t>(refusal)].load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t>& at(Refusal refusal) { return counts_[static_cast<size_t>(refusal)]; }
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Refusal::count)> counts_{};
};

// As picket_tls_refused_total, one series a reason. `counts` outlives the registry.
void count_in(MetricRegistry& registry, const RefusalCounts& counts);

// Routes gRPC's log to ours (its errors as debug lines) and counts into `counts`, which must
// outlive every gRPC object of the process.
void count_refusals(RefusalCounts& counts);

// What a line of gRPC's log says about a failed handshake; nullopt: it is about something else.
std::optional<Refusal> refusal_of(std::string_view log_line);

}  // namespace picket
