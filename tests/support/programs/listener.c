/* listener FIRST COUNT [COMMAND]: the far end of reverse shells. Listens on COUNT ports of
 * 127.0.0.1 from FIRST on and returns when it does, going on in the background. Asks whoever
 * connects for the proof of a shell, writes what came to /tmp/received.PORT, has it run COMMAND,
 * and only then ends the shell: when the shell is gone, the file is there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "loopback.h"

enum { PORTS = 64 };

static void keep(int port, const char* text) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/received.%d", port);
  int file = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0 || write(file, text, strlen(text)) < 0) give_up(path);
  close(file);
}

static void talk(int peer, int port, const char* command) {
  char text[4096] = "";
  size_t length = 0;
  if (write(peer, ASK_FOR_PROOF, sizeof ASK_FOR_PROOF - 1) < 0) return;
  while (!strstr(text, PROOF) && length + 1 < sizeof text) {
    ssize_t got = read(peer, text + length, sizeof text - length - 1);
    if (got <= 0) break;
    text[length += (size_t)got] = '\0';
  }
  keep(port, text);
  if (command && dprintf(peer, "%s\n", command) < 0) return;
  if (write(peer, "exit\n", 5) == 5)
    while (read(peer, text, sizeof text) > 0) continue;
}

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) return 2;
  int first = atoi(argv[1]), count = atoi(argv[2]);
  if (count < 1 || count > PORTS) return 2;
  struct pollfd waiting[PORTS];
  for (int i = 0; i < count; ++i) {
    char port[8];
    snprintf(port, sizeof port, "%d", first + i);
    waiting[i] = (struct pollfd){listen_on(port), POLLIN, 0};
  }
  continue_in_background();
  while (poll(waiting, (nfds_t)count, -1) > 0)
    for (int i = 0; i < count; ++i) {
      if (!waiting[i].revents) continue;
      int peer = accept4(waiting[i].fd, NULL, NULL, SOCK_CLOEXEC);
      if (peer < 0) continue;
      if (fork() == 0) {
        talk(peer, first + i, argc == 4 ? argv[3] : NULL);
        _exit(0);
      }
      close(peer);
    }
  return 1;
}
