// A few threads for queries, so that a slow one holds up neither ingest nor gRPC's own threads.
// post() from any thread. Errors: a full queue refuses, and the caller answers "busy".
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "common/bounded_queue.h"

namespace picket {

class WorkerPool {
 public:
  WorkerPool(size_t threads, size_t queue) : queue_(queue) {
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { loop(); });
  }
  ~WorkerPool() { stop(); }

  bool post(std::function<void()> task) { return queue_.push(std::move(task)); }

  // Finishes what was accepted.
  void stop() {
    queue_.close();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

 private:
  void loop() {
    while (!queue_.finished()) {
      if (const auto task = queue_.pop(std::chrono::minutes(1))) (*task)();
    }
  }

  BoundedQueue<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace picket
