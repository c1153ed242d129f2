// Resolves who a workspace is, off the pipeline: runtimes' files and /proc can be slow. Own thread;
// request() may be called by any. Errors: an identity that stays unavailable is answered with that
// status after `give_up`; a full queue answers at once.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "agent/enrich/resolver.h"
#include "common/bounded_queue.h"

namespace picket {

class IdentityService {
 public:
  // From the identity thread, or from who asks too much; the cgroup is as it was asked for.
  using Answer = std::function<void(const CgroupRef&, absl::StatusOr<Workspace>)>;

  IdentityService(std::unique_ptr<Resolver> resolver, Answer answer,
                  std::chrono::milliseconds give_up = std::chrono::milliseconds(8000));
  ~IdentityService();

  void start();
  void request(CgroupRef cgroup);
  void stop();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Pending {
    CgroupRef cgroup;
    Time give_up;
    Time next;
    std::chrono::milliseconds pause{5};
  };

  void run();
  bool try_one(Pending& pending, Time now);  // true: answered

  const std::unique_ptr<Resolver> resolver_;
  const Answer answer_;
  const std::chrono::milliseconds give_up_;
  BoundedQueue<CgroupRef> requests_{4096};
  std::vector<Pending> pending_;
  std::thread thread_;
};

}  // namespace picket
