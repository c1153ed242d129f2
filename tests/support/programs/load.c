/* Processes one after the other, each with a number and the time in which it ran.
 *   load FOLDER COUNT PAUSE_US     COUNT processes, "load load-1" to "load load-COUNT", that do
 * nothing; stops early when FOLDER/stop exists. FOLDER/times gets a pair of UTC nanoseconds for
 * each (8 bytes each, host order): before its fork and after its end. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int run_one(int number) {
  char name[32];
  snprintf(name, sizeof name, "load-%d", number);
  pid_t pid = fork();
  if (pid == 0) {
    execl("/proc/self/exe", "load", name, (char*)NULL);
    _exit(127);
  }
  int state = -1;
  return pid > 0 && waitpid(pid, &state, 0) == pid && state == 0;
}

int main(int argc, char** argv) {
  if (argc == 2) return 0; /* one of the load */
  if (argc != 4) return 2;
  mkdir(argv[1], 0755);
  if (chdir(argv[1]) != 0) return 1;
  int times = open("times", O_CREAT | O_WRONLY | O_TRUNC, 0644);
  int count = atoi(argv[2]), pause_us = atoi(argv[3]);
  struct timespec pause = {pause_us / 1000000, pause_us % 1000000 * 1000L};
  for (int number = 1; number <= count && access("stop", F_OK) != 0; ++number) {
    uint64_t ran[2] = {now_ns(), 0};
    if (!run_one(number)) return 1;
    ran[1] = now_ns();
    if (write(times, ran, sizeof ran) != sizeof ran) return 1;
    if (pause_us > 0) nanosleep(&pause, NULL);
  }
  return 0;
}
