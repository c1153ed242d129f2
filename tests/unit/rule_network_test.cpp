// The fields of sockets, flows and messages as rules see them.
#include <gtest/gtest.h>

#include "agent/detect/replay/test_messages.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

Scene accepted() {
  Scene scene(PK_SOCKET);
  scene.with("call", "accept4").with("proto", "tcp").with("kind", "stream");
  scene.with("direction", "inbound").with("local_addr", "10.0.0.5").with("local_port", "8080");
  scene.with("remote_addr", "192.0.2.9").with("remote_port", "40000");
  return scene;
}

TEST(RuleNetwork, TheServerOfAnAcceptedConnectionIsThisSide) {
  const Scene scene = accepted();
  EXPECT_TRUE(scene.matches("evt.type = accept4 and fd.is_server = true and fd.connected = true"));
  EXPECT_FALSE(scene.matches("evt.type in (accept, connect, socket)"));
  EXPECT_TRUE(scene.matches("fd.sip = 10.0.0.5 and fd.sport = 8080"));
  EXPECT_TRUE(scene.matches("fd.cip = 192.0.2.9 and fd.cport = 40000"));
  EXPECT_TRUE(scene.matches("fd.lip = 10.0.0.5 and fd.rip = 192.0.2.9 and fd.rport = 40000"));
  EXPECT_TRUE(scene.matches("fd.name = 192.0.2.9:40000->10.0.0.5:8080"));
  EXPECT_TRUE(scene.matches("fd.typechar = 4 and fd.l4proto = tcp and evt.rawres >= 0"));
  EXPECT_TRUE(scene.matches("fd.cnet in (192.0.2.0/24) and fd.snet = 10.0.0.0/8"));
}

TEST(RuleNetwork, AListenerHasOneEnd) {
  Scene scene(PK_SOCKET);
  scene.with("call", "listen").with("direction", "listen").with("proto", "tcp");
  scene.with("local_addr", "::").with("local_port", "22");
  EXPECT_TRUE(scene.matches("evt.type = listen and fd.is_server = true and fd.connected = false"));
  EXPECT_TRUE(scene.matches("fd.sport = 22 and fd.typechar = 6 and fd.name = \":::22\""));
  EXPECT_FALSE(scene.matches("fd.cip exists"));
  EXPECT_FALSE(scene.matches("fd.rport exists"));
}

TEST(RuleNetwork, AUnixSocketIsItsPath) {
  Scene scene(PK_SOCKET);
  scene.with("call", "connect").with("family", "unix").with("direction", "outbound");
  scene.with("path", "/var/run/docker.sock").with("peer_pid", "7").with("result", "-13");
  EXPECT_TRUE(scene.matches("evt.type = connect and fd.name = /var/run/docker.sock"));
  EXPECT_TRUE(scene.matches("fd.typechar = u and fd.type = unix and fd.sockfamily = unix"));
  EXPECT_TRUE(scene.matches("evt.res = EACCES and evt.rawres = -13 and fd.connected = false"));
  EXPECT_FALSE(scene.matches("fd.ip exists"));
  EXPECT_FALSE(scene.matches("fd.l4proto exists"));
}

TEST(RuleNetwork, ADatagramNamesItsUnixSocketAndIsNoConnection) {
  Scene scene(PK_SOCKET);
  scene.with("call", "sendto").with("family", "unix").with("direction", "outbound");
  scene.with("kind", "dgram").with("path", "/dev/log").with("result", "5");
  EXPECT_TRUE(scene.matches("evt.type = sendto and fd.name = /dev/log and fd.typechar = u"));
  EXPECT_TRUE(scene.matches("fd.connected = false and evt.res = SUCCESS"));
  scene.with("path", std::string_view("@a\0b", 4));
  EXPECT_TRUE(scene.matches("fd.name = '@a\\0b'"));
}

TEST(RuleNetwork, ASocketIsItsDomain) {
  Scene scene(PK_SOCKET);
  scene.with("call", "socket").with("family", "packet").with("kind", "raw");
  EXPECT_TRUE(scene.matches("evt.type = socket and evt.arg.domain contains AF_PACKET"));
  EXPECT_TRUE(scene.matches("evt.res = SUCCESS"));
  EXPECT_FALSE(scene.matches("fd.typechar exists"));
  Scene raw(PK_SOCKET);
  raw.with("call", "socket").with("family", "ipv4").with("kind", "raw").with("proto", "icmp");
  EXPECT_TRUE(raw.matches("fd.l4proto = raw and evt.arg.domain = AF_INET"));
  EXPECT_FALSE(accepted().matches("evt.arg.domain exists"));
}

TEST(RuleNetwork, AConnectIsUnderWayOrRefused) {
  Scene tcp(PK_CONNECT);
  tcp.with("remote_addr", "192.0.2.1").with("remote_port", "443").with("source", "state");
  EXPECT_TRUE(tcp.matches("evt.res = EINPROGRESS and evt.rawres < 0 and fd.is_server = false"));
  Scene udp(PK_CONNECT);
  udp.with("remote_addr", "192.0.2.1").with("source", "sendmsg");
  EXPECT_TRUE(udp.matches("evt.rawres >= 0 and fd.connected = false and fd.name_changed = true"));
  udp.with("denied", "true");
  EXPECT_TRUE(udp.matches("evt.res = EPERM"));
}

TEST(RuleNetwork, Messages) {
  Scene dns(PK_DNS);
  const std::string answer = TestDnsMessage{.name = "evil.example",
                                            .type = "TXT",
                                            .rcode = "NXDOMAIN",
                                            .answers = {"192.0.2.1", "a.example"},
                                            .response = true}
                                 .bytes();
  ASSERT_TRUE(dns.record.set("message", std::string_view(answer)).ok());
  EXPECT_TRUE(dns.matches("evt.type = dns and dns.question.name endswith .example"));
  EXPECT_TRUE(dns.matches("dns.question.type = TXT and dns.rcode = NXDOMAIN"));
  EXPECT_TRUE(dns.matches("dns.answers intersects (a.example)"));
  EXPECT_FALSE(dns.matches("dns.answers in (a.example)"));
  EXPECT_TRUE(dns.matches("dns.answers in (a.example, 192.0.2.1)"));
  EXPECT_FALSE(accepted().matches("dns.rcode exists"));
  Scene payload(PK_PAYLOAD);
  const std::string hello = tls_hello("dns.example");
  ASSERT_TRUE(payload.record.set("data", std::string_view(hello)).ok());
  EXPECT_TRUE(payload.matches("tls.sni = dns.example"));
  EXPECT_FALSE(Scene(PK_PAYLOAD).matches("tls.sni exists"));
}

}  // namespace
}  // namespace picket
