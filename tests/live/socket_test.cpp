// The socket family on real kernel events: what is made, named, listens, accepts; unix sockets with
// who is at the other end.
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/un.h>

#include "tests/live/live_sensor.h"
#include "tests/live/sockets.h"

namespace picket::live {
namespace {

constexpr std::string_view kProbe = "picket-socket-test";

class Sockets : public LiveSensorTest {
 protected:
  std::vector<Event> told_of(pid_t pid) { return select(of(PK_SOCKET, pid)); }

  std::vector<Event> made_by(const TestCgroup& box, const std::function<int()>& body) {
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    return told_of(pid);
  }
};

std::string path_of(const Event& event) {
  return std::string(event.text(event.as<pk_socket>()->path));
}

// An abstract name with an @ in front, as it is told; otherwise a path.
struct UnixAddress {
  explicit UnixAddress(std::string_view name) {
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const bool abstract = name.starts_with('@');
    if (abstract) address.sun_path[0] = '\0';
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + !abstract);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  sockaddr_un address{};
  socklen_t length = 0;
};

TEST_F(Sockets, RawPacketAndRareFamiliesAreToldPlainOnesAreNot) {
  start();
  const auto box = workspace();
  const auto told = made_by(*box, [] {
    close(socket(AF_INET, SOCK_STREAM, 0));
    close(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    close(socket(AF_UNIX, SOCK_STREAM, 0));
    close(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    close(socket(AF_PACKET, SOCK_RAW, 0));
    close(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
    close(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT));
    close(socket(AF_VSOCK, SOCK_STREAM, 0));
    close(socket(AF_ALG, SOCK_SEQPACKET, 0));
    return 0;
  });
  ASSERT_EQ(told.size(), 5u);
  const int families[] = {AF_PACKET, AF_INET, AF_NETLINK, AF_VSOCK, AF_ALG};
  for (size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].as<pk_socket>()->ends.family, families[i]);
    EXPECT_EQ(told[i].header().call, PK_CALL_socket);
    EXPECT_EQ(told[i].header().cgroup_id, box->id());
  }
  EXPECT_EQ(told[1].as<pk_socket>()->ends.kind, SOCK_RAW);
  EXPECT_EQ(told[1].as<pk_socket>()->ends.proto, IPPROTO_ICMP);
  EXPECT_EQ(told[2].as<pk_socket>()->protocol, static_cast<uint32_t>(NETLINK_AUDIT));
}

TEST_F(Sockets, BindListenAndAcceptAreToldWithBothEnds) {
  start();
  const auto box = workspace();
  int ports[2];
  ASSERT_EQ(pipe(ports), 0);
  Child server = spawn_in(*box, [&] {
    const Listener inside;
    const uint16_t port = inside.port();
    if (write(ports[1], &port, sizeof(port)) != sizeof(port)) return 1;
    return accept4(inside.fd(), nullptr, nullptr, SOCK_CLOEXEC) < 0 ? 1 : 0;
  });
  const pid_t pid = server.pid();
  uint16_t port = 0;
  ASSERT_EQ(read(ports[0], &port, sizeof(port)), static_cast<ssize_t>(sizeof(port)));
  const int client = connect_to(SOCK_STREAM, loopback4(port));
  EXPECT_EQ(server.wait(), 0);
  sockaddr_in own{};
  socklen_t length = sizeof(own);
  getsockname(client, reinterpret_cast<sockaddr*>(&own), &length);
  close(client), close(ports[0]), close(ports[1]);
  ASSERT_TRUE(drain_until_exit(pid));

  const auto told = told_of(pid);
  ASSERT_EQ(told.size(), 3u);
  const pk_call calls[] = {PK_CALL_bind, PK_CALL_listen, PK_CALL_accept4};
  const pk_direction directions[] = {PK_DIR_UNKNOWN, PK_DIR_LISTEN, PK_DIR_INBOUND};
  for (size_t i = 0; i < told.size(); ++i) {
    const pk_ends& ends = told[i].as<pk_socket>()->ends;
    EXPECT_EQ(told[i].header().call, calls[i]);
    EXPECT_EQ(ends.family, AF_INET);
    EXPECT_EQ(ends.proto, IPPROTO_TCP);
    EXPECT_EQ(ends.local_port, port);
    EXPECT_TRUE(is_loopback4(ends.local_addr));
    EXPECT_EQ(ends.direction, directions[i]);
  }
  const pk_ends& accepted = told[2].as<pk_socket>()->ends;
  EXPECT_EQ(accepted.remote_port, ntohs(own.sin_port));
  EXPECT_TRUE(is_loopback4(accepted.remote_addr));
}

TEST_F(Sockets, MappedBindIsIpv4) {
  start();
  const auto box = workspace();
  const auto told = made_by(*box, [] {
    const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    const sockaddr_in6 address = mapped4(0);
    return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  });
  ASSERT_EQ(told.size(), 1u);
  const pk_ends& ends = told[0].as<pk_socket>()->ends;
  EXPECT_EQ(ends.family, AF_INET);
  EXPECT_TRUE(is_loopback4(ends.local_addr));
  EXPECT_NE(ends.local_port, 0);
  EXPECT_EQ(ends.proto, IPPROTO_UDP);
}

// The listener is another workspace's: both calls name the other one. The client comes by a
// symbolic link, and is told with the socket's own name.
TEST_F(Sockets, UnixConnectIsToldByTheSocketsOwnNameWithItsPeer) {
  start();
  const auto server_box = workspace(1), client_box = workspace(2);
  for (const std::string& name :
       {fmt::format("/tmp/{}.{}", kProbe, getpid()), fmt::format("@{}.{}", kProbe, getpid())}) {
    const UnixAddress address(name);
    const std::string link = name + ".link";
    const bool abstract = name.starts_with('@');
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    Child server = spawn_in(*server_box, [&] {
      const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
      if (bind(fd, address.get(), address.length) != 0 || listen(fd, 1) != 0) return 1;
      if (write(ready[1], "r", 1) != 1) return 1;
      char byte = 0;  // it lives until the connect has ended
      return read(accept(fd, nullptr, nullptr), &byte, 1) == 1 ? 0 : 1;
    });
    const pid_t server_pid = server.pid();
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    if (!abstract) {
      ASSERT_EQ(symlink(name.c_str(), link.c_str()), 0);
    }
    const UnixAddress asked(abstract ? name : link);
    Child client = spawn_in(*client_box, [&] {
      const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
      if (connect(fd, asked.get(), asked.length) != 0) return 1;
      char byte = 0;
      if (write(fd, "c", 1) != 1) return 1;
      return read(fd, &byte, 1) == 0 ? 0 : 1;  // it lives until it has been accepted
    });
    const pid_t client_pid = client.pid();
    EXPECT_EQ(client.wait(), 0);
    EXPECT_EQ(server.wait(), 0);
    close(ready[0]), close(ready[1]);
    unlink(name.c_str()), unlink(link.c_str());
    ASSERT_TRUE(drain_until_exit(client_pid) && drain_until_exit(server_pid));

    const auto connects = told_of(client_pid);
    ASSERT_EQ(connects.size(), 1u);
    const pk_socket* connect = connects[0].as<pk_socket>();
    EXPECT_EQ(connects[0].header().call, PK_CALL_connect);
    EXPECT_EQ(path_of(connects[0]), name);
    EXPECT_EQ(connect->ends.family, AF_UNIX);
    EXPECT_EQ(connect->result, 0);
    EXPECT_EQ(connect->peer_pid, static_cast<uint32_t>(server_pid));
    EXPECT_EQ(connect->peer_cgroup_id, server_box->id());
    EXPECT_EQ(connects[0].header().flags & PK_USER_TEXT, 0u);

    const auto served = told_of(server_pid);
    ASSERT_EQ(served.size(), 3u);
    for (const Event& event : served) EXPECT_EQ(path_of(event), name) << event.header().call;
    EXPECT_EQ(served[2].header().call, PK_CALL_accept);
    EXPECT_EQ(served[2].as<pk_socket>()->peer_pid, static_cast<uint32_t>(client_pid));
    EXPECT_EQ(served[2].as<pk_socket>()->peer_cgroup_id, client_box->id());
  }
}

TEST_F(Sockets, AUnixConnectThatFailsIsMarkedAsTheCallersClaim) {
  start();
  const auto box = workspace();
  const UnixAddress nobody("/tmp/picket-nobody-listens");
  const auto told = made_by(*box, [&] {
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), nobody.get(), nobody.length) == 0;
  });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].as<pk_socket>()->result, -ENOENT);
  EXPECT_EQ(path_of(told[0]), "/tmp/picket-nobody-listens");
  EXPECT_NE(told[0].header().flags & PK_USER_TEXT, 0u);
}

TEST_F(Sockets, StrangersAreNotTold) {
  start();
  const auto box = workspace();
  Child stranger = spawn([] {
    const Listener listener;
    return socket(AF_PACKET, SOCK_RAW, 0) < 0;
  });
  const pid_t pid = stranger.pid();
  EXPECT_EQ(stranger.wait(), 0);
  ASSERT_EQ(made_by(*box, [] { return socket(AF_PACKET, SOCK_RAW, 0) < 0; }).size(), 1u);
  EXPECT_EQ(count(of(PK_SOCKET, pid)), 0u);
}

}  // namespace
}  // namespace picket::live
