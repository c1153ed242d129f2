// The store on an embedded SQLite file, in WAL mode: one connection writes, each reader has its
// own. A commit that returned survives a crash of the collector and of the machine. Owner: the
// Writer's thread; reader() from any. Errors: open() refuses a foreign, newer or damaged file in
// words.
#pragma once

#include <filesystem>
#include <memory>

#include "collector/audit/signer.h"
#include "collector/store/sqlite.h"
#include "collector/store/sqlite_tables.h"
#include "collector/store/store.h"
#include "common/clock.h"

namespace picket {

class SqliteStore final : public Store {
 public:
  // `signer` outlives the store; without one the audit log is chained, not signed.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> open(const std::filesystem::path& file,
                                                           const Clock& clock,
                                                           const AuditSigner* signer = nullptr);

  // Of an existing file, also one of an older version, which is not changed.
  static absl::StatusOr<bool> has_signed_audit(const std::filesystem::path& file);

  absl::StatusOr<CommitOutcome> commit(std::span<const NodeBatch> batches) override;
  absl::StatusOr<Greeting> greet(const NodeHello& hello) override;
  absl::Status node_left(const std::string& node) override;
  absl::StatusOr<v1::AuditEntry> append_audit(v1::AuditEntry entry) override;
  absl::Status add_command(const std::string& node, const v1::Command& command) override;
  absl::Status close_command(const std::string& id, CommandState state) override;
  absl::StatusOr<std::vector<OpenCommand>> open_commands() override;
  absl::Status add_bundle(const RuleBundle& bundle) override;
  absl::Status remove_bundle(const std::string& bundle_id) override;
  absl::Status set_policy(const v1::FleetPolicy& policy) override;
  std::unique_ptr<OutputTurn> output_turn(const std::string& output) override;
  absl::StatusOr<std::unique_ptr<StoreReader>> reader() const override;

 private:
  SqliteStore(std::filesystem::path file, const Clock& clock, const AuditSigner* signer,
              sqlite::Database db)
      : file_(std::move(file)), clock_(clock), signer_(signer), db_(std::move(db)) {}

  const std::filesystem::path file_;
  const Clock& clock_;
  const AuditSigner* const signer_;
  sqlite::Database db_;
  std::unique_ptr<sqlite::Tables> tables_;  // after db_: its statements close first
};

}  // namespace picket
