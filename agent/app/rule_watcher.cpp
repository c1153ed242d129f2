#include "agent/app/rule_watcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace picket {
namespace {

constexpr int kQuietMs = 200;  // after the last change
// A file system that is written all the time would never be quiet.
constexpr int kQuietRounds = 25;
constexpr uint32_t kNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr uint32_t kChanges = kNames | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF;

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

}  // namespace

RuleWatcher::RuleWatcher(std::vector<std::filesystem::path> paths, Reload reload)
    : paths_(std::move(paths)),
      reload_(std::move(reload)),
      changes_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

RuleWatcher::~RuleWatcher() {
  stop();
  if (changes_ >= 0) close(changes_);
  if (wake_ >= 0) close(wake_);
}

absl::Status RuleWatcher::start() {
  if (changes_ < 0 || wake_ < 0)
    return absl::ResourceExhaustedError("watch the rules: no inotify instance or no descriptor");
  watch_all();
  thread_ = std::thread([this] { run(); });
  return absl::OkStatus();
}

void RuleWatcher::order(unsigned what) {
  constexpr uint64_t kOnce = 1;
  orders_.fetch_or(what, std::memory_order_release);
  (void)!write(wake_, &kOnce, sizeof kOnce);
}

void RuleWatcher::stop() {
  if (!thread_.joinable()) return;
  order(kStop);
  thread_.join();
}

// Of a single file its folder: editors replace a file, and a mounted configuration is a link that
// is exchanged.
void RuleWatcher::watch_all() {
  for (const auto& path : paths_) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      watch(folder_of(path), kChanges);
      continue;
    }
    watch(path, kChanges);
    watch(folder_of(path), kNames);
    std::filesystem::recursive_directory_iterator entry(path, error);
    for (; !error && entry != std::filesystem::recursive_directory_iterator();
         entry.increment(error)) {
      if (entry->is_directory(error)) watch(entry->path(), kChanges);
    }
  }
}

void RuleWatcher::watch(const std::filesystem::path& folder, uint32_t what) {
  constexpr uint32_t kAdd = IN_ONLYDIR | IN_MASK_ADD;  // again, or for two paths: one watch
  inotify_add_watch(changes_, folder.c_str(), what | kAdd);
}

bool RuleWatcher::take_changes() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  bool changed = false;
  while (read(changes_, buffer.data(), buffer.size()) > 0) changed = true;
  return changed;
}

unsigned RuleWatcher::take_orders() {
  uint64_t times = 0;
  (void)!read(wake_, &times, sizeof times);
  return orders_.exchange(0, std::memory_order_acquire);
}

void RuleWatcher::settle() {
  pollfd file{changes_, POLLIN, 0};
  for (int round = 0; round < kQuietRounds && poll(&file, 1, kQuietMs) > 0; ++round) take_changes();
}

void RuleWatcher::run() {
  std::array<pollfd, 2> files{{{changes_, POLLIN, 0}, {wake_, POLLIN, 0}}};
  for (;;) {
    if (poll(files.data(), files.size(), -1) < 0 && errno != EINTR) return;
    const unsigned orders = take_orders();
    if ((orders & kStop) != 0) return;
    if ((orders & kOffer) != 0) reload_(Cause::offered);
    const bool changed = take_changes();
    const bool requested = (orders & kRequest) != 0;
    if (!changed && !requested) continue;
    if (!requested) settle();
    watch_all();
    reload_(requested ? Cause::requested : Cause::changed);
  }
}

}  // namespace picket
