#include "agent/sensor/self_check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/event/event.h"
#include "agent/sensor/scratch_cgroup.h"
#include "agent/sensor/self_check_program.h"

namespace picket {
namespace {

constexpr uint16_t kDiscardPort = 9;
constexpr std::string_view kScratchPrefix = "picket-self-check-";

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// ---- in the child: nothing but system calls, the agent may have threads ----

// The grandchild: a connection of each kind, a socket as standard input, a program.
[[noreturn]] void act(int listener, int program) {
  sockaddr_in peer{};
  socklen_t length = sizeof(peer);
  getsockname(listener, reinterpret_cast<sockaddr*>(&peer), &length);
  const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  (void)connect(tcp, reinterpret_cast<const sockaddr*>(&peer), length);
  const sockaddr_in discard = loopback(kDiscardPort);
  const int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  (void)connect(udp, reinterpret_cast<const sockaddr*>(&discard), sizeof(discard));
  (void)dup2(tcp, STDIN_FILENO);
  char name[] = "picket-self-check";
  char* argv[] = {name, nullptr};
  char* environment[] = {nullptr};
  if (program >= 0) fexecve(program, argv, environment);
  execve("/bin/true", argv, environment);
  _exit(1);
}

[[noreturn]] void enter_and_fork(const char* procs, int listener, int program) {
  const int fd = open(procs, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) _exit(1);
  const pid_t pid = fork();
  if (pid == 0) act(listener, program);
  int status = 1;
  _exit(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1);
}

// ---- in the agent ----

struct Expected {
  pk_type type;
  uint8_t source;  // of PK_CONNECT
  std::string_view event;
  std::string_view words;
  bool seen = false;
};

std::array<Expected, 9> expected_events() {
  return {{{PK_CGROUP_MKDIR, 0, "cgroup_mkdir", "the creation of a cgroup"},
           {PK_CGROUP_RMDIR, 0, "cgroup_rmdir", "the removal of a cgroup"},
           {PK_CGROUP_ATTACH, 0, "cgroup_attach", "a process entering a cgroup"},
           {PK_FORK, 0, "fork", "a fork"},
           {PK_EXEC, 0, "exec", "the start of a program"},
           {PK_EXIT, 0, "exit", "the end of a process"},
           {PK_CONNECT, PK_CONNECT_STATE, "connect", "a TCP connection"},
           {PK_CONNECT, PK_CONNECT_CGROUP, "connect", "a UDP connection"},
           {PK_STDIO, 0, "stdio", "a socket bound to a standard descriptor"}}};
}

// Keeps what the check caused to itself, passes on the rest.
class Filter final : public EventSink {
 public:
  Filter(EventSink& downstream, uint64_t workspace)
      : downstream_(downstream), workspace_(workspace), expected_(expected_events()) {}

  void set_below(uint64_t below) { below_ = below; }

  void on_record(std::span<const std::byte> record) override {
    const std::optional<Event> event = Event::parse(record);
    if (!event || event->header().cgroup_id != workspace_) return downstream_.on_record(record);
    for (Expected& expected : expected_) expected.seen |= answers(*event, expected);
  }

  bool complete() const { return std::ranges::all_of(expected_, &Expected::seen); }
  const auto& expected() const { return expected_; }

 private:
  bool answers(const Event& event, const Expected& expected) const {
    if (event.type() != expected.type) return false;
    if (const pk_connect* connect = event.as<pk_connect>())
      return connect->source == expected.source;
    // The workspace's own record is made in user space; the one below it comes from the kernel.
    if (event.type() == PK_CGROUP_MKDIR) return event.as<pk_cgroup>()->id == below_;
    return true;
  }

  EventSink& downstream_;
  uint64_t workspace_;
  uint64_t below_ = 0;
  std::array<Expected, 9> expected_;
};

FileDescriptor listen_on_loopback() {
  FileDescriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in any_port = loopback(0);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&any_port), sizeof(any_port)) != 0 ||
      listen(listener.get(), 1) != 0)
    return FileDescriptor();
  return listener;
}

// Polls until everything came back or the dead line passed; the child must have ended by then too.
bool wait_for_all(BpfSensor& sensor, Filter& filter, pid_t child,
                  std::chrono::milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  bool running = true;
  int status = 1;
  while ((running || !filter.complete()) && std::chrono::steady_clock::now() < end) {
    if (!sensor.poll(filter, std::chrono::milliseconds(20)).ok()) break;
    if (running && waitpid(child, &status, WNOHANG) == child) running = false;
  }
  if (running) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  }
  return status == 0;
}

SelfCheckResult report(BpfSensor& sensor, const Filter& filter, bool acted) {
  SelfCheckResult result;
  if (!acted)
    result.missing.push_back("the self check could not cause its events: its child failed");
  const std::vector<CoverageLine> lines = sensor.coverage().lines;
  for (const Expected& expected : filter.expected()) {
    if (expected.seen) continue;
    // A hook that was refused says so in its own line: only silence of an attached one is news.
    const bool attached = std::ranges::any_of(lines, [&](const CoverageLine& line) {
      return line.event == expected.event && line.state == CoverageLine::State::attached;
    });
    if (!attached) continue;
    const std::string words = fmt::format("{} was caused and did not come back", expected.words);
    sensor.mark_failing(expected.event, "self check: " + words);
    result.missing.push_back(words);
  }
  return result;
}

}  // namespace

SelfCheckResult self_check(BpfSensor& sensor, EventSink& downstream,
                           std::chrono::milliseconds deadline) {
  const ScratchCgroup scratch(sensor.cgroups(), kScratchPrefix);
  if (!scratch.id())
    return {{fmt::format("the self check could not make a cgroup: {}", scratch.why())}};
  if (absl::Status status = sensor.watch(scratch.id()); !status.ok())
    return {
        {fmt::format("the self check's cgroup is not watched: {}", std::string(status.message()))}};

  // Those that run already are told by the walk of the first poll: it would find the child of this
  // check between its move and the hook that tells of the move, which is silent about it then.
  Filter filter(downstream, scratch.id());
  if (!sensor.poll(filter, std::chrono::milliseconds(0)).ok())
    return {{"the self check could not read the ring"}};

  const std::string below = scratch.directory() + "/below";
  struct stat info {};
  const bool made = mkdir(below.c_str(), 0755) == 0 && stat(below.c_str(), &info) == 0;
  rmdir(below.c_str());
  filter.set_below(made ? info.st_ino : 0);

  const FileDescriptor listener = listen_on_loopback();
  const FileDescriptor program = smallest_program();
  const std::string procs = scratch.directory() + "/cgroup.procs";
  const pid_t child = fork();
  if (child == 0) enter_and_fork(procs.c_str(), listener.get(), program.get());
  const bool acted = child > 0 && wait_for_all(sensor, filter, child, deadline);
  sensor.unwatch(scratch.id());
  return report(sensor, filter, acted);
}

}  // namespace picket
