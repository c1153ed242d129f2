/* relayed_shell HOW PORT: connects to 127.0.0.1:PORT and lets a shell talk there that has no socket
 * of its own. HOW: pipes, socketpair, pty: this program moves the bytes; passed: another one got
 * the connection by SCM_RIGHTS, and moves them; unix: the shell talks to a unix socket that this
 * program accepted; inherited: descriptors 0 and 1 of the shell arrived by SCM_RIGHTS.
 *   client PORT         moves what it reads from its input to the connection and back, as netcat
 *   forward PORT TO     accepts at PORT and relays to TO, as a port forward does; one connection */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "loopback.h"

static int relay(int from, int to) {
  char bytes[4096];
  ssize_t got = read(from, bytes, sizeof bytes);
  return got > 0 && write(to, bytes, (size_t)got) == got;
}

static void pump(int peer, int in, int out) {
  struct pollfd waiting[2] = {{peer, POLLIN, 0}, {out, POLLIN, 0}};
  while (poll(waiting, 2, -1) > 0) {
    if (waiting[1].revents && !relay(out, peer)) break;
    if (waiting[0].revents && !relay(peer, in)) break;
  }
}

static pid_t shell_on(int in, int out) {
  pid_t child = fork();
  if (child != 0) return child;
  dup2(in, 0);
  dup2(out, 1);
  for (int fd = 3; fd < 32; ++fd) close(fd);
  execl("/bin/sh", "sh", (char*)NULL);
  _exit(127);
}

static int through_pipes(int peer) {
  int to[2], from[2];
  if (pipe(to) != 0 || pipe(from) != 0) give_up("pipe");
  pid_t shell = shell_on(to[0], from[1]);
  close(to[0]);
  close(from[1]);
  pump(peer, to[1], from[0]);
  close(to[1]);
  return waitpid(shell, NULL, 0) == shell ? 0 : 1;
}

static int through_sockets(int peer) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) give_up("socketpair");
  pid_t shell = shell_on(pair[1], pair[1]);
  close(pair[1]);
  pump(peer, pair[0], pair[0]);
  return waitpid(shell, NULL, 0) == shell ? 0 : 1;
}

static int through_terminal(int peer) {
  int terminal;
  pid_t shell = forkpty(&terminal, NULL, NULL, NULL);
  if (shell == 0) {
    close(peer);
    execl("/bin/sh", "sh", (char*)NULL);
    _exit(127);
  }
  pump(peer, terminal, terminal);
  close(terminal);
  return waitpid(shell, NULL, 0) == shell ? 0 : 1;
}

/* Room for one descriptor. */
union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

static void pass(int through, int fd) {
  char byte = 'x';
  struct iovec part = {&byte, 1};
  union control control = {.bytes = ""};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(through, &message, 0) != 1) give_up("sendmsg");
}

static int take(int through) {
  char byte;
  struct iovec part = {&byte, 1};
  union control control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  if (recvmsg(through, &message, 0) != 1) give_up("recvmsg");
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

/* The shell's pipes are there before the connection comes to who holds them. */
static int through_passed(const char* port) {
  int pair[2], to[2], from[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) give_up("socketpair");
  pid_t pumping = fork();
  if (pumping == 0) {
    close(pair[0]);
    if (pipe(to) != 0 || pipe(from) != 0) give_up("pipe");
    pid_t shell = shell_on(to[0], from[1]);
    close(to[0]);
    close(from[1]);
    pump(take(pair[1]), to[1], from[0]);
    close(to[1]);
    _exit(waitpid(shell, NULL, 0) == shell ? 0 : 1);
  }
  close(pair[1]);
  int peer = connect_to(port);
  pass(pair[0], peer);
  close(peer);
  return waitpid(pumping, NULL, 0) == pumping ? 0 : 1;
}

static int through_unix(const char* port) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "relayed.%s", port);
  socklen_t length = (socklen_t)(sizeof(sa_family_t) + 1 + strlen(address.sun_path + 1));
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&address, length) != 0) give_up("bind");
  if (listen(listener, 1) != 0) give_up("listen");
  pid_t shell = fork();
  if (shell == 0) {
    close(listener);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr*)&address, length) != 0) give_up("connect");
    for (int target = 0; target < 3; ++target) dup2(fd, target);
    close(fd);
    execl("/bin/sh", "sh", (char*)NULL);
    _exit(127);
  }
  int peer = connect_to(port);
  int accepted = accept(listener, NULL, NULL);
  pump(peer, accepted, accepted);
  close(accepted);
  return waitpid(shell, NULL, 0) == shell ? 0 : 1;
}

/* The two descriptors that are free are the two lowest: what arrives lands there. */
static int inherited(const char* port) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) give_up("socketpair");
  pid_t shell = fork();
  if (shell == 0) {
    close(pair[0]);
    close(0);
    close(1);
    if (take(pair[1]) != 0 || take(pair[1]) != 1) _exit(1);
    close(pair[1]);
    execl("/bin/sh", "sh", (char*)NULL);
    _exit(127);
  }
  int peer = connect_to(port);
  pass(pair[0], peer);
  pass(pair[0], peer);
  close(peer);
  return waitpid(shell, NULL, 0) == shell ? 0 : 1;
}

static int client(const char* port) {
  int peer = connect_to(port);
  struct pollfd waiting[2] = {{peer, POLLIN, 0}, {0, POLLIN, 0}};
  while (poll(waiting, 2, -1) > 0) {
    if (waiting[1].revents && !relay(0, peer)) break;
    if (waiting[0].revents && !relay(peer, 1)) break;
  }
  return 0;
}

static int forward(const char* port, const char* to) {
  int listener = listen_on(port);
  continue_in_background();
  int in = accept(listener, NULL, NULL);
  int out = connect_to(to);
  struct pollfd waiting[2] = {{in, POLLIN, 0}, {out, POLLIN, 0}};
  while (poll(waiting, 2, -1) > 0) {
    if (waiting[0].revents && !relay(in, out)) break;
    if (waiting[1].revents && !relay(out, in)) break;
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 4 && !strcmp(argv[1], "forward")) return forward(argv[2], argv[3]);
  if (argc != 3) return 2;
  if (!strcmp(argv[1], "pipes")) return through_pipes(connect_to(argv[2]));
  if (!strcmp(argv[1], "socketpair")) return through_sockets(connect_to(argv[2]));
  if (!strcmp(argv[1], "pty")) return through_terminal(connect_to(argv[2]));
  if (!strcmp(argv[1], "passed")) return through_passed(argv[2]);
  if (!strcmp(argv[1], "unix")) return through_unix(argv[2]);
  if (!strcmp(argv[1], "inherited")) return inherited(argv[2]);
  if (!strcmp(argv[1], "client")) return client(argv[2]);
  return 2;
}
