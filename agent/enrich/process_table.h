// Every process of the watched workspaces, keyed by (pid, start time), with its lineage. A process
// that has exited stays while a descendant or the grace after its exit needs it; forks copy the
// parent's state, execs replace it, and a process found at start is entered exactly once, whatever
// the order of its records. Owner: the pipeline thread. Errors: a record always yields a process.
// The table is bounded; what it had to forget or infer is counted.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/hash/hash.h"
#include "agent/enrich/driver_labels.h"
#include "agent/enrich/file_sources.h"
#include "agent/enrich/process_node.h"
#include "agent/event/event.h"

namespace picket {

struct ProcessTableOptions {
  size_t max_processes = 131072;
  uint64_t grace_ns = 10'000'000'000;  // how long late records of an exited process still find it
  uint16_t max_depth = 256;  // from here on, exited ancestors leave the lineage after their grace
  LiveProcesses* live = nullptr;  // where the records' processes run; nullptr: nowhere (a replay)
};

struct ProcessTableStats {
  uint64_t created = 0;
  uint64_t incomplete = 0;  // first seen by a record that tells little: its fork or exec was missed
  uint64_t evicted_exited = 0;  // before their grace or their descendants ended: the table was full
  uint64_t evicted_running = 0;
  uint64_t collapsed = 0;       // exited ancestors taken out of a lineage that was too deep
  uint64_t inferred_exits = 0;  // the pid was used again although no exit was seen
  uint64_t stale = 0;           // exec or found records older than what is known
};

class ProcessTable {
 public:
  explicit ProcessTable(ProcessTableOptions options = {});
  ~ProcessTable();
  ProcessTable(const ProcessTable&) = delete;
  ProcessTable& operator=(const ProcessTable&) = delete;

  // Applies the record and answers with the process it is about, as it is after the event. Valid
  // until the next call.
  const Process& apply(const Event& event);

  // From the next exec on.
  void set_origins(std::shared_ptr<const Origins> origins) {
    drivers_.set_origins(std::move(origins));
  }

  const Process* find(ProcessKey key) const;
  // The latest process with this pid; also one that has exited.
  const Process* find_pid(uint32_t pid) const;

  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& node : by_key_) visit(static_cast<const Process&>(*node));
  }

  size_t size() const { return by_key_.size(); }
  const ProcessTableStats& stats() const { return stats_; }

 private:
  using Node = ProcessNode;
  struct ByKey {
    using is_transparent = void;
    static ProcessKey key(ProcessKey key) { return key; }
    static ProcessKey key(const std::unique_ptr<Node>& node) { return node->key; }
    template <class T>
    size_t operator()(const T& of) const {
      return absl::HashOf(key(of).pid, key(of).start_ns);
    }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return key(a) == key(b);
    }
  };
  struct ByPid {
    using is_transparent = void;
    static uint32_t pid(uint32_t pid) { return pid; }
    static uint32_t pid(const Node* node) { return node->key.pid; }
    template <class T>
    size_t operator()(const T& of) const {
      return absl::HashOf(pid(of));
    }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return pid(a) == pid(b);
    }
  };
  struct KeyHash {
    size_t operator()(ProcessKey key) const { return absl::HashOf(key.pid, key.start_ns); }
  };

  Node* find_node(ProcessKey key) const;
  Node& touch(const pk_header& header);
  Node& create(ProcessKey key);
  void claim_pid(Node& node);
  const Process& stranger(const pk_header& header);

  void on_fork(Node& node, const Event& event, const pk_fork& fork);
  void fill_blank_children(Node& node);
  void on_exec(Node& node, const Event& event, const pk_exec& exec);
  bool is_loader(const Node& node) const;
  void mark_exited(Node& node);

  void set_parent(Node& node, ProcessKey parent);
  bool has_entering_sibling(const Node& node) const;
  void put_below(Node& node, Node& parent);
  void wait_for_parent(Node& node);
  void leave_parent(Node& node);
  void adopt_waiting(Node& node);
  void leave_children_to(Node& node, Node* heir);  // nullptr: they wait for a process with this key

  void expire();
  void end_grace(Node& node);
  void make_room();
  void remove(Node& node);  // and the exited ancestors that only it kept

  ProcessTableOptions options_;
  ProcessTableStats stats_;
  TextCache texts_{1024};
  DriverLabels drivers_;
  FileSources files_;
  Process stranger_;     // stands for a process that is in no workspace, during one call
  uint64_t now_ns_ = 0;  // the latest event time seen

  absl::flat_hash_set<std::unique_ptr<Node>, ByKey, ByKey> by_key_;
  absl::flat_hash_set<Node*, ByPid, ByPid> by_pid_;  // the latest of each pid
  absl::node_hash_map<ProcessKey, Node::Siblings, KeyHash>
      waiting_;             // by the parent that is unknown
  ProcessesByAge running_;  // least recently active first
  ProcessesByAge exited_;   // in their grace, in order of exit
  ProcessesByAge held_;     // past it, in order of its end
};

}  // namespace picket
