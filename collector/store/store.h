// What the collector keeps: alerts, workspaces, nodes, commands and the audit log, behind one
// interface for every database (tests/unit/store_conformance.h holds them to the same behaviour).
// Owner: a Store belongs to the Writer's thread; readers are opened from any thread and used by one
// thread at a time. Errors: a failed write leaves nothing behind, and its caller may try again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "picket/v1/agent.pb.h"
#include "picket/v1/operator.pb.h"
#include "picket/v1/rules.pb.h"

namespace picket {

// Envelopes of one message of a node's stream, sequences strictly ascending.
struct NodeBatch {
  std::string node;   // the certificate's SPIFFE id
  std::string epoch;  // of the node's spool
  v1::Batch batch;
};

struct StoredAlert {
  uint64_t row = 0;  // ascending in the order of commits: what was stored later has a higher one
  v1::Alert alert;
};

struct NodeResult {
  std::string node;
  v1::CommandResult result;
};

struct CommitOutcome {
  std::vector<uint64_t> committed;      // for each batch: last committed sequence of its stream
  std::vector<StoredAlert> new_alerts;  // without merged repeats
  std::vector<NodeResult> results;
  uint64_t stored = 0;      // envelopes
  uint64_t repeats = 0;     // of these: alerts that were known, now with a higher count
  uint64_t duplicates = 0;  // envelopes that had been committed before
  uint64_t skipped = 0;     // envelopes without a usable body
  uint64_t missing = 0;     // sequences that were jumped over
};

struct NodeHello {
  std::string node;
  v1::Hello hello;
};

// What was known of a node that comes.
struct Greeting {
  uint64_t last_sequence = 0;  // committed of the spool's epoch; 0: none
  v1::NodeRules rules;
};

enum class CommandState { issued, done, failed, expired, interrupted };

constexpr std::string_view to_string(CommandState state) {
  switch (state) {
    case CommandState::issued:
      return "issued";
    case CommandState::done:
      return "done";
    case CommandState::failed:
      return "failed";
    case CommandState::expired:
      return "expired";
    case CommandState::interrupted:
      break;
  }
  return "interrupted";
}

struct OpenCommand {
  std::string node;
  v1::Command command;
};

// A version of the rules.
struct RuleBundle {
  v1::RuleBundleInfo info;
  std::string bytes;  // a serialized v1::RuleBundle
};

struct AlertQuery {
  uint64_t since_ns = 0;
  std::string workspace = {};                // id, unambiguous id prefix, or name; empty: all
  std::string rule = {};                     // empty: all
  std::string incident = {};                 // id, or the beginning of it; empty: all
  std::vector<std::string> namespaces = {};  // of the workspaces' pods; empty: all
  uint64_t limit = 0;                        // the newest so many; 0: all
  uint64_t up_to_row = INT64_MAX;            // what was stored later is left out
};

// Where the next page begins. Ascending by time, then by row.
struct AlertCursor {
  uint64_t time_ns = 0;
  uint64_t row = 0;
};

// One consistent connection for queries.
struct StoreReader {
  virtual ~StoreReader() = default;

  virtual absl::StatusOr<uint64_t> newest_row() = 0;  // 0: no alert
  virtual absl::StatusOr<uint64_t> alert_count() = 0;
  // Turns a workspace's id, id prefix or name into ids, as the alerts know them. InvalidArgument: a
  // prefix of more than one. An unknown workspace stays what it was.
  virtual absl::Status resolve(AlertQuery& query) = 0;
  // Where the first page of `query` begins.
  virtual absl::StatusOr<AlertCursor> first_page(const AlertQuery& query) = 0;
  // At most `size` alerts after `cursor`, which moves on; fewer: there are no more.
  virtual absl::StatusOr<std::vector<StoredAlert>> page(const AlertQuery& query,
                                                        AlertCursor& cursor, size_t size) = 0;
  // Behind `row`, in the order of commits: at most `most`, and no further one once they have
  // `most_bytes`. None: there are no more.
  virtual absl::StatusOr<std::vector<StoredAlert>> alerts_after(uint64_t row, size_t most,
                                                                size_t most_bytes) = 0;
  // By id or unambiguous prefix. NotFound, InvalidArgument.
  virtual absl::StatusOr<v1::Alert> alert(const std::string& id) = 0;

  // Empty `workspace`: all.
  virtual absl::StatusOr<std::vector<v1::NodeWorkspace>> workspaces(
      const std::string& workspace) = 0;
  // By id or unambiguous prefix, with all its parts; empty: the newest `limit`. The newest last.
  // InvalidArgument: the prefix is of more than one.
  virtual absl::StatusOr<std::vector<v1::NodeAgentSession>> agent_sessions(
      const std::string& session, size_t limit) = 0;
  // What nodes answered to these commands.
  virtual absl::StatusOr<std::vector<NodeResult>> results(
      const std::vector<std::string>& commands) = 0;
  // With at most so many gaps each, the newest. `connected`: to another collector on this database,
  // or to this one.
  virtual absl::StatusOr<std::vector<v1::Node>> nodes(size_t gaps = 100) = 0;
  // Ascending, after `sequence`.
  virtual absl::StatusOr<std::vector<v1::AuditEntry>> audit(uint64_t sequence, size_t limit) = 0;
  virtual absl::StatusOr<uint64_t> last_audit_sequence() = 0;
  // In the order in which they were added.
  virtual absl::StatusOr<std::vector<v1::RuleBundleInfo>> bundles() = 0;
  virtual absl::StatusOr<RuleBundle> bundle(const std::string& bundle_id) = 0;  // NotFound
  // NotFound: none was ever set.
  virtual absl::StatusOr<v1::FleetPolicy> policy() = 0;
  // The row up to which the output of this name is done with the alerts; nullopt: it never began.
  virtual absl::StatusOr<std::optional<uint64_t>> output_cursor(const std::string& output) = 0;
};

// What happened on a database that several collectors share.
struct News {
  bool alerts = false, commands = false, results = false, nodes = false, policy = false;
};

struct NewsWire {
  virtual ~NewsWire() = default;
  // What happened since the last call: everything, the first time and after the wire was lost;
  // nothing when `timeout` has passed. One thread. Unavailable: there is no wire now.
  virtual absl::StatusOr<News> wait(std::chrono::milliseconds timeout) = 0;
  // Ends a wait, now or the next one. Any thread.
  virtual void interrupt() = 0;
};

// A collector as one of several on its database. The Writer's thread, but for wire().
struct Replica {
  virtual ~Replica() = default;

  // Gives the command to the collector that has its node's stream; false: none has.
  virtual absl::StatusOr<bool> pass_on(const std::string& command) = 0;
  // What others passed on for nodes whose newest stream is here. A command is taken once.
  virtual absl::StatusOr<std::vector<OpenCommand>> take() = 0;
  // One that was taken and could not be delivered.
  virtual absl::Status give_back(const std::string& command) = 0;
  // Those of `nodes` whose newest stream is another collector's.
  virtual absl::StatusOr<std::vector<std::string>> moved(const std::vector<std::string>& nodes) = 0;

  // Any thread. The others count this collector among the living as long as it has one open.
  virtual absl::StatusOr<std::unique_ptr<NewsWire>> wire() const = 0;
};

// An output of this name as this collector's to run: one collector at a time has the turn, also
// while it waits for the destination. Ends with the object.
struct OutputTurn {
  virtual ~OutputTurn() = default;
  // Takes the turn, or makes sure that it is still held; asked before everything that is sent.
  // false: another collector has it. Once it was lost this says so before it takes it again: where
  // the output stands is to be read anew then. The runner's thread. Unavailable: nobody can tell,
  // so it is not held.
  virtual absl::StatusOr<bool> hold() = 0;
  // The output is done with the alerts up to `row`. The Writer's thread, while the runner's waits.
  // FailedPrecondition, Unavailable: the turn is not held, and nothing was changed.
  virtual absl::Status set_cursor(uint64_t row) = 0;
};

struct Store {
  virtual ~Store() = default;

  // One transaction: all of it, or nothing. An envelope is stored once per (node, epoch, sequence).
  virtual absl::StatusOr<CommitOutcome> commit(std::span<const NodeBatch> batches) = 0;
  // Remembers the node and what it said of itself.
  virtual absl::StatusOr<Greeting> greet(const NodeHello& hello) = 0;
  // It has no stream to this collector any more.
  virtual absl::Status node_left(const std::string& node) = 0;

  // Numbers, chains, signs and stores `entry` (actor, action, object, reason, outcome, source),
  // with the time.
  virtual absl::StatusOr<v1::AuditEntry> append_audit(v1::AuditEntry entry) = 0;

  virtual absl::Status add_command(const std::string& node, const v1::Command& command) = 0;
  virtual absl::Status close_command(const std::string& id, CommandState state) = 0;
  // Those that nobody waits for any more.
  virtual absl::StatusOr<std::vector<OpenCommand>> open_commands() = 0;

  // In place of one of the same id.
  virtual absl::Status add_bundle(const RuleBundle& bundle) = 0;
  virtual absl::Status remove_bundle(const std::string& bundle_id) = 0;  // gone: nothing to do
  // In place of the one before. Aborted: its revision does not follow on that of the one that is
  // kept, which another collector has changed.
  virtual absl::Status set_policy(const v1::FleetPolicy& policy) = 0;

  // Not held yet. Before the Writer starts, or on its thread; the store outlives it.
  virtual std::unique_ptr<OutputTurn> output_turn(const std::string& output) = 0;

  // From any thread.
  virtual absl::StatusOr<std::unique_ptr<StoreReader>> reader() const = 0;

  // nullptr: this collector is the only one on its database.
  virtual Replica* replica() { return nullptr; }
};

}  // namespace picket
