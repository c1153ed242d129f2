// The only thread that writes to the store. It commits what has gathered: at once when something
// urgent waits (an alert, a result), else after 50 ms, and at 1000 rows in any case; so that under
// load batches grow by themselves while a lone alert never waits. Errors: a batch whose commit
// fails is tried once more alone, then its sender is told, and nothing of it is stored.
#pragma once

#include <chrono>
#include <functional>
#include <thread>
#include <variant>
#include <vector>

#include "collector/store/store.h"
#include "common/bounded_queue.h"
#include "common/metrics.h"

namespace picket {

class Writer {
 public:
  struct Options {
    size_t max_rows = 1000;
    std::chrono::milliseconds max_wait{50};
    size_t queue = 4096;
  };
  // Called on the writer's thread after a commit, before the batches' senders are told.
  using Listener = std::function<void(const CommitOutcome&)>;
  using Committed = std::function<void(absl::StatusOr<uint64_t>)>;  // last committed sequence
  using Task = std::function<void(Store&)>;

  Writer(Store& store, Options options, MetricRegistry& registry);
  ~Writer();

  // Before start().
  void on_commit(Listener listener) { listeners_.push_back(std::move(listener)); }
  void start();
  // Finishes what was accepted. Afterwards everything is refused.
  void stop();

  // From any thread. false: the queue is full or closed, and `done` is never called.
  bool submit(NodeBatch batch, Committed done);
  // Runs `task` between two commits, in the order of submission.
  bool run(Task task);
  // Waits for it. Not from the writer's thread.
  absl::Status run_and_wait(const std::function<absl::Status(Store&)>& task);

 private:
  struct Pending {
    NodeBatch batch;
    Committed done;
  };
  using Job = std::variant<Pending, Task>;

  void loop();
  void commit_gathered();
  void commit_one(const NodeBatch& batch, const Committed& done);
  void announce(const CommitOutcome& outcome);
  std::chrono::milliseconds patience() const;

  Store& store_;
  const Options options_;
  std::vector<Listener> listeners_;
  BoundedQueue<Job> queue_;
  std::thread thread_;

  // The writer thread's own.
  std::vector<NodeBatch> batches_;
  std::vector<Committed> senders_;
  size_t rows_ = 0;
  bool urgent_ = false;
  std::chrono::steady_clock::time_point oldest_;

  Histogram& commit_seconds_;
  Histogram& commit_rows_;
  Counter& failures_;
  Counter& refused_;
};

}  // namespace picket
