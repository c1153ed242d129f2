/* PID 1 of a test's container: starts what the test asks for over standard input and tells on
 * standard output when it started and ended. Ends, and with it the whole container, when the test
 * closes the pipe or dies.
 *
 * Order:  uint32 length, then the words of a command line, each ended by NUL.
 * Answer: "started JOB PID\n" and "ended JOB STATUS\n", jobs counted from 1. Output goes to
 * /run/jobs/JOB.out.
 * A job that was started waits for a uint32 0 before its first instruction: it might else be over
 * before the test has found out which process of the machine it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS = 4096, ORDER_BYTES = 65536, WORDS = 256 };

static pid_t job_pid[JOBS];
static int last_job;

static int read_fully(void* bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t got = read(STDIN_FILENO, (char*)bytes + done, length - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return 0;
    done += (size_t)got;
  }
  return 1;
}

static void run(char* words, size_t length, int job, const int gate[2]) {
  char none_comes;
  close(gate[1]);
  if (read(gate[0], &none_comes, 1) != 0) _exit(127);

  char* argv[WORDS + 1];
  int count = 0;
  for (size_t at = 0; at < length && count < WORDS; at += strlen(words + at) + 1)
    argv[count++] = words + at;
  argv[count] = NULL;

  char path[64];
  snprintf(path, sizeof path, "/run/jobs/%d.out", job);
  int null = open("/dev/null", O_RDONLY);
  int out = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_APPEND, 0644);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  close(null);
  close(out);
  execvp(argv[0], argv);
  perror(argv[0]);
  _exit(127);
}

static void take_order(void) {
  static char words[ORDER_BYTES];
  uint32_t length;
  if (!read_fully(&length, sizeof length) || length == 0 || length > sizeof words ||
      !read_fully(words, length) || words[length - 1] != '\0' || last_job + 1 >= JOBS)
    _exit(0);
  int job = ++last_job, gate[2];
  if (pipe2(gate, O_CLOEXEC) != 0) _exit(0);
  pid_t pid = fork();
  if (pid == 0) run(words, length, job, gate);
  job_pid[job] = pid;
  printf("started %d %d\n", job, (int)pid);
  if (!read_fully(&length, sizeof length) || length != 0) _exit(0);
  close(gate[0]);
  close(gate[1]);
}

static void reap(void) {
  int state;
  for (pid_t pid; (pid = waitpid(-1, &state, WNOHANG)) > 0;)
    for (int job = 1; job <= last_job; ++job)
      if (job_pid[job] == pid) {
        printf("ended %d %d\n", job, WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state));
        job_pid[job] = 0;
      }
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  mkdir("/run/jobs", 0755);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  struct pollfd waiting[2] = {{STDIN_FILENO, POLLIN, 0},
                              {signalfd(-1, &children, SFD_CLOEXEC), POLLIN, 0}};
  for (;;) {
    if (poll(waiting, 2, -1) < 0) continue;
    if (waiting[1].revents) {
      struct signalfd_siginfo signal;
      if (read(waiting[1].fd, &signal, sizeof signal) == sizeof signal) reap();
    }
    if (waiting[0].revents) take_order();
  }
}
