// The store on PostgreSQL 15 or newer, for as many collectors as share the database: what must be
// in order (ingest, the audit log) they do in turns that the server gives, so numbers of alerts
// ascend in the order of commits everywhere. One connection writes and is opened anew when it was
// lost; questions have a pool of their own. A commit that returned survives what the server's
// settings survive. Owner: the Writer's thread; reader() from any. Errors: open() refuses a foreign
// or newer schema in words; Unavailable while there is no server, and nothing was stored then, or
// what was is known as stored before when it comes again.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "collector/audit/signer.h"
#include "collector/store/postgres.h"
#include "collector/store/postgres_pool.h"
#include "collector/store/store.h"
#include "common/clock.h"

namespace picket {

struct PostgresOptions {
  std::string where;            // libpq's connection string or URI
  uint64_t retention_days = 0;  // alerts stored before so many days are dropped; 0: none are
};

class PostgresStore final : public Store, public Replica {
 public:
  // `signer` outlives the store; without one the audit log is chained, not signed. All collectors
  // on one database have the same key.
  static absl::StatusOr<std::unique_ptr<PostgresStore>> open(const PostgresOptions& options,
                                                             const Clock& clock,
                                                             const AuditSigner* signer = nullptr);

  // Whether a key has signed the audit log already, or is to; also before any collector ran.
  static absl::StatusOr<bool> has_audit_key(const PostgresOptions& options);

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

  Replica* replica() override { return this; }
  absl::StatusOr<bool> pass_on(const std::string& command) override;
  absl::StatusOr<std::vector<OpenCommand>> take() override;
  absl::Status give_back(const std::string& command) override;
  absl::StatusOr<std::vector<std::string>> moved(const std::vector<std::string>& nodes) override;
  absl::StatusOr<std::unique_ptr<NewsWire>> wire() const override;

 private:
  PostgresStore(PostgresOptions options, const Clock& clock, const AuditSigner* signer)
      : options_(std::move(options)),
        clock_(clock),
        signer_(signer),
        pool_(std::make_shared<postgres::Pool>(options_.where)) {}

  absl::Status connect();
  absl::StatusOr<postgres::Transaction> begin(std::optional<postgres::Turn> turn = std::nullopt);
  absl::Status keep_audit_key();
  absl::Status take_number();
  absl::Status turn_day(uint64_t now_ns);
  void drop_old_days(uint64_t now_ns);

  const PostgresOptions options_;
  const Clock& clock_;
  const AuditSigner* const signer_;
  const std::shared_ptr<postgres::Pool> pool_;
  std::optional<postgres::Connection> connection_;
  std::chrono::steady_clock::time_point next_attempt_{};
  std::optional<uint64_t> day_;  // whose partition is there
  uint64_t number_ = 0;          // of this collector among those on the database
};

}  // namespace picket
