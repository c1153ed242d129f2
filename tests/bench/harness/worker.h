// A child process that works on request, in a cgroup and a network namespace of its own when asked
// to. Owner: the benchmark's only thread. Errors: start() and run() say what failed; the child ends
// with its socket or its parent.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/harness/job.h"

namespace picket::bench {

struct WorkerOptions {
  std::string cgroup;        // directory to enter; empty: stay
  bool own_network = false;  // loopback only
};

class Worker {
 public:
  static absl::StatusOr<Worker> start(const WorkerOptions& options = {});
  Worker(Worker&& other) noexcept;
  Worker& operator=(Worker&&) = delete;
  ~Worker();

  pid_t pid() const { return pid_; }
  absl::StatusOr<Cost> run(const Job& job) const;

 private:
  Worker(pid_t pid, int socket) : pid_(pid), socket_(socket) {}
  pid_t pid_;
  int socket_;
};

// For the calling process. An errno, 0 when done.
int enter_cgroup(const std::string& cgroup);
int enter_own_network();

}  // namespace picket::bench
