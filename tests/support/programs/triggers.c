/* What no tool of the image does, each harmless where it is called.
 *   triggers as UID COMMAND...     becomes that user, without rights, and then the command
 *   triggers terminal COMMAND...   the command on a terminal of its own
 *   triggers talk ADDRESS PORT     listens there, connects to itself and accepts, by TCP
 *   triggers udp ADDRESS PORT      sends a byte
 *   triggers create PATH           a new file that everybody may run, emptied if it is there
 *   triggers memory                becomes a copy of this program that is in no file, and ends
 *   triggers call NAME             packet, inet: a socket; module: loads none (descriptor -1);
 * attach: to a child; traceme; setns: where it is already; unshare: nothing; setuid: 0; faults;
 * program: of no instruction, which the kernel refuses; map Under another name and with other
 * arguments it does nothing. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/userfaultfd.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "loopback.h"

static int as(uid_t uid, char** command) {
  if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) give_up("become a user");
  execvp(command[0], command);
  give_up(command[0]);
}

static int terminal(char** command) {
  int own, status = 1;
  char block[256];
  pid_t child = forkpty(&own, NULL, NULL, NULL);
  if (child < 0) give_up("forkpty");
  if (child == 0) {
    execvp(command[0], command);
    give_up(command[0]);
  }
  while (read(own, block, sizeof block) > 0) continue;
  return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

static struct sockaddr_in place(const char* address, const char* port) {
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, address, &place.sin_addr) != 1) exit(2);
  return place;
}

static int talk(const char* address, const char* port) {
  struct sockaddr_in there = place(address, port);
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr*)&there, sizeof there) != 0 || listen(listener, 1) != 0)
    give_up("listen");
  int caller = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(caller, (struct sockaddr*)&there, sizeof there) != 0) give_up("connect");
  return accept(listener, NULL, NULL) >= 0 ? 0 : 1;
}

static int udp(const char* address, const char* port) {
  struct sockaddr_in there = place(address, port);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (connect(fd, (struct sockaddr*)&there, sizeof there) != 0) give_up("connect");
  return write(fd, "x", 1) == 1 ? 0 : 1;
}

static int memory(void) {
  char* const nothing[] = {"in-memory", NULL};
  int from = open("/proc/self/exe", O_RDONLY), to = memfd_create("proof", MFD_CLOEXEC);
  char block[4096];
  for (ssize_t got; (got = read(from, block, sizeof block)) > 0;)
    if (write(to, block, (size_t)got) != got) give_up("write");
  fexecve(to, nothing, environ);
  give_up("fexecve");
}

static int attach(void) {
  pid_t child = fork();
  if (child == 0) pause();
  long done = ptrace(PTRACE_ATTACH, child, 0, 0);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return done == 0 ? 0 : 1;
}

/* What the kernel answers does not matter: it was asked. */
static int call(const char* name) {
  union bpf_attr nothing;
  memset(&nothing, 0, sizeof nothing);
  if (strcmp(name, "attach") == 0) return attach();
  if (strcmp(name, "packet") == 0) (void)socket(AF_PACKET, SOCK_RAW, 0);
  if (strcmp(name, "inet") == 0) (void)socket(AF_INET, SOCK_STREAM, 0);
  if (strcmp(name, "module") == 0) syscall(SYS_finit_module, -1, "", 0);
  if (strcmp(name, "traceme") == 0) ptrace(PTRACE_TRACEME, 0, 0, 0);
  if (strcmp(name, "setns") == 0) (void)!setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWUTS);
  if (strcmp(name, "unshare") == 0) (void)!unshare(0);
  if (strcmp(name, "setuid") == 0) (void)!setuid(0);
  if (strcmp(name, "faults") == 0) syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  if (strcmp(name, "program") == 0) syscall(SYS_bpf, BPF_PROG_LOAD, &nothing, sizeof nothing);
  if (strcmp(name, "map") == 0) syscall(SYS_bpf, BPF_MAP_CREATE, &nothing, sizeof nothing);
  return 0;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (argc > 3 && strcmp(what, "as") == 0) return as((uid_t)atol(argv[2]), argv + 3);
  if (argc > 2 && strcmp(what, "terminal") == 0) return terminal(argv + 2);
  if (argc == 4 && strcmp(what, "talk") == 0) return talk(argv[2], argv[3]);
  if (argc == 4 && strcmp(what, "udp") == 0) return udp(argv[2], argv[3]);
  if (argc == 3 && strcmp(what, "create") == 0)
    return open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0755) >= 0 ? 0 : 1;
  if (argc == 2 && strcmp(what, "memory") == 0) return memory();
  if (argc == 3 && strcmp(what, "call") == 0) return call(argv[2]);
  return 0;
}
