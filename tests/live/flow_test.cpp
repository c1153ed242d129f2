// Flows on real kernel events: how much moved through a socket, whose it is, and the first bytes.
#include <sys/wait.h>

#include <optional>

#include "tests/live/live_sensor.h"
#include "tests/live/sockets.h"

namespace picket::live {
namespace {

class Flows : public LiveSensorTest {
 protected:
  // The record that ends the flow of a process.
  std::optional<Event> end_of(pid_t pid) {
    return wait_for([&](const Event& event) {
      return of(PK_FLOW, pid)(event) && event.as<pk_flow>()->closed == 1;
    });
  }
};

bool send_all(int fd, size_t bytes) {
  const std::string block(std::min<size_t>(bytes, 64 << 10), 'x');
  for (size_t sent = 0; sent < bytes;) {
    const ssize_t part = write(fd, block.data(), std::min(block.size(), bytes - sent));
    if (part <= 0) return false;
    sent += static_cast<size_t>(part);
  }
  return true;
}

size_t read_all(int fd) {
  char block[65536];
  size_t got = 0;
  for (ssize_t part; (part = read(fd, block, sizeof(block))) > 0;) got += static_cast<size_t>(part);
  return got;
}

// Sends, half closes, reads what comes back.
int exchange(uint16_t port, size_t out, size_t expected_in) {
  const int fd = connect_to(SOCK_STREAM, loopback4(port));
  if (fd < 0 || !send_all(fd, out) || shutdown(fd, SHUT_WR) != 0) return 1;
  const size_t got = read_all(fd);
  close(fd);
  return got == expected_in ? 0 : 2;
}

TEST_F(Flows, TcpBytesAreExactAndTheProcessIsNamed) {
  share();
  const auto box = workspace();
  const Listener outside;
  constexpr size_t kOut = 3'000'001, kIn = 1'234'567;
  Child client = spawn_in(*box, [&] { return exchange(outside.port(), kOut, kIn); });
  const pid_t pid = client.pid();
  const int served = accept(outside.fd(), nullptr, nullptr);
  EXPECT_EQ(read_all(served), kOut);
  EXPECT_TRUE(send_all(served, kIn));
  close(served);
  EXPECT_EQ(client.wait(), 0);
  const auto end = end_of(pid);
  ASSERT_TRUE(end);
  const pk_flow* flow = end->as<pk_flow>();
  EXPECT_EQ(flow->bytes_out, kOut);
  EXPECT_EQ(flow->bytes_in, kIn);
  EXPECT_EQ(flow->ends.direction, PK_DIR_OUTBOUND);
  EXPECT_EQ(flow->ends.remote_port, outside.port());
  EXPECT_TRUE(is_loopback4(flow->ends.remote_addr));
  EXPECT_EQ(end->header().cgroup_id, box->id());
  EXPECT_LT(flow->opened_ns, end->header().time_ns);
  EXPECT_EQ(count(of(PK_FLOW, pid)), 1u);
}

TEST_F(Flows, AnAcceptedConnectionBelongsToWhoAcceptsIt) {
  share();
  const auto box = workspace();
  int ports[2];
  ASSERT_EQ(pipe(ports), 0);
  Child server = spawn_in(*box, [&] {
    const Listener inside;
    const uint16_t port = inside.port();
    if (write(ports[1], &port, sizeof(port)) != sizeof(port)) return 1;
    const int fd = accept(inside.fd(), nullptr, nullptr);
    return read_all(fd) == 1000 && send_all(fd, 500) ? 0 : 1;
  });
  const pid_t pid = server.pid();
  uint16_t port = 0;
  ASSERT_EQ(read(ports[0], &port, sizeof(port)), static_cast<ssize_t>(sizeof(port)));
  EXPECT_EQ(exchange(port, 1000, 500), 0);
  EXPECT_EQ(server.wait(), 0);
  close(ports[0]), close(ports[1]);
  const auto end = end_of(pid);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->as<pk_flow>()->bytes_in, 1000u);
  EXPECT_EQ(end->as<pk_flow>()->bytes_out, 500u);
  EXPECT_EQ(end->as<pk_flow>()->ends.direction, PK_DIR_INBOUND);
  EXPECT_EQ(end->header().cgroup_id, box->id());
}

TEST_F(Flows, DatagramsAreCountedBothWays) {
  share();
  const auto box = workspace();
  const int server = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in own = loopback4(0);
  socklen_t length = sizeof(own);
  ASSERT_EQ(bind(server, reinterpret_cast<const sockaddr*>(&own), sizeof(own)), 0);
  getsockname(server, reinterpret_cast<sockaddr*>(&own), &length);
  Child client = spawn_in(*box, [&] {
    const int fd = connect_to(SOCK_DGRAM, own);
    char answer[64];
    for (int i = 0; i < 3; ++i)
      if (write(fd, "0123456789", 10) != 10 || read(fd, answer, sizeof(answer)) != 25) return 1;
    return 0;
  });
  const pid_t pid = client.pid();
  for (int i = 0; i < 3; ++i) {
    char question[64];
    sockaddr_in peer{};
    length = sizeof(peer);
    ASSERT_EQ(recvfrom(server, question, sizeof(question), 0, reinterpret_cast<sockaddr*>(&peer),
                       &length),
              10);
    ASSERT_EQ(sendto(server, "0123456789012345678901234", 25, 0,
                     reinterpret_cast<const sockaddr*>(&peer), length),
              25);
  }
  close(server);
  EXPECT_EQ(client.wait(), 0);
  const auto end = end_of(pid);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->as<pk_flow>()->bytes_out, 30u);
  EXPECT_EQ(end->as<pk_flow>()->bytes_in, 75u);
  EXPECT_EQ(end->as<pk_flow>()->ends.proto, IPPROTO_UDP);
}

// An interval of nothing: each packet finds it over.
TEST_F(Flows, WhatMovesIsToldWhileItMoves) {
  BpfSensorOptions options;
  options.flow_interval = std::chrono::nanoseconds(0);
  start(options);
  const auto box = workspace();
  const Listener outside;
  Child client = spawn_in(*box, [&] {
    const int fd = connect_to(SOCK_STREAM, loopback4(outside.port()));
    char answer = 0;
    for (int i = 0; i < 5; ++i)
      if (!send_all(fd, 1000) || read(fd, &answer, 1) != 1) return 1;
    return 0;
  });
  const pid_t pid = client.pid();
  const int served = accept(outside.fd(), nullptr, nullptr);
  char block[1000];
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(recv(served, block, sizeof(block), MSG_WAITALL), 1000);
    ASSERT_EQ(write(served, "a", 1), 1);
  }
  EXPECT_EQ(client.wait(), 0);
  close(served);
  ASSERT_TRUE(end_of(pid));
  const auto told = select(of(PK_FLOW, pid));
  ASSERT_GE(told.size(), 5u);
  uint64_t before = 0;
  for (const Event& event : told) {
    const pk_flow* flow = event.as<pk_flow>();
    EXPECT_GE(flow->bytes_in + flow->bytes_out, before);
    before = flow->bytes_in + flow->bytes_out;
  }
  EXPECT_EQ(before, 5005u);
  EXPECT_EQ(told.front().as<pk_flow>()->closed, 0);
}

TEST_F(Flows, FirstBytesOfAnOutgoingConnectionAreToldOnce) {
  share();
  const auto box = workspace();
  const Listener outside;
  Child client = spawn_in(*box, [&] {
    const int fd = connect_to(SOCK_STREAM, loopback4(outside.port()));
    return write(fd, "SSH-2.0-first\r\n", 15) == 15 && send_all(fd, 100'000) ? 0 : 1;
  });
  const pid_t pid = client.pid();
  const int served = accept(outside.fd(), nullptr, nullptr);
  EXPECT_EQ(read_all(served), 100'015u);
  close(served);
  EXPECT_EQ(client.wait(), 0);
  ASSERT_TRUE(end_of(pid));
  const auto told = select(of(PK_PAYLOAD, pid));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].text(told[0].as<pk_payload>()->data), "SSH-2.0-first\r\n");
  EXPECT_EQ(told[0].as<pk_payload>()->ends.remote_port, outside.port());
}

TEST_F(Flows, DnsMessagesAreToldWithWhoAsked) {
  share();
  const auto box = workspace();
  Child client = spawn_in(*box, [&] {
    // Nobody answers: the question is told all the same, the closed port is not waited for.
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in server = loopback4(53);
    const std::string question(
        "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02ok\x00\x00\x01\x00\x01", 20);
    return sendto(fd, question.data(), question.size(), 0,
                  reinterpret_cast<const sockaddr*>(&server), sizeof(server)) == 20
               ? 0
               : 1;
  });
  const pid_t pid = client.pid();
  EXPECT_EQ(client.wait(), 0);
  const auto told = wait_for(of(PK_DNS, pid));
  ASSERT_TRUE(told);
  const pk_dns* dns = told->as<pk_dns>();
  EXPECT_EQ(dns->answer, 0);
  EXPECT_EQ(dns->ends.remote_port, 53);
  EXPECT_TRUE(is_loopback4(dns->ends.remote_addr));
  EXPECT_EQ(told->text(dns->message).size(), 20u);
  EXPECT_EQ(told->text(dns->message).substr(12, 3), std::string_view("\x02ok"));
}

// A workspace that opens more sockets than its share loses flows, counted; another one is counted.
TEST_F(Flows, AWorkspaceHasNoMoreThanItsShare) {
  BpfSensorOptions options;
  options.ring_bytes = 8 << 20;  // holds a record of each connect
  start(options);
  const auto greedy = workspace(1), modest = workspace(2);
  constexpr int kMore = PK_FLOWS_PER_WORKSPACE + 50;
  int ready[2], go[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(go), 0);
  Child taker = spawn_in(*greedy, [&] {
    // Many processes, because each has few descriptors.
    constexpr int kEach = 500;
    for (int left = kMore; left > 0; left -= kEach) {
      if (fork() != 0) continue;
      close(go[1]);
      for (int i = 0; i < std::min(kEach, left); ++i) connect_to(SOCK_DGRAM, loopback4(9));
      char byte = 0;
      if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 0) _exit(1);
      _exit(0);
    }
    close(go[1]);
    while (wait(nullptr) > 0) {
    }
    return 0;
  });
  for (int i = 0; i < (kMore + 499) / 500; ++i) {
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
  }
  const Listener outside;
  Child client = spawn_in(*modest, [&] { return exchange(outside.port(), 10, 0); });
  const pid_t pid = client.pid();
  const int served = accept(outside.fd(), nullptr, nullptr);
  EXPECT_EQ(read_all(served), 10u);
  close(served);
  EXPECT_EQ(client.wait(), 0);
  EXPECT_TRUE(end_of(pid));
  close(go[1]), close(go[0]), close(ready[0]), close(ready[1]);
  EXPECT_EQ(taker.wait(), 0);
  uint64_t lost = 0;
  for (const Loss& loss : sensor_->losses())
    if (loss.type == PK_FLOW && loss.workspace == greedy->id()) lost += loss.count;
  EXPECT_EQ(lost, 50u);
}

}  // namespace
}  // namespace picket::live
