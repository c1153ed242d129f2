// The collector, composed: store, writer, fleet, both gRPC services, HTTP. Owner: main (or a test),
// which starts and stops it; at most one per process, because gRPC's log is counted. Errors:
// start() says in a sentence what is missing, and leaves nothing running.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "collector/app/config.h"
#include "collector/audit/signer.h"
#include "collector/store/store.h"
#include "common/clock.h"
#include "common/tls_refusals.h"

namespace picket {

class Collector {
 public:
  // `refused_peers` is counted by gRPC's log for the whole process; see count_refusals().
  Collector(CollectorConfig config, const Clock& clock, const RefusalCounts& refused_peers);
  ~Collector();

  absl::Status start();
  // Ends streams and waiting calls, stores what was accepted, closes the database.
  void stop();

  int grpc_port() const;
  int http_port() const;

 private:
  struct Parts;
  const CollectorConfig config_;
  const Clock& clock_;
  const RefusalCounts& refused_peers_;
  std::unique_ptr<Parts> parts_;
};

// The audit log of a store, checked from its first entry, with the signatures when there is a
// `key`. Error DataLoss: the first broken entry.
absl::StatusOr<uint64_t> verify_audit(StoreReader& reader,
                                      std::optional<AuditKey> key = std::nullopt);

}  // namespace picket
