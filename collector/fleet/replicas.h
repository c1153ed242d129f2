// This collector as one of several on a database: tells those who watch here what was stored there,
// delivers the orders that others gave for nodes whose streams are here, gives up streams that
// nodes have moved elsewhere. Own thread, which waits for news and looks itself now and then. On a
// store of one collector it does nothing. Errors: while the database is away nothing is heard;
// afterwards everything is looked at.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "collector/fleet/commands.h"
#include "collector/fleet/node_registry.h"
#include "collector/fleet/policy_distribution.h"
#include "collector/store/store.h"
#include "collector/store/writer.h"

namespace picket {

class Replicas {
 public:
  // Both on this object's thread.
  struct Watchers {
    std::function<bool()> are_there;
    std::function<void(const CommitOutcome&)> publish;
    std::function<void(uint64_t)> stored;  // alerts up to this row, whoever did
  };

  // Everything outlives this object.
  Replicas(Store& store, Writer& writer, NodeRegistry& nodes, Commands& commands,
           PolicyDistribution& policy, Watchers watchers);
  ~Replicas();

  // Returns when the other collectors know of this one. Before agents come; the writer runs.
  absl::Status start();
  void stop();

 private:
  using Time = std::chrono::steady_clock::time_point;

  void loop();
  void act(const News& news);
  void look(Time now);
  void publish_new();
  void deliver_orders();
  void leave_moved();

  Store& store_;
  Replica* const replica_;
  Writer& writer_;
  NodeRegistry& nodes_;
  Commands& commands_;
  PolicyDistribution& policy_;
  const Watchers watchers_;
  std::unique_ptr<NewsWire> wire_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  // The thread's own.
  uint64_t last_row_ = 0;  // of what was published, or was there before anybody watched
  Time next_look_{};
  bool is_cut_ = false;
};

}  // namespace picket
