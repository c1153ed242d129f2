/* Through an io_uring and without a system call for any of it: opens /etc/passwd as a descriptor,
 * without asking how that ended, and again into the ring's own table; makes the directory
 * made-by-ring, gives it the attribute user.by-ring and removes it; connects to 127.0.0.1:PORT and
 * sends a datagram to the port after it, where nobody needs to listen; makes a netlink socket;
 * binds a unix socket to made-by-ring.sock, listens there, connects to it and accepts. Where the
 * kernel's rings cannot bind, the calls do. Goes on accepting at again-by-ring.sock, to which it
 * connected twice. What does not exist it is refused: to write /no-such-directory/asked-by-ring, to
 * connect and to send a datagram to /nobody-for-the-ring.sock. Exits with the number of the step
 * that failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ring.h"

static struct ring ring;

static int open_files(void) {
  struct io_uring_sqe request = {
      .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .open_flags = O_RDONLY};
  request.addr = (unsigned long)"/etc/passwd";
  if (perform(&ring, &request) < 0) return 4;
  request.addr = (unsigned long)"/etc/group";
  request.flags = IOSQE_CQE_SKIP_SUCCESS;
  if (perform(&ring, &request) < 0) return 14;
  request.flags = 0;
  request.addr = (unsigned long)"/etc/passwd";
  int table[1] = {-1};
  if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, table, 1)) return 5;
  request.file_index = 1; /* the first place */
  return perform(&ring, &request) < 0 ? 6 : 0;
}

static int be_refused(void) {
  struct io_uring_sqe request = {
      .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .open_flags = O_WRONLY};
  request.addr = (unsigned long)"/no-such-directory/asked-by-ring";
  if (perform(&ring, &request) != -ENOENT) return 16;
  struct sockaddr_un nobody = {.sun_family = AF_UNIX, .sun_path = "/nobody-for-the-ring.sock"};
  struct io_uring_sqe connects = {.opcode = IORING_OP_CONNECT, .off = sizeof(nobody)};
  connects.fd = socket(AF_UNIX, SOCK_STREAM, 0);
  connects.addr = (unsigned long)&nobody;
  if (perform(&ring, &connects) != -ENOENT) return 17;
  struct iovec data = {"datagram", 8};
  struct msghdr message = {
      .msg_name = &nobody, .msg_namelen = sizeof(nobody), .msg_iov = &data, .msg_iovlen = 1};
  struct io_uring_sqe sends = {.opcode = IORING_OP_SENDMSG, .len = 1};
  sends.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  sends.addr = (unsigned long)&message;
  return perform(&ring, &sends) != -ENOENT ? 18 : 0;
}

static int change_names(void) {
  struct io_uring_sqe request = {.opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .len = 0755};
  request.addr = (unsigned long)"made-by-ring";
  if (perform(&ring, &request) != 0) return 7;
  /* Not every file system takes it. */
  struct io_uring_sqe attribute = {.opcode = IORING_OP_SETXATTR, .len = 1};
  attribute.addr = (unsigned long)"user.by-ring";
  attribute.addr2 = (unsigned long)"x";
  attribute.addr3 = (unsigned long)"made-by-ring";
  if (perform(&ring, &attribute) == NO_ANSWER) return 15;
  request.opcode = IORING_OP_UNLINKAT;
  request.len = 0;
  request.unlink_flags = AT_REMOVEDIR;
  return perform(&ring, &request) != 0 ? 8 : 0;
}

static int ring_socket(int family, int type, int protocol) {
  struct io_uring_sqe request = {.opcode = IORING_OP_SOCKET, .fd = family, .off = type};
  request.len = protocol;
  return perform(&ring, &request);
}

static int with_address(int operation, int fd, const void* address, size_t length) {
  struct io_uring_sqe request = {.opcode = operation, .fd = fd, .off = length};
  request.addr = (unsigned long)address;
  return perform(&ring, &request);
}

static int use_network(int port) {
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (with_address(IORING_OP_CONNECT, socket(AF_INET, SOCK_DGRAM, 0), &peer, sizeof(peer)) ==
      NO_ANSWER)
    return 9;
  peer.sin_port = htons(port + 1);
  struct iovec data = {"datagram", 8};
  struct msghdr message = {
      .msg_name = &peer, .msg_namelen = sizeof(peer), .msg_iov = &data, .msg_iovlen = 1};
  struct io_uring_sqe request = {.opcode = IORING_OP_SENDMSG, .len = 1};
  request.fd = socket(AF_INET, SOCK_DGRAM, 0);
  request.addr = (unsigned long)&message;
  if (perform(&ring, &request) != 8) return 10;
  return ring_socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) < 0 ? 11 : 0;
}

static int serve_and_connect(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "made-by-ring.sock"};
  int listener = ring_socket(AF_UNIX, SOCK_STREAM, 0);
  int bound = with_address(RING_OP_BIND, listener, &name, sizeof(name));
  if (bound == -EINVAL) { /* the calls, then */
    if (bind(listener, (struct sockaddr*)&name, sizeof(name)) || listen(listener, 1)) return 12;
  } else {
    struct io_uring_sqe listens = {.opcode = RING_OP_LISTEN, .fd = listener, .len = 1};
    if (bound != 0 || perform(&ring, &listens) != 0) return 12;
  }
  int client = socket(AF_UNIX, SOCK_STREAM, 0);
  if (with_address(IORING_OP_CONNECT, client, &name, sizeof(name)) != 0) return 13;
  struct io_uring_sqe accepts = {.opcode = IORING_OP_ACCEPT, .fd = listener};
  return perform(&ring, &accepts) < 0 ? 15 : unlink(name.sun_path);
}

static int go_on_accepting(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "again-by-ring.sock"};
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&name, sizeof(name)) || listen(listener, 2)) return 19;
  for (int i = 0; i < 2; ++i)
    if (connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr*)&name, sizeof(name))) return 20;
  struct io_uring_sqe accepts = {.opcode = IORING_OP_ACCEPT, .fd = listener};
  accepts.ioprio = IORING_ACCEPT_MULTISHOT;
  return perform(&ring, &accepts) < 0 ? 21 : unlink(name.sun_path);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (!make_ring(&ring)) return 3;
  int failed = open_files();
  if (!failed) failed = be_refused();
  if (!failed) failed = change_names();
  if (!failed) failed = use_network(atoi(argv[1]));
  if (!failed) failed = serve_and_connect();
  return failed ? failed : go_on_accepting();
}
