/* TCP on 127.0.0.1 and the few lines that a proof exchanges: shared by the programs of the tests.
 */
#ifndef PICKET_TEST_LOOPBACK_H
#define PICKET_TEST_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a shell is asked to print, and how it looks when a shell (and not an echo) printed it. */
#define ASK_FOR_PROOF "echo picket-$((40 + 2))-proof\n"
#define PROOF "picket-42-proof"

__attribute__((noreturn)) static inline void give_up(const char* attempted) {
  perror(attempted);
  exit(1);
}

static inline int tcp_socket(struct sockaddr_in* address, const char* port) {
  *address = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) give_up("socket");
  return fd;
}

static inline int connect_to(const char* port) {
  struct sockaddr_in address;
  int fd = tcp_socket(&address, port);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) give_up("connect");
  return fd;
}

static inline int listen_on(const char* port) {
  struct sockaddr_in address;
  int fd = tcp_socket(&address, port), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0) give_up("bind");
  if (listen(fd, 16) != 0) give_up("listen");
  return fd;
}

/* Ends the starter with success: whoever waits for it knows that its child is ready. */
static inline void continue_in_background(void) {
  pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child > 0) _exit(0);
  setsid();
}

#endif
