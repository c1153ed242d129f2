// Requests of an io_uring, a service to connect to, and the process that makes them, for live
// tests. Usable after fork(), but for the fixture.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <filesystem>

#include "tests/live/live_sensor.h"
#include "tests/live/sockets.h"
#include "tests/support/programs/ring.h"

namespace picket::live {

using Request = io_uring_sqe;

inline Request request(int operation, int fd, const void* address = nullptr, uint64_t length = 0) {
  Request request{};
  request.opcode = static_cast<uint8_t>(operation);
  request.fd = fd;
  request.addr = reinterpret_cast<uintptr_t>(address);
  request.off = length;
  return request;
}

inline Request make_socket(int family, int type, int protocol) {
  Request made = request(IORING_OP_SOCKET, family);
  made.off = static_cast<uint64_t>(type);
  made.len = static_cast<uint32_t>(protocol);
  return made;
}

inline Request silent(Request request) {
  request.flags |= IOSQE_CQE_SKIP_SUCCESS;
  return request;
}

inline Request open_by_ring(int directory, const char* path, int flags) {
  Request opens = request(IORING_OP_OPENAT, directory, path);
  opens.off = 0;
  opens.open_flags = static_cast<uint32_t>(flags);
  return opens;
}

inline sockaddr_un unix_name(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

// A unix socket that listens, made by calls.
class Service {
 public:
  explicit Service(const std::string& path)
      : path_(path), fd_(socket(AF_UNIX, SOCK_STREAM, 0)), address_(unix_name(path)) {}
  ~Service() { close(fd_), unlink(path_.c_str()); }
  bool listens() const {
    return bind(fd_, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) == 0 &&
           listen(fd_, 4) == 0;
  }
  int fd() const { return fd_; }
  Request connect() const {
    return request(IORING_OP_CONNECT, socket(AF_UNIX, SOCK_STREAM, 0), &address_, sizeof(address_));
  }
  Request bind_by_ring() const { return request(RING_OP_BIND, fd_, &address_, sizeof(address_)); }

 private:
  std::string path_;
  int fd_;
  sockaddr_un address_;
};

class Rings : public LiveSensorTest {
 protected:
  // `body` gets a ring and answers with 0.
  pid_t run(const TestCgroup& box, const std::function<int(ring&)>& body) {
    Child child = spawn_in(box, [&] {
      close_range(3, ~0u, 0);  // of the test: only a process's first descriptors are looked at
      ring own{};
      return make_ring(&own) ? body(own) : 98;
    });
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    return pid;
  }
  // What the ring did, without what calls did beside it.
  std::vector<Event> told_of(pid_t pid, pk_type type) const {
    return select([=](const Event& event) {
      return of(type, pid)(event) && (event.header().flags & PK_IO_URING) != 0;
    });
  }
  static std::string path_of(const Event& event) {
    return std::string(event.text(event.as<pk_socket>()->path));
  }

  const std::string path_ =
      std::filesystem::temp_directory_path() / fmt::format("picket-ring.{}", getpid());
};

}  // namespace picket::live
