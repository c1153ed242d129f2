/* Processes in known shapes.
 *   processes workers COUNT PORT        forks COUNT workers that never exec; the last one connects
 * to 127.0.0.1:PORT processes tree LEVELS WIDTH PORT    a tree in which every second process has
 * exec'd; returns when all of it runs. Each process connects to 127.0.0.1:PORT on SIGUSR1, and
 * lives on processes ticker FILE               counts in FILE (8 bytes, host order), about 100
 * times a second, for ever processes family COUNT PORT         COUNT children, each with a child of
 * its own; then connects to 127.0.0.1:PORT (0: does not) and lives on with all of them
 *   processes daemons PORT               a daemon that becomes its own child without end, a minute
 * at most; then connects to 127.0.0.1:PORT and lives on
 *   processes openat2 FOLDER PATH HOW    opens PATH for reading, beneath FOLDER or with FOLDER as
 * its root */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "loopback.h"

static int workers(int count, const char* port) {
  for (int i = 1; i <= count; ++i) {
    pid_t worker = fork();
    if (worker < 0) give_up("fork");
    if (worker > 0) continue;
    if (i < count) pause();
    close(connect_to(port));
    _exit(0);
  }
  wait(NULL); /* only the last one ends by itself */
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  while (wait(NULL) > 0) continue;
  return 0;
}

static void block_usr1(sigset_t* usr1) {
  sigemptyset(usr1);
  sigaddset(usr1, SIGUSR1);
  sigprocmask(SIG_BLOCK, usr1, NULL);
}

/* `ready` is a pipe: one byte from every process of the tree. */
__attribute__((noreturn)) static void node(int levels, int width, const char* port, int ready) {
  sigset_t usr1;
  block_usr1(&usr1);
  for (int i = 0; levels > 0 && i < width; ++i) {
    pid_t child = fork();
    if (child < 0) give_up("fork");
    if (child > 0) continue;
    if (i % 2) {
      char levels_text[12], width_text[12], ready_text[12];
      snprintf(levels_text, sizeof levels_text, "%d", levels - 1);
      snprintf(width_text, sizeof width_text, "%d", width);
      snprintf(ready_text, sizeof ready_text, "%d", ready);
      execl("/proc/self/exe", "processes", "node", levels_text, width_text, port, ready_text,
            (char*)NULL);
      _exit(127);
    }
    node(levels - 1, width, port, ready);
  }
  if (write(ready, "", 1) != 1) give_up("tell that I run");
  close(ready);
  for (int signal;;)
    if (sigwait(&usr1, &signal) == 0) close(connect_to(port));
}

static int tree(int levels, int width, const char* port) {
  int ready[2], expected = 0;
  if (pipe(ready) != 0) give_up("pipe");
  for (int level = 0, row = 1; level <= levels; ++level, row *= width) expected += row;
  pid_t root = fork();
  if (root == 0) {
    close(ready[0]);
    node(levels, width, port, ready[1]);
  }
  close(ready[1]);
  char byte;
  while (expected > 0 && read(ready[0], &byte, 1) == 1) --expected;
  return expected != 0;
}

static int ticker(const char* path) {
  int file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
  if (file < 0 || ftruncate(file, sizeof(uint64_t)) != 0) give_up(path);
  struct timespec pause = {0, 10000000};
  for (uint64_t count = 1;; ++count) {
    if (pwrite(file, &count, sizeof count, 0) != sizeof count) give_up(path);
    nanosleep(&pause, NULL);
  }
}

__attribute__((noreturn)) static void live_on(void) {
  for (;;) pause();
}

static int family(int count, const char* port) {
  int ready[2];
  if (pipe(ready) != 0) give_up("pipe");
  for (int i = 0; i < count; ++i) {
    if (fork() > 0) continue;
    pid_t grandchild = fork();
    if (grandchild < 0 || write(ready[1], "", 1) != 1) give_up("fork");
    live_on();
  }
  char byte;
  for (int i = 0; i < 2 * count; ++i)
    if (read(ready[0], &byte, 1) != 1) give_up("wait for the family");
  if (strcmp(port, "0") != 0) close(connect_to(port));
  live_on();
}

__attribute__((noreturn)) static void change_for_ever(void) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (now = start; now.tv_sec < start.tv_sec + 60; clock_gettime(CLOCK_MONOTONIC, &now)) {
    if (fork() > 0) break;
    setsid();
  }
  _exit(0);
}

static int daemons(const char* port) {
  pid_t first = fork();
  if (first < 0) give_up("fork");
  if (first == 0) change_for_ever();
  waitpid(first, NULL, 0);
  close(connect_to(port));
  live_on();
}

static int open_below(const char* directory, const char* path, const char* how) {
  struct open_how rules = {.flags = O_RDONLY};
  rules.resolve = strcmp(how, "root") == 0 ? RESOLVE_IN_ROOT : RESOLVE_BENEATH;
  int start = open(directory, O_PATH | O_DIRECTORY);
  return syscall(SYS_openat2, start, path, &rules, sizeof rules) < 0;
}

int main(int argc, char** argv) {
  const char* what = argc > 2 ? argv[1] : "";
  if (!strcmp(what, "workers") && argc == 4) return workers(atoi(argv[2]), argv[3]);
  if (!strcmp(what, "tree") && argc == 5) return tree(atoi(argv[2]), atoi(argv[3]), argv[4]);
  if (!strcmp(what, "node") && argc == 6)
    node(atoi(argv[2]), atoi(argv[3]), argv[4], atoi(argv[5]));
  if (!strcmp(what, "ticker")) return ticker(argv[2]);
  if (!strcmp(what, "family") && argc == 4) return family(atoi(argv[2]), argv[3]);
  if (!strcmp(what, "daemons") && argc == 3) return daemons(argv[2]);
  if (!strcmp(what, "openat2") && argc == 5) return open_below(argv[2], argv[3], argv[4]);
  return 2;
}
