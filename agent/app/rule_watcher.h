// Waits until rule files change, on a thread of its own, and asks for them to be read again: when
// nothing was written for a moment, so that a set that is being copied is read once. Also on
// request (a signal), and when a set was offered from elsewhere. Errors: start() tells what could
// not be watched; a folder that comes later is watched from then on.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace picket {

class RuleWatcher {
 public:
  enum class Cause { changed, requested, offered };
  using Reload = std::function<void(Cause)>;  // of the watcher's thread

  RuleWatcher(std::vector<std::filesystem::path> paths, Reload reload);
  ~RuleWatcher();
  RuleWatcher(const RuleWatcher&) = delete;
  RuleWatcher& operator=(const RuleWatcher&) = delete;

  absl::Status start();
  // Any thread; before start() too.
  void request() { order(kRequest); }  // also a signal's waiter
  void offer() { order(kOffer); }
  void stop();

 private:
  static constexpr unsigned kRequest = 1, kOffer = 2, kStop = 4;
  void order(unsigned what);
  void run();
  void watch_all();
  void watch(const std::filesystem::path& folder, uint32_t what);
  bool take_changes();  // whether something of ours changed
  unsigned take_orders();
  void settle();  // until nothing was written for a moment

  const std::vector<std::filesystem::path> paths_;
  const Reload reload_;
  const int changes_, wake_;  // inotify; an eventfd
  std::atomic<unsigned> orders_{0};
  std::thread thread_;
};

}  // namespace picket
