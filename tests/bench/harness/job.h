// What a worker does on request, and what it cost. Plain data that crosses a socket between two
// processes of one program.
#pragma once

#include <cstdint>

namespace picket::bench {

enum class Work : uint32_t {
  call,       // a system call with arguments that no kernel accepts
  compat,     // the same through int 0x80
  files,      // open, read, close of one small file
  connect,    // connect, accept, close on 127.0.0.1
  exec,       // fork, exec of /bin/true, wait
  names,      // mkdir, rename, rmdir in a folder of its own
  datagrams,  // sendto and recv on 127.0.0.1, of a socket that is not connected
  local,      // connect, accept, close of a unix socket
  standard,   // dup2 of a file to standard input
  ring,       // a request of an io_uring that does nothing
  signal,     // kill of itself by a signal that it ignores
  system,     // unshare of nothing
  refused,    // open for writing of what does not exist, under a name of 60 bytes
};

struct Job {
  Work work = Work::call;
  uint32_t call = 0;  // number of the system call: call and compat only
  uint64_t count = 0;
};

struct Cost {
  double cpu_ns = 0;  // of the worker and the children it waited for, per operation
  double wall_ns = 0;
  int error = 0;  // errno of the first failure; the rest is then meaningless
};

// Runs in the calling process.
Cost carry_out(const Job& job);

// False where the kernel has 32-bit calls switched off (ia32_emulation=off): then int 0x80 is a
// fault.
bool compat_calls_exist();

}  // namespace picket::bench
