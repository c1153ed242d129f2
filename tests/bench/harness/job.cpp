#include "tests/bench/harness/job.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "tests/bench/harness/loops.h"

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
    case Work::names:
      return names(job.count);
    case Work::datagrams:
      return datagrams(job.count);
    case Work::local:
      return local_connections(job.count);
    case Work::standard:
      return standard_input(job.count);
    case Work::ring:
      return ring_requests(job.count);
    case Work::signal:
      return signals(job.count);
    case Work::system:
      return system_calls(job.count);
    case Work::refused:
      return refused_opens(job.count);
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
