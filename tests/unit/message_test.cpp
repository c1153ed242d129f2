// Bytes from the network that the agent takes apart: DNS messages, the first TLS record, and what
// is remembered of them.
#include <gtest/gtest.h>

#include "agent/detect/replay/test_messages.h"
#include "agent/enrich/dns_message.h"
#include "agent/enrich/peer_names.h"
#include "agent/enrich/tls_hello.h"

namespace picket {
namespace {

IpAddress ip4(uint8_t last) { return {.v6 = false, .bytes = {192, 0, 2, last}}; }

std::string framed(const std::string& message) {
  return std::string{static_cast<char>(message.size() >> 8), static_cast<char>(message.size())} +
         message;
}

TEST(DnsMessage, QuestionAndAnswers) {
  const std::string bytes =
      TestDnsMessage{.name = "WWW.Example.org",
                     .answers = {"edge.example.org", "192.0.2.7", "2001:db8::7"},
                     .response = true}
          .bytes();
  DnsMessage message;
  ASSERT_TRUE(message.decode(bytes, false));
  EXPECT_TRUE(message.response);
  EXPECT_EQ(message.name, "www.example.org");
  EXPECT_EQ(dns_type_name(message.type), "A");
  EXPECT_EQ(dns_rcode_name(message.rcode), "NOERROR");
  ASSERT_EQ(message.answers.size(), 3u);
  EXPECT_EQ(message.answers[0].text, "edge.example.org");
  EXPECT_EQ(message.answers[1].text, "192.0.2.7");
  EXPECT_EQ(message.answers[1].address, ip4(7));
  EXPECT_EQ(message.answers[1].ttl_s, 300u);
  EXPECT_EQ(message.answers[2].text, "2001:db8::7");
}

TEST(DnsMessage, OverTcpWithItsLengthAndWithout) {
  const std::string bytes = TestDnsMessage{.name = "example.org"}.bytes();
  DnsMessage message;
  EXPECT_TRUE(message.decode(framed(bytes), true));
  EXPECT_EQ(message.name, "example.org");
  EXPECT_TRUE(message.decode(bytes, true));  // the length went ahead by itself
  EXPECT_EQ(message.name, "example.org");
  EXPECT_TRUE(message.decode(framed(bytes) + framed(bytes), true));  // two at once: the first
  EXPECT_FALSE(message.decode(framed(bytes).substr(0, 2), true));
}

TEST(DnsMessage, EveryCutIsReadWithoutHarm) {
  const std::string bytes =
      TestDnsMessage{.name = "a.example.org", .answers = {"192.0.2.1"}, .response = true}.bytes();
  DnsMessage message;
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of exactly its size: a sanitizer sees one byte too far.
    const std::string cut(bytes, 0, size);
    const bool whole_question = size >= 12 + 15 + 4;
    EXPECT_EQ(message.decode(cut, false), whole_question) << size;
    EXPECT_TRUE(message.answers.empty());
  }
}

TEST(DnsMessage, CompressionCannotLoop) {
  std::string bytes = TestDnsMessage{.name = "ab"}.bytes().substr(0, 12);
  DnsMessage message;
  EXPECT_FALSE(
      message.decode(bytes + std::string("\xc0\x0c\x00\x01\x00\x01", 6), false));  // itself
  EXPECT_FALSE(message.decode(bytes + std::string("\xc0\x0e\xc0\x0c\x00\x01", 6), false));  // ahead
  EXPECT_FALSE(message.decode(bytes + std::string("\x01"
                                                  "a\xc0\x0c\x00\x01\x00\x01",
                                                  8),
                              false));
}

TEST(DnsMessage, OddBytesOfANameAreEscaped) {
  const std::string header = TestDnsMessage{}.bytes().substr(0, 12);
  DnsMessage message;
  ASSERT_TRUE(message.decode(header + std::string("\x04"
                                                  "a.\x1b\\\x00\x00\x10\x00\x01",
                                                  10),
                             false));
  EXPECT_EQ(message.name, "a\\046\\027\\092");
  EXPECT_EQ(dns_type_name(message.type), "TXT");
  EXPECT_EQ(dns_type_name(65280), "TYPE65280");
  ASSERT_TRUE(message.decode(header + std::string("\x00\x00\x01\x00\x01", 5), false));
  EXPECT_EQ(message.name, ".");
}

TEST(TlsHello, NameAndEveryCut) {
  const std::string hello = tls_hello("dns.example.org");
  ASSERT_TRUE(server_name_of(hello));
  EXPECT_EQ(*server_name_of(hello), "dns.example.org");
  for (size_t size = 0; size < hello.size(); ++size)
    EXPECT_FALSE(server_name_of(std::string(hello, 0, size))) << size;
  EXPECT_EQ(server_name_of(hello + "more"), "dns.example.org");
  EXPECT_FALSE(server_name_of("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"));
  EXPECT_FALSE(is_nameless_hello(hello));
  EXPECT_TRUE(is_nameless_hello(tls_hello("localhost")));
  EXPECT_FALSE(is_nameless_hello("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_FALSE(server_name_of(tls_hello("evil\r\nname")));
}

DnsMessage answer(const std::string& name, const std::vector<std::string>& answers) {
  DnsMessage message;
  const std::string bytes =
      TestDnsMessage{.name = name, .answers = answers, .response = true}.bytes();
  EXPECT_TRUE(message.decode(bytes, false));
  return message;
}

TEST(PeerNames, AreOfOneWorkspaceAndEndByEventTime) {
  PeerNames names({.grace_ns = 10});
  constexpr uint64_t kLast = 100 + 10 + 300'000'000'000;
  names.learn(1, answer("a.example", {"192.0.2.1"}), 100);
  EXPECT_EQ(names.find(1, ip4(1), 100), "a.example");
  EXPECT_EQ(names.find(2, ip4(1), 100), "");
  EXPECT_EQ(names.find(1, ip4(2), 100), "");
  EXPECT_EQ(names.find(1, ip4(1), kLast), "a.example");
  EXPECT_EQ(names.find(1, ip4(1), kLast + 1), "");
  names.learn(1, answer("b.example", {"192.0.2.1"}), 200);
  EXPECT_EQ(names.find(1, ip4(1), 200), "b.example");  // the last one asked for
  names.forget(1);
  EXPECT_EQ(names.find(1, ip4(1), 200), "");
}

TEST(PeerNames, TheOldestGoesWhenAWorkspaceHasTooMany) {
  PeerNames names({.max_workspaces = 1, .max_addresses = 2});
  names.learn(1, answer("a.example", {"192.0.2.1"}), 1);
  names.learn(1, answer("b.example", {"192.0.2.2", "192.0.2.3"}), 2);
  EXPECT_EQ(names.find(1, ip4(1), 3), "");
  EXPECT_EQ(names.find(1, ip4(2), 3), "b.example");
  EXPECT_EQ(names.find(1, ip4(3), 3), "b.example");
  names.learn(2, answer("c.example", {"192.0.2.1"}), 4);
  EXPECT_EQ(names.find(2, ip4(1), 5), "");
}

}  // namespace
}  // namespace picket
