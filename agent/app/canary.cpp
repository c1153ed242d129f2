#include "agent/app/canary.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/app/version.h"
#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/cgroup_path.h"
#include "agent/sensor/self_check_program.h"

namespace picket {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kPrefix = "picket-canary-";
constexpr char kName[] = "picket-canary";

// In the child, in the agent's memory: nothing but system calls.
[[noreturn]] void enter_and_exec(const char* procs, int program, char* const* argv) {
  char* environment[] = {nullptr};
  const int fd = open(procs, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write(fd, "0", 1) == 1) {
    fexecve(program, argv, environment);
    execve("/bin/true", argv, environment);
  }
  _exit(1);
}

// Empty: it is who it should be, and everything about it is known.
std::string lacking(const Observation& observation, const std::string& word) {
  const Process& process = observation.process;
  const Workspace& workspace = observation.workspace;
  if (!workspace.resolved || workspace.id.empty() || workspace.image.empty())
    return "its workspace's identity";
  if (process.key.start_ns == 0 || process.exe.view().empty()) return "its process's identity";
  if (process.cmdline() != fmt::format("{} {}", kName, word)) return "its command line";
  if (process.parent_key.pid == 0) return "its parent";
  return {};
}

}  // namespace

void SightChange::on_outcome(std::string why, uint64_t sent_ns) {
  Sight now{.sees = why.empty(), .why = std::move(why), .since_ns = sent_ns, .seen_ns = 0};
  now.seen_ns = now.sees ? sent_ns : last_ ? last_->seen_ns : 0;
  const bool is_news = !last_ || last_->sees != now.sees;
  if (!is_news) now.since_ns = last_->since_ns;
  if (is_news) tell_(now, last_);
  last_ = std::move(now);
}

class Canary::Watch final : public Detector {
 public:
  explicit Watch(Canary& canary) : canary_(canary) {}
  std::span<const pk_type> wants() const override { return kWanted; }
  void on_event(const Observation& observation, FindingSink&) override {
    if (observation.event.header().cgroup_id == canary_.cgroup_id_.load(std::memory_order_acquire))
      canary_.on_exec(observation);
  }

 private:
  static constexpr std::array<pk_type, 1> kWanted{PK_EXEC};
  Canary& canary_;
};

class Canary::Names final : public Resolver {
 public:
  Names(const Canary& canary, std::unique_ptr<Resolver> others)
      : canary_(canary), others_(std::move(others)) {}
  absl::StatusOr<Workspace> resolve(const CgroupRef& cgroup) override {
    if (!canary_.owns(cgroup.path)) return others_->resolve(cgroup);
    Workspace workspace;
    workspace.id = workspace.name = fmt::format("canary-{}", cgroup.id);
    workspace.cgroup = cgroup.path;
    workspace.image = fmt::format("picketd {}", kVersion);
    workspace.image_source = "none";
    workspace.runtime = "picketd";
    return workspace;
  }

 private:
  const Canary& canary_;
  const std::unique_ptr<Resolver> others_;
};

Canary::Canary(const CgroupTree& tree, const Clock& clock, SightChange::Tell tell,
               CanaryTimes times)
    : root_(tree, kPrefix), clock_(clock), change_(std::move(tell)), times_(times) {}

Canary::~Canary() { stop(); }

std::string Canary::usual_root() {
  const auto mount = find_cgroup2();
  return scratch_path(CgroupTree(mount.ok() ? *mount : "/sys/fs/cgroup"), kPrefix);
}

bool Canary::owns(std::string_view cgroup) const {
  return cgroup.size() > root_.path().size() && is_below(cgroup, root_.path());
}

std::unique_ptr<Detector> Canary::detector() { return std::make_unique<Watch>(*this); }

std::unique_ptr<Resolver> Canary::resolver(std::unique_ptr<Resolver> others) {
  return std::make_unique<Names>(*this, std::move(others));
}

void Canary::start() {
  thread_ = std::thread([this] { run(); });
}

void Canary::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Canary::run() {
  uint64_t last_ns = clock_.boot_ns();
  for (uint64_t number = 1;; ++number) {
    const uint64_t sent_ns = clock_.boot_ns();
    if (const auto idle = std::chrono::nanoseconds(sent_ns - last_ns);
        idle > times_.interval + times_.patience) {
      change_.on_outcome(fmt::format("the agent itself did not run for {} s",
                                     std::chrono::floor<std::chrono::seconds>(idle).count()),
                         last_ns);
    }
    last_ns = sent_ns;
    const auto next = SteadyClock::now() + times_.interval;
    std::string why =
        root_.id() == 0
            ? fmt::format("no cgroup could be made for a canary: {}", root_.why())
            : send(fmt::format("{}/{}", root_.directory(), number), std::to_string(number));
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    lock.unlock();
    change_.on_outcome(std::move(why), sent_ns);
    lock.lock();
    if (changed_.wait_until(lock, next, [this] { return stopping_; })) return;
  }
}

// Returns what was missing.
std::string Canary::send(const std::string& cgroup, const std::string& word) {
  const auto until = SteadyClock::now() + times_.patience;
  struct stat info {};
  if (mkdir(cgroup.c_str(), 0755) != 0 || stat(cgroup.c_str(), &info) != 0)
    return fmt::format("make cgroup {} for a canary: {}", cgroup, strerror(errno));
  {
    const std::lock_guard lock(mutex_);
    came_ = false;
    word_ = word;
    lacking_.clear();
  }
  cgroup_id_.store(info.st_ino, std::memory_order_release);

  const FileDescriptor program = smallest_program();
  const std::string procs = cgroup + "/cgroup.procs";
  char name[sizeof(kName)];
  std::memcpy(name, kName, sizeof(name));
  std::string argument = word;
  char* const argv[] = {name, argument.data(), nullptr};
  // A fork would copy the page tables of the whole agent, which then faults on each page. No signal
  // has a handler in the agent that the child could run.
  const pid_t child = vfork();
  if (child == 0) enter_and_exec(procs.c_str(), program.get(), argv);
  std::string why = child > 0 ? wait(until) : fmt::format("start a canary: {}", strerror(errno));
  cgroup_id_.store(0, std::memory_order_release);
  int status = 0;
  if (child > 0) {
    kill(child, SIGKILL);  // it has long ended, unless something holds it
    waitpid(child, &status, 0);
  }
  remove_cgroup(cgroup);
  return why;
}

std::string Canary::wait(SteadyClock::time_point until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [this] { return stopping_ || came_; });
  if (came_ && !lacking_.empty()) return fmt::format("a canary came back without {}", lacking_);
  if (came_ || stopping_) return {};
  return fmt::format(
      "the start of a process in a cgroup of the agent's own did not come back in {} ms",
      times_.patience.count());
}

void Canary::on_exec(const Observation& observation) {
  {
    const std::lock_guard lock(mutex_);
    lacking_ = lacking(observation, word_);
    came_ = true;
  }
  changed_.notify_all();
}

}  // namespace picket
