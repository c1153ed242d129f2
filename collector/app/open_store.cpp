#include "collector/app/open_store.h"

#include <utility>

#include "collector/store/postgres_reader.h"
#include "collector/store/postgres_store.h"
#include "collector/store/sqlite_reader.h"
#include "collector/store/sqlite_store.h"

namespace picket {
namespace {

PostgresOptions postgres_options(const CollectorConfig& config) {
  return {config.postgres, config.retention_days};
}

absl::StatusOr<bool> is_signed(const CollectorConfig& config) {
  if (config.database.empty()) return PostgresStore::has_audit_key(postgres_options(config));
  std::error_code error;
  if (!std::filesystem::exists(config.database, error)) return false;
  // What is wrong with the file the store says when it opens it.
  return SqliteStore::has_signed_audit(config.database).value_or(false);
}

}  // namespace

absl::StatusOr<OpenStore> open_store(const CollectorConfig& config, const Clock& clock) {
  const auto has_key = is_signed(config);
  if (!has_key.ok()) return has_key.status();
  std::filesystem::path file = config.audit_key;
  if (file.empty()) file = config.database.parent_path() / "audit.key";
  auto signer = AuditSigner::open(file, !*has_key);
  if (!signer.ok()) return signer.status();
  OpenStore opened{std::make_unique<AuditSigner>(*std::move(signer)), nullptr};
  if (config.database.empty()) {
    auto store = PostgresStore::open(postgres_options(config), clock, opened.signer.get());
    if (!store.ok()) return store.status();
    opened.store = *std::move(store);
  } else {
    auto store = SqliteStore::open(config.database, clock, opened.signer.get());
    if (!store.ok()) return store.status();
    opened.store = *std::move(store);
  }
  return opened;
}

absl::StatusOr<std::unique_ptr<StoreReader>> open_store_reader(const CollectorConfig& config) {
  if (config.database.empty())
    return postgres::make_reader(std::make_shared<postgres::Pool>(config.postgres));
  return sqlite::open_reader(config.database);
}

}  // namespace picket
