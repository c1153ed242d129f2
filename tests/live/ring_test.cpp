// What an io_uring does with sockets, and what it does without an answer, on real kernel events:
// told like the calls that it stands for.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <filesystem>

#include "tests/live/rings.h"

namespace picket::live {
namespace {

TEST_F(Rings, RareSocketsAreToldPlainOnesAreNot) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [](ring& ring) {
    const Request requests[] = {make_socket(AF_INET, SOCK_STREAM, 0),
                                make_socket(AF_PACKET, SOCK_RAW, 0),
                                make_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP),
                                silent(make_socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT))};
    for (const Request& each : requests)
      if (perform(&ring, &each) < 0) return 1;
    const Request refused = make_socket(AF_NETLINK, SOCK_RAW, MAX_LINKS);
    return perform(&ring, &refused) == -EPROTONOSUPPORT ? 0 : 2;
  });
  const auto told = told_of(pid, PK_SOCKET);
  ASSERT_EQ(told.size(), 4u);
  const int families[] = {AF_PACKET, AF_INET, AF_NETLINK, AF_NETLINK};
  for (size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].header().call, PK_CALL_socket);
    EXPECT_EQ(told[i].header().cgroup_id, box->id());
    EXPECT_EQ(told[i].as<pk_socket>()->ends.family, families[i]);
    EXPECT_EQ(told[i].as<pk_socket>()->ends.kind, SOCK_RAW);
  }
  EXPECT_GT(told[0].as<pk_socket>()->result, 2);
  EXPECT_EQ(told[1].as<pk_socket>()->ends.proto, IPPROTO_ICMP);
  EXPECT_EQ(told[2].as<pk_socket>()->protocol, static_cast<uint32_t>(NETLINK_AUDIT));
  EXPECT_EQ(told[3].as<pk_socket>()->result, -EPROTONOSUPPORT);
}

TEST_F(Rings, UnixConnectAndAcceptAreToldByTheSocketsOwnNameWithTheirPeers) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [&](ring& ring) {
    const Service service(path_);
    const Request connects = service.connect(), accepts = request(IORING_OP_ACCEPT, service.fd());
    if (perform(&ring, &connects) != -ENOENT || !service.listens()) return 1;
    return perform(&ring, &connects) == 0 && perform(&ring, &accepts) >= 0 ? 0 : 2;
  });
  const auto told = told_of(pid, PK_SOCKET);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0].as<pk_socket>()->result, -ENOENT);
  EXPECT_NE(told[0].header().flags & PK_USER_TEXT, 0u);
  const pk_call calls[] = {PK_CALL_connect, PK_CALL_connect, PK_CALL_accept4};
  for (size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].header().call, calls[i]);
    EXPECT_EQ(path_of(told[i]), path_);
    EXPECT_EQ(told[i].as<pk_socket>()->ends.family, AF_UNIX);
    if (i == 0) continue;
    EXPECT_GE(told[i].as<pk_socket>()->result, 0);
    EXPECT_EQ(told[i].header().flags & PK_USER_TEXT, 0u);
    EXPECT_EQ(told[i].as<pk_socket>()->peer_pid, static_cast<uint32_t>(pid));
    EXPECT_EQ(told[i].as<pk_socket>()->peer_cgroup_id, box->id());
  }
}

TEST_F(Rings, ATcpConnectionThatARingAcceptsIsToldWithBothEnds) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [&](ring& ring) {
    const Listener listener;
    const Request accepts = request(IORING_OP_ACCEPT, listener.fd());
    if (connect_to(SOCK_STREAM, loopback4(listener.port())) < 0) return 1;
    return perform(&ring, &accepts) >= 0 ? 0 : 2;
  });
  const auto told = told_of(pid, PK_SOCKET);
  ASSERT_EQ(told.size(), 1u);
  const pk_ends& ends = told[0].as<pk_socket>()->ends;
  EXPECT_EQ(told[0].header().call, PK_CALL_accept4);
  EXPECT_EQ(ends.direction, PK_DIR_INBOUND);
  EXPECT_TRUE(is_loopback4(ends.remote_addr));
  EXPECT_NE(ends.remote_port, 0);
}

// All of its answers but the last do not say what they are about.
TEST_F(Rings, ARequestThatGoesOnAcceptingIsToldForEachConnection) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [&](ring& ring) {
    const Listener listener;
    Request accepts = request(IORING_OP_ACCEPT, listener.fd());
    accepts.ioprio = IORING_ACCEPT_MULTISHOT;
    for (int i = 0; i < 2; ++i)
      if (connect_to(SOCK_STREAM, loopback4(listener.port())) < 0) return 1;
    return perform(&ring, &accepts) >= 0 ? 0 : 2;
  });
  const auto told = told_of(pid, PK_SOCKET);
  ASSERT_EQ(told.size(), 2u);
  for (const Event& event : told) {
    EXPECT_EQ(event.header().call, PK_CALL_accept4);
    EXPECT_EQ(event.as<pk_socket>()->ends.direction, PK_DIR_INBOUND);
    EXPECT_TRUE(is_loopback4(event.as<pk_socket>()->ends.remote_addr));
  }
  EXPECT_NE(told[0].as<pk_socket>()->ends.remote_port, told[1].as<pk_socket>()->ends.remote_port);
}

TEST_F(Rings, ARequestThatGoesOnAcceptingIsToldForEachUnixConnection) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [&](ring& ring) {
    const int table[3] = {-1, -1, -1};
    if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, table, 3) != 0) return 1;
    const Service service(path_), tabled(path_ + ".tabled");
    const sockaddr_un names[] = {unix_name(path_), unix_name(path_ + ".tabled")};
    if (!service.listens() || !tabled.listens()) return 2;
    for (const sockaddr_un& name : names)
      for (int i = 0; i < 2; ++i)
        if (connect(socket(AF_UNIX, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&name),
                    sizeof(name)) != 0)
          return 3;
    Request accepts = request(IORING_OP_ACCEPT, service.fd());
    accepts.ioprio = IORING_ACCEPT_MULTISHOT;
    accepts.user_data = 7;
    if (perform(&ring, &accepts) < 0) return 4;
    accepts.fd = tabled.fd();
    accepts.user_data = 8;
    accepts.file_index = IORING_FILE_INDEX_ALLOC;
    return perform(&ring, &accepts) < 0 ? 5 : 0;
  });
  const auto told = told_of(pid, PK_SOCKET);
  ASSERT_EQ(told.size(), 4u);
  for (size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].header().call, PK_CALL_accept4);
    EXPECT_EQ(told[i].as<pk_socket>()->ends.direction, PK_DIR_INBOUND);
    EXPECT_EQ(path_of(told[i]), i < 2 ? path_ : path_ + ".tabled") << i;
    EXPECT_EQ(told[i].as<pk_socket>()->peer_pid, i < 2 ? static_cast<uint32_t>(pid) : 0u) << i;
  }
}

// No descriptor leads to them, or no hook hears of their end.
TEST_F(Rings, WhatLandsInTheRingsOwnTableOrAsksForNoAnswerIsToldAllTheSame) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [&](ring& ring) {
    const int table[2] = {-1, -1};
    if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, table, 2) != 0) return 1;
    const Service service(path_);
    if (!service.listens()) return 2;
    const Request quiet = silent(service.connect()), connects = service.connect();
    Request accepts = request(IORING_OP_ACCEPT, service.fd());
    if (perform(&ring, &quiet) != 0 || perform(&ring, &connects) != 0) return 3;
    accepts.file_index = 1;
    if (perform(&ring, &accepts) != 0) return 4;
    const Request made = [] {
      Request made = make_socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
      made.file_index = 2;
      return made;
    }();
    return perform(&ring, &made) == 0 ? 0 : 5;
  });
  const auto told = told_of(pid, PK_SOCKET);
  ASSERT_EQ(told.size(), 4u);
  const pk_call calls[] = {PK_CALL_connect, PK_CALL_connect, PK_CALL_accept4, PK_CALL_socket};
  for (size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].header().call, calls[i]);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(path_of(told[i]), path_) << i;
  EXPECT_NE(told[0].header().flags & PK_USER_TEXT, 0u);
  EXPECT_EQ(told[1].header().flags & PK_USER_TEXT, 0u);
  EXPECT_EQ(told[2].as<pk_socket>()->ends.direction, PK_DIR_INBOUND);
  EXPECT_EQ(told[2].as<pk_socket>()->peer_pid, 0u);
}

TEST_F(Rings, BindAndListenOfAUnixSocketAreToldByItsName) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [&](ring& ring) {
    const Service service(path_);
    const Request binds = service.bind_by_ring();
    Request listens = request(RING_OP_LISTEN, service.fd());
    listens.len = 1;
    return perform(&ring, &binds) == 0 && perform(&ring, &listens) == 0 ? 0 : 1;
  });
  const auto told = told_of(pid, PK_SOCKET);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].header().call, PK_CALL_bind);
  EXPECT_EQ(told[1].header().call, PK_CALL_listen);
  EXPECT_EQ(told[1].as<pk_socket>()->ends.direction, PK_DIR_LISTEN);
  for (const Event& event : told) EXPECT_EQ(path_of(event), path_);
}

TEST_F(Rings, ADatagramWithAnAddressOfItsOwnIsToldAsAConnect) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [](ring& ring) {
    sockaddr_in peer = loopback4(4556);
    char byte = 'd';
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_name = &peer, message.msg_namelen = sizeof(peer);
    message.msg_iov = &data, message.msg_iovlen = 1;
    Request sends = request(IORING_OP_SENDMSG, socket(AF_INET, SOCK_DGRAM, 0), &message);
    sends.len = 1;
    return perform(&ring, &sends) == 1 ? 0 : 1;
  });
  const auto told = told_of(pid, PK_CONNECT);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].as<pk_connect>()->source, PK_CONNECT_SENDMSG);
  EXPECT_EQ(told[0].as<pk_connect>()->remote_port, 4556);
  EXPECT_TRUE(is_loopback4(told[0].as<pk_connect>()->remote_addr));
}

TEST_F(Rings, ADatagramToAUnixNameIsToldOnceForEachName) {
  share();
  const auto box = workspace();
  const pid_t pid = run(*box, [&](ring& ring) {
    const int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un peer = unix_name(path_), nobody = unix_name(path_ + ".nobody");
    if (bind(receiver, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) != 0) return 1;
    char byte = 'd';
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data, message.msg_iovlen = 1;
    message.msg_namelen = sizeof(peer);
    Request sends = request(IORING_OP_SENDMSG, sender, &message);
    sends.len = 1;
    for (sockaddr_un* name : {&peer, &peer, &nobody}) {
      message.msg_name = name;
      if (perform(&ring, &sends) != (name == &peer ? 1 : -ENOENT)) return 2;
    }
    unlink(path_.c_str());
    return 0;
  });
  const auto told = told_of(pid, PK_SOCKET);
  ASSERT_EQ(told.size(), 2u);
  for (size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].header().call, PK_CALL_sendmsg);
    EXPECT_EQ(path_of(told[i]), i == 0 ? path_ : path_ + ".nobody");
    EXPECT_EQ(told[i].as<pk_socket>()->ends.kind, SOCK_DGRAM);
    EXPECT_EQ(told[i].as<pk_socket>()->ends.direction, PK_DIR_OUTBOUND);
  }
}

// A process with a connection is given a pipe: what it holds is told again.
TEST_F(Rings, DescriptorsThatComeWithAMessageAreToldAsWhatTheProcessHolds) {
  share();
  const auto box = workspace();
  const Listener listener;
  const pid_t pid = run(*box, [&](ring& ring) {
    int pair[2], pipes[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0 || pipe(pipes) != 0) return 1;
    if (connect_to(SOCK_STREAM, loopback4(listener.port())) < 0) return 2;
    char byte = 'd';
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data, message.msg_iovlen = 1;
    message.msg_control = control.data(), message.msg_controllen = control.size();
    cmsghdr* passed = CMSG_FIRSTHDR(&message);
    passed->cmsg_level = SOL_SOCKET, passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(passed), &pipes[0], sizeof(int));
    if (sendmsg(pair[0], &message, 0) != 1) return 3;
    close(pipes[0]), close(pipes[1]);
    control.fill(0);
    Request receives = request(IORING_OP_RECVMSG, pair[1], &message);
    receives.len = 1;
    return perform(&ring, &receives) == 1 ? 0 : 4;
  });
  const auto told = select(of(PK_HOLDS, pid));
  ASSERT_GE(told.size(), 2u);
  const auto pipes = [](const Event& event) {
    const pk_holds* holds = event.as<pk_holds>();
    return std::count_if(holds->held, holds->held + holds->count,
                         [](const pk_held& held) { return held.kind == PK_FD_PIPE; });
  };
  // Both ends when it connected, one of them by the message; its own output may be pipes too.
  EXPECT_EQ(pipes(told.front()) - pipes(told.back()), 1);
}

TEST_F(Rings, StrangersAreNotTold) {
  share();
  const auto box = workspace();
  const auto body = [] {
    ring own{};
    const Request made = make_socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
    return make_ring(&own) && perform(&own, &made) >= 0 ? 0 : 1;
  };
  Child stranger = spawn(body);
  const pid_t pid = stranger.pid();
  EXPECT_EQ(stranger.wait(), 0);
  const pid_t own = run(*box, [&](ring&) { return body(); });
  EXPECT_EQ(told_of(own, PK_SOCKET).size(), 1u);
  EXPECT_EQ(count(of(PK_SOCKET, pid)), 0u);
}

}  // namespace
}  // namespace picket::live
