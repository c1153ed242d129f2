// The network family on real kernel events: which connections were asked for, by whom, and who
// opened a socket.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "tests/live/live_sensor.h"
#include "tests/live/sockets.h"

namespace picket::live {
namespace {

class Network : public LiveSensorTest {
 protected:
  std::vector<const pk_connect*> connects(pid_t pid) {
    std::vector<const pk_connect*> found;
    for (const Event& event : select(of(PK_CONNECT, pid))) found.push_back(event.as<pk_connect>());
    return found;
  }
  std::vector<const pk_connect*> connects_of(const TestCgroup& box,
                                             const std::function<int()>& body) {
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    return connects(pid);
  }
};

TEST_F(Network, TcpConnectIsToldOnce) {
  share();
  const auto box = workspace();
  const Listener listener;
  const auto told =
      connects_of(*box, [&] { return connect_to(SOCK_STREAM, loopback4(listener.port())) < 0; });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0]->family, AF_INET);
  EXPECT_EQ(told[0]->proto, IPPROTO_TCP);
  EXPECT_EQ(told[0]->remote_port, listener.port());
  EXPECT_TRUE(is_loopback4(told[0]->remote_addr));
  EXPECT_EQ(told[0]->source, PK_CONNECT_STATE);
  EXPECT_EQ(told[0]->denied, 0);
  EXPECT_NE(told[0]->socket, 0u);
  EXPECT_EQ(told[0]->header.cgroup_id, box->id());
}

TEST_F(Network, MappedAddressIsIpv4) {
  share();
  const auto box = workspace();
  const Listener listener;
  const auto told = connects_of(*box, [&] {
    return connect_to(SOCK_STREAM, mapped4(listener.port())) < 0 ||
           connect_to(SOCK_DGRAM, mapped4(9)) < 0;
  });
  ASSERT_EQ(told.size(), 2u);
  for (const pk_connect* connect : told) {
    EXPECT_EQ(connect->family, AF_INET);
    EXPECT_TRUE(is_loopback4(connect->remote_addr));
  }
  EXPECT_EQ(told[0]->proto, IPPROTO_TCP);
  EXPECT_EQ(told[1]->proto, IPPROTO_UDP);
}

TEST_F(Network, ConnectThatIsRefusedByThePeerIsTold) {
  share();
  const auto box = workspace();
  uint16_t closed_port = 0;
  {
    const Listener listener;
    closed_port = listener.port();
  }
  const auto told =
      connects_of(*box, [&] { return connect_to(SOCK_STREAM, loopback4(closed_port)) >= 0; });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0]->remote_port, closed_port);
}

TEST_F(Network, ConnectedUdpIsTold) {
  share();
  const auto box = workspace();
  const auto told = connects_of(*box, [] {
    return connect_to(SOCK_DGRAM, loopback4(5353)) < 0 ||
           connect_to(SOCK_DGRAM, loopback6(5354)) < 0;
  });
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0]->family, AF_INET);
  EXPECT_EQ(told[0]->proto, IPPROTO_UDP);
  EXPECT_EQ(told[0]->remote_port, 5353);
  EXPECT_EQ(told[0]->source, PK_CONNECT_CGROUP);
  EXPECT_EQ(told[1]->family, AF_INET6);
  EXPECT_EQ(told[1]->remote_port, 5354);
  EXPECT_EQ(std::memcmp(told[1]->remote_addr, &in6addr_loopback, 16), 0);
}

TEST_F(Network, DatagramsTellEachPeerOnce) {
  share();
  const auto box = workspace();
  const auto told = connects_of(*box, [] {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 50; ++i)
      for (const uint16_t port : {7001, 7002}) {
        const sockaddr_in address = loopback4(port);
        sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
      }
    return 0;
  });
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0]->remote_port, 7001);
  EXPECT_EQ(told[1]->remote_port, 7002);
  EXPECT_EQ(told[0]->source, PK_CONNECT_SENDMSG);
}

TEST_F(Network, WorkersWithoutExecHaveIdentityAndParent) {
  share();
  const auto box = workspace();
  const Listener listener;
  constexpr int kWorkers = 100;
  Child parent = spawn_in(*box, [&] {
    for (int i = 0; i < kWorkers; ++i) {
      const pid_t worker = fork();
      if (worker == 0) _exit(connect_to(SOCK_STREAM, loopback4(listener.port())) < 0);
      if (i % 10 == 9)
        while (wait(nullptr) > 0) {
        }
    }
    return 0;
  });
  const pid_t pid = parent.pid();
  for (int i = 0; i < kWorkers; ++i) close(accept(listener.fd(), nullptr, nullptr));
  ASSERT_EQ(parent.wait(), 0);
  ASSERT_TRUE(drain_until_exit(pid));
  size_t connects = 0;
  for (const Event& event : select([](const Event& e) { return e.type() == PK_CONNECT; })) {
    ++connects;
    EXPECT_EQ(event.header().cgroup_id, box->id());
    const auto forks = select(of(PK_FORK, static_cast<pid_t>(event.header().pid)));
    ASSERT_EQ(forks.size(), 1u);
    EXPECT_EQ(forks[0].as<pk_fork>()->parent_pid, static_cast<uint32_t>(pid));
    EXPECT_EQ(forks[0].header().start_ns, event.header().start_ns);
  }
  EXPECT_EQ(connects, static_cast<size_t>(kWorkers));
}

// A refusal by a control on the workspace's own cgroup, which runs before the observer at the root.
TEST_F(Network, ConnectThatAControlDeniesIsToldAsDenied) {
  share();
  const auto box = workspace();
  const Listener listener;
  const bpf_insn deny[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
  const FileDescriptor program(
      bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "deny_connect", "GPL", deny, 2, &options));
  ASSERT_TRUE(program.valid());
  const FileDescriptor cgroup(open(box->directory().c_str(), O_RDONLY | O_DIRECTORY));
  const FileDescriptor link(
      bpf_link_create(program.get(), cgroup.get(), BPF_CGROUP_INET4_CONNECT, nullptr));
  ASSERT_TRUE(link.valid());

  const auto told =
      connects_of(*box, [&] { return connect_to(SOCK_STREAM, loopback4(listener.port())) >= 0; });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0]->denied, 1);
  EXPECT_EQ(told[0]->proto, IPPROTO_TCP);
  EXPECT_EQ(told[0]->remote_port, listener.port());
}

TEST_F(Network, StrangersConnectUnseen) {
  share();
  const auto box = workspace();
  const Listener listener;
  Child stranger = spawn([&] { return connect_to(SOCK_STREAM, loopback4(listener.port())) < 0; });
  EXPECT_EQ(stranger.wait(), 0);
  connects_of(*box, [] { return 0; });
  EXPECT_EQ(count([](const Event& event) { return event.type() == PK_CONNECT; }), 0u);
}

TEST_F(Network, DescriptorsTellWhoOpenedTheConnection) {
  share();
  const auto box = workspace();
  const Listener outside;
  const auto shell_on = [](int fd) {
    for (int target = 0; target < 3; ++target) dup2(fd, target);
    execl("/bin/true", "sh", nullptr);
    return 127;
  };
  Child outbound =
      spawn_in(*box, [&] { return shell_on(connect_to(SOCK_STREAM, loopback4(outside.port()))); });
  const pid_t outbound_pid = outbound.pid();
  close(accept(outside.fd(), nullptr, nullptr));
  EXPECT_EQ(outbound.wait(), 0);

  int ports[2];
  ASSERT_EQ(pipe(ports), 0);
  Child inbound = spawn_in(*box, [&] {
    const Listener inside;
    const uint16_t port = inside.port();
    if (write(ports[1], &port, sizeof(port)) != sizeof(port)) return 1;
    return shell_on(accept(inside.fd(), nullptr, nullptr));
  });
  const pid_t inbound_pid = inbound.pid();
  uint16_t port = 0;
  ASSERT_EQ(read(ports[0], &port, sizeof(port)), static_cast<ssize_t>(sizeof(port)));
  close(connect_to(SOCK_STREAM, loopback4(port)));
  EXPECT_EQ(inbound.wait(), 0);
  close(ports[0]), close(ports[1]);

  const std::optional<Event> out = wait_for(of(PK_EXEC, outbound_pid));
  const std::optional<Event> in = wait_for(of(PK_EXEC, inbound_pid));
  ASSERT_TRUE(out && in);
  for (const pk_fd& fd : out->as<pk_exec>()->fd) {
    EXPECT_EQ(fd.kind, PK_FD_INET);
    EXPECT_EQ(fd.direction, PK_DIR_OUTBOUND);
    EXPECT_EQ(fd.remote_port, outside.port());
    EXPECT_NE(fd.local_port, 0);
    EXPECT_EQ(fd.family, AF_INET);
    EXPECT_EQ(fd.proto, IPPROTO_TCP);
    EXPECT_TRUE(is_loopback4(fd.remote_addr));
  }
  for (const pk_fd& fd : in->as<pk_exec>()->fd) {
    EXPECT_EQ(fd.kind, PK_FD_INET);
    EXPECT_EQ(fd.direction, PK_DIR_INBOUND);
    EXPECT_EQ(fd.local_port, port);
  }
}

}  // namespace
}  // namespace picket::live
