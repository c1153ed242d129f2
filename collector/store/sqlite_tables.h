// The ingest transaction's rows in SQLite, one prepared statement for each step. Owner: the store,
// hence the Writer's thread. Errors: the caller's transaction is rolled back as a whole.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/store/commit.h"
#include "collector/store/sqlite.h"

namespace picket::sqlite {

class Tables final : public CommitTables {
 public:
  // `db` outlives it.
  static absl::StatusOr<std::unique_ptr<Tables>> create(const Database& db);

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
  explicit Tables(const Database& db) : db_(db) {}
  absl::Status prepare();
  absl::Status add_alert(v1::Alert alert, uint64_t now_ns, CommitOutcome& outcome);
  absl::Status note_incident(const v1::Alert& alert, CommitOutcome& outcome);

  const Database& db_;
  struct Statements {
    Statement stream, set_stream, gap_at, remove_gap, add_gap, count_gaps;
    Statement known_alert, add_alert, repeat_alert, known_incident, add_incident;
    Statement set_workspace, present, forget_gone, set_coverage, set_sight, set_rules, set_session,
        forget_sessions, add_result, close_command, seen;
  };
  std::unique_ptr<Statements> sql_;
};

}  // namespace picket::sqlite
