#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

#include "tests/bench/harness/loops.h"

namespace picket::bench {
namespace {

int one_connection(int listener, const sockaddr_in& address) {
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0) return errno;
  // Reset on close: a loop of connections leaves none in TIME_WAIT.
  const linger reset{1, 0};
  setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  int error = 0, server = -1;
  if (connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    error = errno;
  } else if ((server = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) < 0) {
    error = errno;
  }
  close(client);
  if (server >= 0) close(server);
  return error;
}

// Of a client that is there already.
int one_local_connection(int listener, const sockaddr_un& address, socklen_t length) {
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0) return errno;
  int error = 0, server = -1;
  if (connect(client, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      (server = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) < 0)
    error = errno;
  close(client);
  if (server >= 0) close(server);
  return error;
}

// On a free port of 127.0.0.1.
int bound_socket(int type, sockaddr_in& address) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return -1;
  return fd;
}

}  // namespace

int connections(uint64_t count) {
  sockaddr_in address{};
  const int listener = bound_socket(SOCK_STREAM, address);
  int error = listener < 0 || listen(listener, 16) != 0 ? errno : 0;
  for (uint64_t i = 0; i < count && error == 0; ++i) error = one_connection(listener, address);
  if (listener >= 0) close(listener);
  return error;
}

int datagrams(uint64_t count) {
  sockaddr_in address{};
  const int server = bound_socket(SOCK_DGRAM, address);
  const int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int error = server < 0 || client < 0 ? errno : 0;
  char byte = 'd';
  for (uint64_t i = 0; i < count && error == 0; ++i)
    if (sendto(client, &byte, 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address) != 1 ||
        recv(server, &byte, 1, 0) != 1)
      error = errno;
  for (const int fd : {server, client})
    if (fd >= 0) close(fd);
  return error;
}

int local_connections(uint64_t count) {
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t length = sizeof(sa_family_t);  // the kernel chooses an abstract name
  int error = 0;
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener, 16) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &(length = sizeof address)) != 0)
    error = errno;
  for (uint64_t i = 0; i < count && error == 0; ++i)
    error = one_local_connection(listener, address, length);
  if (listener >= 0) close(listener);
  return error;
}

}  // namespace picket::bench
