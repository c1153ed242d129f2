// The ingest transaction's rows in PostgreSQL. What is many is gathered and written at the end with
// a few statements, alerts by COPY, so that a commit costs a few round trips however large it is;
// what is rare has a statement each. One object for each transaction. Owner: the store, hence the
// Writer's thread. Errors: the caller's transaction is rolled back as a whole.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "collector/store/commit.h"
#include "collector/store/postgres.h"

namespace picket::postgres {

class Tables final : public CommitTables {
 public:
  // Inside a transaction that has the turn to ingest; `connection` outlives it.
  explicit Tables(Connection& connection) : connection_(connection) {}

  // Before anything is added: reads the streams of `batches`, which outlive this object.
  absl::Status load(std::span<const NodeBatch> batches);
  // After everything was added.
  absl::Status finish(uint64_t now_ns, CommitOutcome& outcome);

  absl::StatusOr<StreamState> stream(const NodeBatch& batch) override;
  absl::Status set_stream(const NodeBatch& batch, const StreamState& stream,
                          uint64_t now_ns) override;
  absl::StatusOr<std::optional<SequenceRange>> gap_at(const NodeBatch& batch,
                                                      uint64_t sequence) override;
  absl::Status add_gap(const NodeBatch& batch, SequenceRange gap, uint64_t now_ns) override;
  absl::Status remove_gap(const NodeBatch& batch, uint64_t first) override;
  absl::Status store_alert(v1::Alert alert, uint64_t now_ns, CommitOutcome& outcome) override;
  absl::Status set_fact(const std::string& node, NodeFact fact, const std::string& bytes,
                        uint64_t now_ns) override;
  absl::Status set_workspace(const std::string& node, const v1::WorkspaceStatus& status,
                             uint64_t now_ns) override;
  absl::Status forget_gone(const std::string& node, uint64_t kept) override;
  absl::StatusOr<std::vector<v1::WorkspaceStatus>> present(const std::string& node) override;
  absl::Status set_session(const std::string& node, const v1::AgentSession& session,
                           uint64_t kept) override;
  absl::Status add_result(const std::string& node, const v1::CommandResult& result) override;

 private:
  using Pair = std::pair<std::string, std::string>;
  // One alert of the transaction, which may have been told several times.
  struct Entry {
    v1::Alert alert;
    KnownAlert known;  // without a row: new
    std::string stored;
    bool changed = false;
  };
  struct Entries {
    std::vector<Entry> all;                // in the order in which they were first told
    std::map<Pair, size_t> by_id_of_node;  // index into `all`
  };

  absl::Status run(const char* sql, const Values& values) {
    return connection_.run(sql, values).status();
  }
  absl::Status find_known(Entries& entries) const;
  void merge(Entries& entries, CommitOutcome& outcome);
  absl::Status add_new(Entries& entries, CommitOutcome& outcome) const;
  absl::Status change_known(Entries& entries) const;
  absl::Status save_streams(uint64_t now_ns) const;

  Connection& connection_;
  std::map<Pair, StreamState> streams_;  // by node and epoch
  std::vector<v1::Alert> alerts_;
};

}  // namespace picket::postgres
