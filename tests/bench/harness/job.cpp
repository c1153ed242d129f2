#include "tests/bench/harness/job.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace picket::bench {
namespace {

// Every call made with it fails or is harmless: no descriptor, no pointer, no id has this value.
constexpr long kNothing = -1;

long compat_call(uint32_t call) {
  long result = call;
  asm volatile("int $0x80"
               : "+a"(result)
               : "b"(kNothing), "c"(0L), "d"(0L)
               : "memory", "r8", "r9", "r10", "r11");
  return result;
}

uint64_t now_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t children_cpu_ns() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto ns = [](const timeval& time) {
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000U +
           static_cast<uint64_t>(time.tv_usec) * 1'000U;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

int calls(const Job& job) {
  for (uint64_t i = 0; i < job.count; ++i) syscall(job.call, kNothing, 0, 0);
  return 0;
}

int compat_calls(const Job& job) {
  for (uint64_t i = 0; i < job.count; ++i) compat_call(job.call);
  return 0;
}

int files(uint64_t count) {
  char buffer[1024];
  for (uint64_t i = 0; i < count; ++i) {
    const int file = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, buffer, sizeof buffer) < 0) return errno;
    close(file);
  }
  return 0;
}

int one_connection(int listener, const sockaddr_in& address) {
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0) return errno;
  // Reset on close: a loop of connections leaves none in TIME_WAIT.
  const linger reset{1, 0};
  setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  int error = 0, server = -1;
  if (connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    error = errno;
  } else if ((server = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) < 0) {
    error = errno;
  }
  close(client);
  if (server >= 0) close(server);
  return error;
}

int connections(uint64_t count) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  int error = 0;
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener, 16) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    error = errno;
  }
  for (uint64_t i = 0; i < count && error == 0; ++i) error = one_connection(listener, address);
  if (listener >= 0) close(listener);
  return error;
}

int programs(uint64_t count) {
  char path[] = "/bin/true";
  char* arguments[] = {path, nullptr};
  for (uint64_t i = 0; i < count; ++i) {
    const pid_t pid = fork();
    if (pid < 0) return errno;
    if (pid == 0) {
      execv(path, arguments);
      _exit(127);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) return errno;
    if (status != 0) return ENOEXEC;
  }
  return 0;
}

int do_work(const Job& job) {
  switch (job.work) {
    case Work::call:
      return calls(job);
    case Work::compat:
      return compat_calls(job);
    case Work::files:
      return files(job.count);
    case Work::connect:
      return connections(job.count);
    case Work::exec:
      return programs(job.count);
  }
  return EINVAL;
}

}  // namespace

Cost carry_out(const Job& job) {
  const uint64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) + children_cpu_ns();
  const uint64_t wall = now_ns(CLOCK_MONOTONIC);
  Cost cost;
  cost.error = do_work(job);
  const auto count = static_cast<double>(job.count);
  cost.wall_ns = static_cast<double>(now_ns(CLOCK_MONOTONIC) - wall) / count;
  cost.cpu_ns =
      static_cast<double>(now_ns(CLOCK_PROCESS_CPUTIME_ID) + children_cpu_ns() - cpu) / count;
  return cost;
}

bool compat_calls_exist() {
  constexpr uint32_t kGetpid = 20;
  const pid_t pid = fork();
  if (pid == 0) {
    const rlimit no_core{};
    setrlimit(RLIMIT_CORE, &no_core);
    _exit(compat_call(kGetpid) == getpid() ? 0 : 1);
  }
  int status = 0;
  return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

}  // namespace picket::bench
