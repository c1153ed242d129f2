// The ingest transaction on SQLite: sequences, gaps, and one function per kind of envelope. Owner:
// the store, hence the Writer's thread. Errors: the caller's transaction is rolled back as a whole.
#pragma once

#include <memory>
#include <string>

#include "collector/store/sqlite.h"
#include "collector/store/store.h"

namespace picket::sqlite {

class Commit {
 public:
  static absl::StatusOr<std::unique_ptr<Commit>> create(const Database& db);

  // Inside a transaction of the caller. `now_ns` becomes the alerts' time of storage.
  absl::Status add(const NodeBatch& batch, uint64_t now_ns, CommitOutcome& outcome);

 private:
  struct Stream {
    uint64_t last = 0;
    uint64_t missing = 0;
    uint64_t gaps = 0;
  };

  explicit Commit(const Database& db) : db_(db) {}
  absl::Status prepare();
  absl::StatusOr<Stream> load(const NodeBatch& batch);
  absl::Status save(const NodeBatch& batch, const Stream& stream);
  // Of a sequence at or below the last one: whether it fills a gap (which then shrinks).
  absl::StatusOr<bool> fill_gap(const NodeBatch& batch, Stream& stream, uint64_t sequence,
                                uint64_t now_ns);
  absl::Status record_gap(const NodeBatch& batch, Stream& stream, uint64_t first, uint64_t last,
                          uint64_t now_ns);
  absl::Status store_body(const std::string& node, const v1::Envelope& envelope, uint64_t now_ns,
                          CommitOutcome& outcome);
  // What a node says of itself, into its row.
  absl::Status store_fact(Statement& set, const std::string& node, const std::string& fact,
                          uint64_t now_ns);
  absl::Status store_alert(const std::string& node, v1::Alert alert, uint64_t now_ns,
                           CommitOutcome& outcome);
  absl::Status store_workspace(const std::string& node, const v1::WorkspaceStatus& status,
                               uint64_t now_ns);
  absl::Status store_session(const std::string& node, const v1::AgentSession& session);
  absl::Status end_others(const std::string& node, const v1::WorkspaceInventory& inventory,
                          uint64_t now_ns);
  absl::Status store_result(const std::string& node, const v1::CommandResult& result,
                            CommitOutcome& outcome);

  const Database& db_;
  struct Statements {
    Statement stream, set_stream, gap_at, remove_gap, add_gap, count_gaps;
    Statement known_alert, add_alert, repeat_alert;
    Statement set_workspace, present, forget_gone, set_coverage, set_sight, set_rules, set_session,
        forget_sessions, add_result, close_command, seen;
  };
  std::unique_ptr<Statements> sql_;
};

}  // namespace picket::sqlite
