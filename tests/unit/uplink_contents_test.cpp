// What goes over the wire and what does not.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>

#include "tests/unit/uplink_fixture.h"

namespace picket {
namespace {

// By this process's connections to the port, as the kernel counts them.
uint64_t bytes_sent_to(int port) {
  uint64_t sent = 0;
  for (int fd = 3; fd < 1024; ++fd) {
    sockaddr_in6 peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    // Of both families the port lies at the same place; gRPC's sockets are of IPv6.
    const bool is_tcp = peer.sin6_family == AF_INET || peer.sin6_family == AF_INET6;
    if (!is_tcp || ntohs(peer.sin6_port) != port) continue;
    tcp_info info{};
    size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) sent += info.tcpi_bytes_acked;
  }
  return sent;
}

TEST_F(UplinkTest, SendsAFractionOfTheBytesOfAlertsThatAreAlike) {
  collector_.start();
  start();
  uint64_t payload = 0;
  for (int i = 1; i <= 2000; ++i) {
    v1::Envelope envelope;
    envelope.mutable_alert()->set_id(std::to_string(i));
    envelope.mutable_alert()->mutable_process()->set_cmdline(std::string(400, 'x'));
    payload += envelope.ByteSizeLong();
    ASSERT_TRUE(uplink_->publish(std::move(envelope), 5));
  }
  ASSERT_TRUE(collector_.wait_until(committed(2000)));
  const uint64_t sent = bytes_sent_to(collector_.port());
  EXPECT_GT(sent, 0U);
  EXPECT_LT(sent, payload / 5);
}

TEST_F(UplinkTest, WhatTheOutboxDroppedIsMissingByNumber) {
  collector_.start();
  options_.outbox_capacity = 10;
  start();
  for (int i = 0; i < 5000; ++i) {
    v1::Envelope envelope;
    envelope.mutable_alert()->set_id(std::to_string(i));
    (void)uplink_->publish(std::move(envelope), 3);
  }
  uplink_->stop(seconds(60));
  std::set<uint64_t> received;
  for (const v1::Envelope& envelope : collector_.state().received)
    EXPECT_TRUE(received.insert(envelope.sequence()).second);
  uint64_t lost = 0, last = *received.rbegin();
  for (const UplinkLoss& loss : losses_) {
    EXPECT_EQ(loss.where, "outbox");
    EXPECT_EQ(loss.last_sequence - loss.first_sequence + 1, loss.count);
    for (uint64_t i = loss.first_sequence; i <= loss.last_sequence; ++i)
      EXPECT_FALSE(received.contains(i)) << i;
    lost += loss.count;
    last = std::max(last, loss.last_sequence);
  }
  EXPECT_GT(lost, 0U) << "the outbox was large enough";
  EXPECT_EQ(received.size() + lost, 5000U);
  EXPECT_EQ(last, 5000U) << "each has its number";
}

TEST_F(UplinkTest, NothingThatGivesAccessReachesSpoolOrCollector) {
  collector_.start();
  start();
  v1::Envelope envelope;
  envelope.mutable_alert()->set_id("1");
  envelope.mutable_alert()->mutable_process()->set_cmdline("mysql --password=hunter2");
  ASSERT_TRUE(uplink_->publish(std::move(envelope), 0));
  uplink_->stop(seconds(60));
  EXPECT_EQ(collector_.state().committed.at(epoch_)[0].alert().process().cmdline(),
            "mysql --password=[masked]");
}

}  // namespace
}  // namespace picket
