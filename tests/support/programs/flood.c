/* flood MILLISECONDS: makes as many events as this machine can, each kind in a process of its own:
 * programs run, files opened, connections to 127.0.0.1 that nobody takes. Ends by itself. Writes
 * how many to /tmp/flood, one line a kind, and "begun" to /tmp/flood.begun first. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "loopback.h"

static struct timespec end;

static int over(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec);
}

static void run_one(void) {
  pid_t pid = fork();
  if (pid == 0) {
    execl("/proc/self/exe", "flood", (char*)NULL);
    _exit(127);
  }
  if (pid < 0 || waitpid(pid, NULL, 0) != pid) give_up("fork");
}

static void open_one(void) {
  int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  if (file < 0) give_up("open");
  close(file);
}

static void connect_one(void) {
  struct sockaddr_in address;
  int fd = tcp_socket(&address, "9");
  connect(fd, (struct sockaddr*)&address, sizeof address);
  close(fd);
}

static void note(const char* path, const char* text) {
  int file = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0 || write(file, text, strlen(text)) < 0) give_up(path);
  close(file);
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*make)(void);
  } kinds[] = {{"exec", run_one}, {"open", open_one}, {"connect", connect_one}};
  if (argc == 1) return 0; /* one of the flood */
  if (argc != 2) return 2;
  long ms = atol(argv[1]);
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_nsec += ms % 1000 * 1000000;
  end.tv_sec += ms / 1000 + end.tv_nsec / 1000000000;
  end.tv_nsec %= 1000000000;
  for (int i = 0; i < 3; ++i) {
    if (fork() != 0) continue;
    char line[64];
    unsigned long count = 0;
    for (; !over(); ++count) kinds[i].make();
    snprintf(line, sizeof line, "%s %lu\n", kinds[i].name, count);
    note("/tmp/flood", line);
    return 0;
  }
  note("/tmp/flood.begun", "begun\n");
  int failed = 0;
  for (int state, i = 0; i < 3; ++i) failed |= wait(&state) < 0 || state != 0;
  return failed;
}
