#include "agent/app/rule_watcher.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace picket {
namespace {

constexpr uint64_t kRequest = 1, kStop = uint64_t{1} << 32;
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
    : paths_(std::move(paths)), reload_(std::move(reload)) {}

RuleWatcher::~RuleWatcher() {
  stop();
  if (changes_ >= 0) close(changes_);
  if (orders_ >= 0) close(orders_);
}

absl::Status RuleWatcher::start() {
  changes_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  orders_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (changes_ < 0 || orders_ < 0)
    return absl::InternalError(fmt::format("watch the rules: {}", std::strerror(errno)));
  watch_all();
  thread_ = std::thread([this] { run(); });
  return absl::OkStatus();
}

void RuleWatcher::request() {
  if (orders_ >= 0) (void)!write(orders_, &kRequest, sizeof kRequest);
}

void RuleWatcher::stop() {
  if (!thread_.joinable()) return;
  (void)!write(orders_, &kStop, sizeof kStop);
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

uint64_t RuleWatcher::take_orders() {
  uint64_t orders = 0;
  return read(orders_, &orders, sizeof orders) == sizeof orders ? orders : 0;
}

void RuleWatcher::run() {
  std::array<pollfd, 2> files{{{changes_, POLLIN, 0}, {orders_, POLLIN, 0}}};
  for (;;) {
    if (poll(files.data(), files.size(), -1) < 0 && errno != EINTR) return;
    const uint64_t orders = take_orders();
    if (orders >= kStop) return;
    bool changed = take_changes();
    if (orders != 0) {
      watch_all();
      reload_(Cause::requested);
      continue;
    }
    if (!changed) continue;
    for (int round = 0; round < kQuietRounds && poll(files.data(), 1, kQuietMs) > 0; ++round)
      take_changes();
    watch_all();
    reload_(Cause::changed);
  }
}

}  // namespace picket
