// The ingest transaction, whatever the database: sequences, gaps and what each kind of envelope
// means are decided here, a CommitTables puts it into rows. Owner: the store, hence the Writer's
// thread. Errors: the caller rolls its transaction back as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "collector/store/store.h"

namespace picket {

struct SequenceRange {
  uint64_t first = 0, last = 0;
};

// A spool as the collector knows it.
struct StreamState {
  uint64_t last = 0;     // committed sequence
  uint64_t missing = 0;  // sequences below it that never came
  uint64_t gaps = 0;     // rows for them
};

// What a node says of itself, into its row.
enum class NodeFact { coverage, sight, rules };

struct KnownAlert {
  uint64_t row = 0, count = 0, stored_ns = 0, last_ns = 0;
};

// An alert that grows is told anew with the count that it had, and one of which more became known
// (the hash of a program) with its time as well; what was told before changes nothing. `stored` is
// the known one's serialized form.
bool adds_to(const KnownAlert& known, const std::string& stored, const v1::Alert& alert);
// When it happened last.
uint64_t last_ns(const v1::Alert& alert);

// The rows of one transaction, seen with its own changes.
struct CommitTables {
  virtual ~CommitTables() = default;

  virtual absl::StatusOr<StreamState> stream(const NodeBatch& batch) = 0;
  // Also that the node was seen now.
  virtual absl::Status set_stream(const NodeBatch& batch, const StreamState& stream,
                                  uint64_t now_ns) = 0;
  // The gap that begins last at or before `sequence`; it may end before it.
  virtual absl::StatusOr<std::optional<SequenceRange>> gap_at(const NodeBatch& batch,
                                                              uint64_t sequence) = 0;
  virtual absl::Status add_gap(const NodeBatch& batch, SequenceRange gap, uint64_t now_ns) = 0;
  virtual absl::Status remove_gap(const NodeBatch& batch, uint64_t first) = 0;

  // New, or merged with the one of the same node and id; counted in `outcome`, at the latest when
  // the transaction ends.
  virtual absl::Status store_alert(v1::Alert alert, uint64_t now_ns, CommitOutcome& outcome) = 0;
  virtual absl::Status set_fact(const std::string& node, NodeFact fact, const std::string& bytes,
                                uint64_t now_ns) = 0;
  virtual absl::Status set_workspace(const std::string& node, const v1::WorkspaceStatus& status,
                                     uint64_t now_ns) = 0;
  // Of those that are gone the `kept` newest stay.
  virtual absl::Status forget_gone(const std::string& node, uint64_t kept) = 0;
  // Those that are not gone.
  virtual absl::StatusOr<std::vector<v1::WorkspaceStatus>> present(const std::string& node) = 0;
  // The last state of a session's part stands; the `kept` newest parts stay.
  virtual absl::Status set_session(const std::string& node, const v1::AgentSession& session,
                                   uint64_t kept) = 0;
  // Closes the command that it answers, if that was given to `node`.
  virtual absl::Status add_result(const std::string& node, const v1::CommandResult& result) = 0;
};

// Adds what `batch` tells to the transaction that `tables` stands for. `now_ns` becomes the alerts'
// time of storage.
absl::Status add_to_commit(CommitTables& tables, const NodeBatch& batch, uint64_t now_ns,
                           CommitOutcome& outcome);

}  // namespace picket
