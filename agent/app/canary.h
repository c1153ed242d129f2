// Proof, again and again, that the agent sees: a process that it starts in a new cgroup of its own
// has to come back as an event, through the kernel, the ring, the tables, the identity thread and
// the engine, with everything filled in. Own thread, which waits; the pipeline thread brings the
// event, the identity thread names the cgroup. Errors: what was missing is told in words.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "agent/detect/detector.h"
#include "agent/enrich/resolver.h"
#include "agent/sensor/scratch_cgroup.h"
#include "common/clock.h"

namespace picket {

// What the canaries said last.
struct Sight {
  bool sees = false;
  std::string why;        // what was missing; empty: all came back
  uint64_t since_ns = 0;  // CLOCK_BOOTTIME: of the first canary that said so
  uint64_t seen_ns = 0;   // of the last canary that came back; 0: none yet
};

// Tells changes of sight only. Of one thread.
class SightChange {
 public:
  using Tell = std::function<void(const Sight& now, const std::optional<Sight>& before)>;
  explicit SightChange(Tell tell) : tell_(std::move(tell)) {}
  // `why`: empty when the canary that was sent at `sent_ns` came back.
  void on_outcome(std::string why, uint64_t sent_ns);

 private:
  Tell tell_;
  std::optional<Sight> last_;
};

struct CanaryTimes {
  std::chrono::milliseconds interval{5000};
  std::chrono::milliseconds patience{5000};  // until a canary has to be back
};

class Canary {
 public:
  // Makes its root; the sensor takes it for one whose children are workspaces.
  Canary(const CgroupTree& tree, const Clock& clock, SightChange::Tell tell,
         CanaryTimes times = {});
  ~Canary();

  // This process's, from the cgroup root.
  static std::string usual_root();
  // Whether a cgroup is one of the canaries': nobody but the agent has a use for its events.
  bool owns(std::string_view cgroup) const;

  // Of the engine: looks for the canary's start. The canary outlives it.
  std::unique_ptr<Detector> detector();
  // Names the cgroups of canaries, and asks `others` about all else. The canary outlives it.
  std::unique_ptr<Resolver> resolver(std::unique_ptr<Resolver> others);

  void start();
  void stop();

 private:
  class Watch;
  class Names;

  void run();
  std::string send(const std::string& cgroup, const std::string& word);
  void on_exec(const Observation& observation);
  std::string wait(std::chrono::steady_clock::time_point until);

  const ScratchCgroup root_;
  const Clock& clock_;
  SightChange change_;
  const CanaryTimes times_;
  std::thread thread_;

  std::atomic<uint64_t> cgroup_id_{0};  // of the canary that is out; 0: none is
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool came_ = false;
  std::string word_;     // what it carries
  std::string lacking_;  // of what came
};

}  // namespace picket
