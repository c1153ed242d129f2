// Waits until rule files change, on a thread of its own, and asks for them to be read again: when
// nothing was written for a moment, so that a set that is being copied is read once. Also on
// request (a signal). Errors: start() tells what could not be watched; a folder that comes later is
// watched from then on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace picket {

class RuleWatcher {
 public:
  enum class Cause { changed, requested };
  using Reload = std::function<void(Cause)>;  // of the watcher's thread

  RuleWatcher(std::vector<std::filesystem::path> paths, Reload reload);
  ~RuleWatcher();
  RuleWatcher(const RuleWatcher&) = delete;
  RuleWatcher& operator=(const RuleWatcher&) = delete;

  absl::Status start();
  void request();  // any thread, also a signal's waiter
  void stop();

 private:
  void run();
  void watch_all();
  void watch(const std::filesystem::path& folder, uint32_t what);
  bool take_changes();  // whether something of ours changed
  uint64_t take_orders();

  const std::vector<std::filesystem::path> paths_;
  const Reload reload_;
  int changes_ = -1, orders_ = -1;
  std::thread thread_;
};

}  // namespace picket
