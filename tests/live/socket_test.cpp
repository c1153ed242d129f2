// The socket family on real kernel events: what is made, named, listens, accepts; unix sockets with
// who is at the other end.
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

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
  share();
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
  share();
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
  share();
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
  share();
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
  share();
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

// Also of several in one call; each once, and again when it ends otherwise.
TEST_F(Sockets, DatagramsToAUnixNameAreToldByTheNameThatWasAsked) {
  share();
  const auto box = workspace();
  const std::string path = fmt::format("/tmp/{}.{}.datagrams", kProbe, getpid());
  const UnixAddress there(path), abstract("@" + path), nobody(path + ".nobody");
  const auto told = made_by(*box, [&] {
    const int receivers[] = {socket(AF_UNIX, SOCK_DGRAM, 0), socket(AF_UNIX, SOCK_DGRAM, 0)};
    if (bind(receivers[0], there.get(), there.length) != 0) return 1;
    if (bind(receivers[1], abstract.get(), abstract.length) != 0) return 2;
    const int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    for (int i = 0; i < 3; ++i)
      if (sendto(sender, "d", 1, 0, there.get(), there.length) != 1) return 3;
    if (sendto(sender, "d", 1, 0, nobody.get(), nobody.length) != -1) return 4;
    char byte = 'd';
    iovec data{&byte, 1};
    mmsghdr messages[3]{};
    const UnixAddress* names[] = {&abstract, &there, &nobody};
    for (size_t i = 0; i < 3; ++i) {
      messages[i].msg_hdr.msg_iov = &data, messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = const_cast<sockaddr*>(names[i]->get());
      messages[i].msg_hdr.msg_namelen = names[i]->length;
    }
    if (sendmsg(sender, &messages[0].msg_hdr, 0) != 1) return 5;
    const int other = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (sendmmsg(other, messages, 3, 0) != 2) return 6;
    if (connect(other, there.get(), there.length) != 0) return 7;
    return send(other, "d", 1, 0) == 1 ? 0 : 8;
  });
  unlink(path.c_str());
  std::vector<std::string> sent;
  for (const Event& event : told) {
    const pk_socket& call = *event.as<pk_socket>();
    if (event.header().call == PK_CALL_bind) continue;
    EXPECT_EQ(call.ends.direction, PK_DIR_OUTBOUND);
    EXPECT_EQ(call.ends.kind, SOCK_DGRAM);
    sent.push_back(fmt::format("{} {}", event.header().call, path_of(event)));
    if (event.header().call == PK_CALL_connect) continue;
    EXPECT_NE(event.header().flags & PK_USER_TEXT, 0u);
    EXPECT_EQ(call.result < 0, path_of(event).ends_with("nobody"));
  }
  EXPECT_EQ(sent, (std::vector<std::string>{
                      fmt::format("{} {}", PK_CALL_sendto, path),
                      fmt::format("{} {}.nobody", PK_CALL_sendto, path),
                      fmt::format("{} @{}", PK_CALL_sendmsg, path),
                      fmt::format("{} @{}", PK_CALL_sendmmsg, path),
                      fmt::format("{} {}", PK_CALL_sendmmsg, path),
                      fmt::format("{} {}", PK_CALL_connect, path),
                  }));
}

// To the kernel a NUL is a byte of an abstract name like others.
TEST_F(Sockets, AnAbstractNameIsToldWithAllOfItsBytes) {
  share();
  const auto box = workspace();
  const std::string name = fmt::format("@{}.{}", kProbe, getpid()) + std::string("\0and\0more", 9);
  const UnixAddress there(name), nobody(name + "!");
  const auto told = made_by(*box, [&] {
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, there.get(), there.length) != 0 || listen(listener, 1) != 0) return 1;
    if (connect(socket(AF_UNIX, SOCK_STREAM, 0), there.get(), there.length) != 0) return 2;
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), nobody.get(), nobody.length) == -1 ? 0 : 3;
  });
  ASSERT_EQ(told.size(), 4u);
  for (size_t i = 0; i < told.size(); ++i) EXPECT_EQ(path_of(told[i]), i < 3 ? name : name + "!");
}

// Behind the sender's credentials, in the second of two messages.
TEST_F(Sockets, DescriptorsThatComeWithSeveralMessagesAreToldAsHeld) {
  share();
  const auto box = workspace();
  const Listener listener;
  Child child = spawn_in(*box, [&] {
    int pair[2], pipes[2];
    close_range(3, ~0u, 0);  // of the test: only a process's first descriptors are looked at
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0 || pipe(pipes) != 0) return 1;
    const int on = 1;
    if (setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0) return 2;
    if (connect_to(SOCK_STREAM, loopback4(listener.port())) < 0) return 3;
    char byte = 'd';
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, 128> control[2]{};
    mmsghdr messages[2]{};
    for (size_t i = 0; i < 2; ++i)
      messages[i].msg_hdr.msg_iov = &data, messages[i].msg_hdr.msg_iovlen = 1;
    msghdr& second = messages[1].msg_hdr;
    second.msg_control = control[1].data(), second.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* passed = CMSG_FIRSTHDR(&second);
    passed->cmsg_level = SOL_SOCKET, passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(passed), &pipes[0], sizeof(int));
    if (sendmmsg(pair[0], messages, 2, 0) != 2) return 4;
    close(pipes[0]), close(pipes[1]);
    for (size_t i = 0; i < 2; ++i) {
      messages[i].msg_hdr.msg_control = control[i].data();
      messages[i].msg_hdr.msg_controllen = control[i].size();
    }
    return recvmmsg(pair[1], messages, 2, 0, nullptr) == 2 ? 0 : 5;
  });
  const pid_t pid = child.pid();
  EXPECT_EQ(child.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  const auto held = select(of(PK_HOLDS, pid));
  ASSERT_GE(held.size(), 2u);
  const auto pipes = [](const Event& event) {
    const pk_holds* holds = event.as<pk_holds>();
    return std::count_if(holds->held, holds->held + holds->count,
                         [](const pk_held& held) { return held.kind == PK_FD_PIPE; });
  };
  EXPECT_EQ(pipes(held.front()) - pipes(held.back()), 1);
}

TEST_F(Sockets, StrangersAreNotTold) {
  share();
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
