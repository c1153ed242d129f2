// Orders of operators: audited, stored, delivered over the node's stream, awaited, audited again.
// Own thread; submit() and on_commit() from any. Errors: every refusal says why in words (unknown,
// ambiguous, not connected, no answer in time) and is itself audited.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <variant>

#include "collector/auth/access.h"
#include "collector/fleet/node_registry.h"
#include "collector/store/store.h"
#include "collector/store/writer.h"
#include "common/bounded_queue.h"
#include "common/clock.h"

namespace picket {

struct CommandRequest {
  std::string actor;  // the caller's SPIFFE id
  v1::RunCommandRequest order;
  std::string denied;                        // not empty: why the caller may not; only audited
  std::string source = {};                   // the caller's address
  std::vector<std::string> namespaces = {};  // where it may command; empty: everywhere
};

class Commands {
 public:
  using Done = std::function<void(absl::StatusOr<v1::RunCommandResponse>)>;

  Commands(const Store& store, Writer& writer, NodeRegistry& nodes, const Clock& clock);
  ~Commands();

  // Closes what an earlier run, or a collector that is gone, left open; then begins. The writer
  // runs already.
  absl::Status start();
  // Answers everything that waits. Before the writer stops; once more when no submit() can come.
  void stop();

  // false: too many wait, which is audited too, and `done` is never called. `done` runs on this
  // object's thread.
  bool submit(CommandRequest request, Done done);
  // A listener of the writer.
  void on_commit(const CommitOutcome& outcome);
  // Answers may have come to another collector; and others may have gone before theirs came.
  void look();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Order {
    CommandRequest request;
    Done done;
  };
  struct Awaited {
    std::string node, actor, source, object;
    v1::Command command;
    std::string audit_id;
    Time deadline;
    Done done;
  };
  // A command whose answer did not come in time: should it still come, the audit log shall say so.
  struct Expired {
    std::string id;
    std::string node, actor, source, object;
    v1::Action action;
  };

  struct Look {};

  // Of one caller, found no place in the queue and not yet in the audit log.
  struct TurnedAway {
    v1::RunCommandRequest last;
    uint64_t count = 0;
  };

  void loop();
  std::chrono::milliseconds until_next_deadline() const;
  void issue(Order order);
  absl::StatusOr<v1::NodeWorkspace> find_workspace(const CommandRequest& request) const;
  absl::Status check(const v1::RunCommandRequest& order) const;
  absl::StatusOr<Awaited> record(const CommandRequest& request, const v1::NodeWorkspace& target);
  absl::Status send(const Awaited& awaited);
  void look_for_answers();
  absl::Status close_abandoned();
  void answer(const NodeResult& result);
  void answer_late(const NodeResult& result);
  void expire(Time now);
  void interrupt_all();
  void turn_away(const CommandRequest& request);
  void audit_turned_away();
  void refuse(const CommandRequest& request, const absl::Status& why);
  absl::StatusOr<v1::AuditEntry> audit(const std::string& actor, const std::string& source,
                                       v1::Action action, const std::string& object,
                                       const std::string& reason, const std::string& outcome);
  void close(const Awaited& awaited, CommandState state, const std::string& outcome);

  const Store& store_;
  Writer& writer_;
  NodeRegistry& nodes_;
  const Clock& clock_;
  BoundedQueue<std::variant<Order, NodeResult, Look>> queue_;
  std::thread thread_;
  std::mutex turned_away_mutex_;
  std::map<std::string, TurnedAway> turned_away_;  // by caller: a flood of one makes one entry
  // The thread's own.
  std::map<std::string, Awaited> awaited_;  // by command id
  std::deque<Expired> expired_;
};

}  // namespace picket
