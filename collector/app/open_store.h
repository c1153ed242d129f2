// The store that the configuration names, with the key of its audit log. Called by whoever starts
// the collector or verifies its log. Errors: statuses that say which file or server, and what is
// wrong with it.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "collector/app/config.h"
#include "collector/audit/signer.h"
#include "collector/store/store.h"
#include "common/clock.h"

namespace picket {

struct OpenStore {
  std::unique_ptr<AuditSigner> signer;  // outlives the store
  std::unique_ptr<Store> store;
};

// Creates what is not there yet. A log that is signed goes on with the key that it was signed with,
// or not at all.
absl::StatusOr<OpenStore> open_store(const CollectorConfig& config, const Clock& clock);

// Only to read; nothing is created.
absl::StatusOr<std::unique_ptr<StoreReader>> open_store_reader(const CollectorConfig& config);

}  // namespace picket
