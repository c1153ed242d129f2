/* Who connects to whom, inside network namespaces of the tests.
 *   contact tcp|udp ADDRESS PORT [TEXT]  connects (IPv4 or IPv6) and sends TEXT; \n stands for
 *                                        itself. Whether somebody is there does not matter.
 *   contact serve ADDRESS PORT           accepts and reads; returns when it listens
 *   contact unix-serve PATH              the same of a unix socket
 *   contact unix PATH                    connects there
 *   contact upload ADDRESS PORT BYTES write|sendfile|splice
 *                                        sends so many, that way; ends when they have arrived
 *   contact shell COMMAND                runs it as its child
 *   contact compute SECONDS              never rests
 *   contact mine SECONDS ADDRESS PORT    the same beside a connection on which little moves */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/un.h>
#include <time.h>

#include "loopback.h"

static int open_socket(const char* how, const char* address, const char* port, int serves) {
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                           .ai_socktype = strcmp(how, "udp") ? SOCK_STREAM : SOCK_DGRAM};
  struct addrinfo* at;
  if (getaddrinfo(address, port, &hints, &at) != 0) exit(2);
  int fd = socket(at->ai_family, at->ai_socktype, 0), on = 1;
  if (fd < 0) give_up("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (serves) {
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, 16) != 0) give_up("listen");
    return fd;
  }
  return connect(fd, at->ai_addr, at->ai_addrlen) == 0 ? fd : -1;
}

static int open_unix(const char* path, int serves) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) give_up("socket");
  if (serves) {
    if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0 || listen(fd, 16) != 0)
      give_up("listen");
    return fd;
  }
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) give_up("connect");
  return fd;
}

static int serve(int listener) {
  continue_in_background();
  for (;;) {
    char bytes[4096];
    int peer = accept(listener, NULL, NULL);
    if (peer < 0) return 1;
    if (fork() == 0) {
      while (read(peer, bytes, sizeof bytes) > 0) continue;
      _exit(0);
    }
    close(peer);
  }
}

static void send_text(int fd, const char* text) {
  char bytes[2048];
  size_t length = 0;
  for (; *text && length < sizeof bytes; ++text) {
    int newline = text[0] == '\\' && text[1] == 'n';
    bytes[length++] = newline ? '\n' : *text;
    text += newline;
  }
  if (write(fd, bytes, length) < 0) give_up("write");
}

static void must(int holds, const char* what) {
  if (!holds) give_up(what);
}

/* From a file in memory, so that no descriptor of a disk's file is needed. */
static int upload(int fd, long bytes, const char* how) {
  static const char zeros[65536];
  int file = memfd_create("upload", 0), ends[2];
  must(file >= 0 && ftruncate(file, bytes) == 0 && pipe(ends) == 0, "memfd");
  for (long left = bytes, sent; left > 0; left -= sent) {
    size_t part = left < (long)sizeof zeros ? (size_t)left : sizeof zeros;
    if (!strcmp(how, "sendfile")) {
      sent = sendfile(fd, file, NULL, part);
    } else if (!strcmp(how, "splice")) {
      ssize_t held = splice(file, NULL, ends[1], NULL, part, 0);
      must(held > 0, "splice");
      for (sent = 0; sent < held;) {
        ssize_t moved = splice(ends[0], NULL, fd, NULL, (size_t)(held - sent), 0);
        must(moved > 0, "splice");
        sent += moved;
      }
    } else {
      sent = write(fd, zeros, part);
    }
    must(sent > 0, how);
  }
  char byte;
  shutdown(fd, SHUT_WR);
  while (read(fd, &byte, 1) > 0) continue;
  return 0;
}

static int compute(int seconds, int fd) {
  volatile double x = 1;
  time_t end = time(NULL) + seconds, told = 0;
  while (time(NULL) < end) {
    for (int i = 0; i < 20000000; ++i) x = x * 1.0000001 + 0.1;
    if (fd >= 0 && time(NULL) != told && write(fd, "share\n", 6) < 0) give_up("write");
    told = time(NULL);
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  if (!strcmp(argv[1], "unix-serve")) return serve(open_unix(argv[2], 1));
  if (!strcmp(argv[1], "unix")) return open_unix(argv[2], 0) < 0;
  if (!strcmp(argv[1], "shell")) return system(argv[2]) != 0;
  if (!strcmp(argv[1], "compute")) return compute(atoi(argv[2]), -1);
  if (argc < 4) return 2;
  if (!strcmp(argv[1], "serve")) return serve(open_socket("tcp", argv[2], argv[3], 1));
  if (!strcmp(argv[1], "mine") && argc == 5)
    return compute(atoi(argv[2]), open_socket("tcp", argv[3], argv[4], 0));
  if (!strcmp(argv[1], "upload")) {
    if (argc < 6) return 2;
    int to = open_socket("tcp", argv[2], argv[3], 0);
    return to < 0 ? 1 : upload(to, atol(argv[4]), argv[5]);
  }
  int fd = open_socket(argv[1], argv[2], argv[3], 0);
  if (fd >= 0 && argc == 5) send_text(fd, argv[4]);
  return 0;
}
