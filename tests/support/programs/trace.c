/* trace seize|attach|read|write|take PID|child|parent: takes hold of another process as a debugger
 * does, and lets go of it: by ptrace, by a read or a write of its memory (what was there before),
 * or by a copy of its descriptor 0. child: of one of its own. parent: a copy of this program that
 * has not run another one does it, as sanitizers do. Exits with 0 when it was done. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long writable_place(pid_t pid) {
  char path[32], rights[8], line[512];
  unsigned long from = 0, to;
  snprintf(path, sizeof path, "/proc/%d/maps", pid);
  FILE* maps = fopen(path, "r");
  while (maps && fgets(line, sizeof line, maps))
    if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && rights[1] == 'w') break;
  if (maps) fclose(maps);
  return from;
}

static int trace(const char* how, pid_t pid) {
  if (!strcmp(how, "seize")) return ptrace(PTRACE_SEIZE, pid, 0, 0) != 0;
  if (!strcmp(how, "attach")) {
    if (ptrace(PTRACE_ATTACH, pid, 0, 0)) return 1;
    waitpid(pid, 0, __WALL);
    return ptrace(PTRACE_DETACH, pid, 0, 0) != 0;
  }
  if (!strcmp(how, "take")) {
    int process = syscall(SYS_pidfd_open, pid, 0);
    return syscall(SYS_pidfd_getfd, process, 0, 0) < 0;
  }
  char byte;
  struct iovec own = {&byte, 1}, other = {(void*)writable_place(pid), 1};
  if (process_vm_readv(pid, &own, 1, &other, 1, 0) != 1) return 1;
  if (!strcmp(how, "read")) return 0;
  return process_vm_writev(pid, &own, 1, &other, 1, 0) != 1;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (strcmp(argv[2], "child") && strcmp(argv[2], "parent")) return trace(argv[1], atoi(argv[2]));
  pid_t own = getpid(), child = fork();
  int is_child = child == 0, state = 0;
  if (!strcmp(argv[2], "parent")) {
    if (is_child) _exit(trace(argv[1], own));
    waitpid(child, &state, 0);
    return state != 0;
  }
  if (is_child)
    for (;;) pause();
  int failed = trace(argv[1], child);
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  return failed;
}
