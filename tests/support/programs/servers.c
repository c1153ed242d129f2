/* Honest programs that look like reverse shells at first sight.
 *   servers inetd PORT     accepts a connection and gives it to a service, a script, on 0, 1 and 2,
 * as inetd does servers editor PORT    accepts a connection and serves it a shell on a pseudo
 * terminal, as an editor's server does servers language PORT  connects out (a check for updates),
 * then talks to a child on pipes, as an editor does servers client PORT    connects to one of the
 * above, asks for the proof of a shell, fails when it does not come inetd and editor return when
 * they listen and serve one connection in the background. */
#define _GNU_SOURCE
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <sys/wait.h>

#include "loopback.h"

static int accept_one(const char* port) {
  int listener = listen_on(port);
  continue_in_background();
  int peer = accept(listener, NULL, NULL);
  if (peer < 0) give_up("accept");
  close(listener);
  return peer;
}

/* Answers every question until it is told to end. */
static const char kService[] =
    "while read -r asked && [ \"$asked\" != exit ]; do echo " PROOF "; done";

static int inetd(const char* port) {
  int peer = accept_one(port);
  pid_t service = fork();
  if (service == 0) {
    for (int target = 0; target < 3; ++target) dup2(peer, target);
    close(peer);
    execl("/bin/sh", "sh", "-c", kService, (char*)NULL);
    _exit(127);
  }
  close(peer);
  waitpid(service, NULL, 0);
  return 0;
}

static int relay(int from, int to) {
  char bytes[4096];
  ssize_t got = read(from, bytes, sizeof bytes);
  return got > 0 && write(to, bytes, (size_t)got) == got;
}

static int editor(const char* port) {
  int peer = accept_one(port), terminal;
  pid_t shell = forkpty(&terminal, NULL, NULL, NULL);
  if (shell == 0) {
    close(peer);
    execl("/bin/sh", "sh", (char*)NULL);
    _exit(127);
  }
  struct pollfd waiting[2] = {{peer, POLLIN, 0}, {terminal, POLLIN, 0}};
  while (poll(waiting, 2, -1) > 0) {
    if (waiting[0].revents && !relay(peer, terminal)) break;
    if (waiting[1].revents && !relay(terminal, peer)) break;
  }
  waitpid(shell, NULL, 0);
  return 0;
}

static int expect_proof(int in, int out) {
  char text[4096] = "";
  size_t length = 0;
  if (write(out, ASK_FOR_PROOF, sizeof ASK_FOR_PROOF - 1) < 0) give_up("ask");
  while (!strstr(text, PROOF) && length + 1 < sizeof text) {
    ssize_t got = read(in, text + length, sizeof text - length - 1);
    if (got <= 0) return 1;
    text[length += (size_t)got] = '\0';
  }
  if (write(out, "exit\n", 5) != 5) give_up("end the shell");
  while (read(in, text, sizeof text) > 0) continue;
  return 0;
}

static int language(const char* port) {
  int updates = connect_to(port), to[2], from[2];
  if (pipe(to) != 0 || pipe(from) != 0) give_up("pipe");
  pid_t server = fork();
  if (server == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    for (int fd = 3; fd < 16; ++fd) close(fd);
    execl("/bin/sh", "sh", (char*)NULL);
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  int failed = expect_proof(from[0], to[1]);
  waitpid(server, NULL, 0);
  close(updates);
  return failed;
}

static int client(const char* port) {
  int server = connect_to(port);
  return expect_proof(server, server);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (!strcmp(argv[1], "inetd")) return inetd(argv[2]);
  if (!strcmp(argv[1], "editor")) return editor(argv[2]);
  if (!strcmp(argv[1], "language")) return language(argv[2]);
  if (!strcmp(argv[1], "client")) return client(argv[2]);
  return 2;
}
