#include "common/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "agent/uplink/stream.h"
#include "common/tls_refusals.h"
#include "tests/unit/dev_pki.h"
#include "tests/unit/fake_collector.h"

namespace picket {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Authorities {
  DevPki ours, foreign;
};

const Authorities& authorities() {
  static const auto* const made = [] {
    auto* both = new Authorities;
    for (const DevPki* pki : {&both->ours, &both->foreign}) {
      pki->issue("collector collector --host 127.0.0.1");
      pki->issue("node n1");
    }
    both->ours.issue("collector other");
    both->ours.issue_with_names("dns-node", "DNS:spiffe://picket/node/evil");
    both->ours.issue_with_names("two-node",
                                "URI:spiffe://other/node/n1,URI:spiffe://picket/node/evil");
    both->ours.issue_with_names("named-node", "DNS:n1.example,URI:spiffe://picket/node/n1");
    both->ours.issue("collector old-collector --days -1");
    both->ours.issue("node old-node --days -1");
    return both;
  }();
  return *made;
}
TlsFiles ours(const std::string& name) { return authorities().ours.files(name); }
TlsFiles foreign(const std::string& name) { return authorities().foreign.files(name); }

RefusalCounts& refusals() {
  static auto* const counts = new RefusalCounts;  // gRPC's last words may come after main
  return *counts;
}

class Process : public testing::Environment {
  void SetUp() override {
    require_tls13();
    count_refusals(refusals());
  }
  void TearDown() override {
    for (const DevPki* pki : {&authorities().ours, &authorities().foreign})
      std::filesystem::remove_all(pki->folder());
  }
};
[[maybe_unused]] const auto* const process = testing::AddGlobalTestEnvironment(new Process);

constexpr const char* kCollector = "spiffe://picket/collector/collector";

struct Attempt {
  bool greeted = false;
  std::string reason;
};

// One try to connect as an agent.
Attempt attempt(const FakeCollector& collector, const TlsFiles& files,
                const std::string& server_id = kCollector) {
  Attempt result;
  Outbox outbox(1);
  const auto streams = grpc_stream_factory(collector.address(), files, server_id);
  const auto stream = streams->connect(outbox);
  v1::ConnectRequest request;
  request.mutable_hello()->set_epoch("e");
  stream->write(request);
  for (;;) {
    for (const StreamReport& report : outbox.take(std::chrono::seconds(60), 0).reports) {
      if (std::holds_alternative<v1::Ack>(report)) {
        result.greeted = true;
        stream->cancel();
      } else if (std::holds_alternative<StreamBroken>(report)) {
        stream->release();
      } else if (const auto* done = std::get_if<StreamDone>(&report)) {
        result.reason = done->reason;
        return result;
      }
    }
  }
}

// The log of the other side may come a moment after our side knows; a count that never comes is
// found by the test's timeout.
void expect_counted(Refusal refusal, uint64_t before) {
  while (refusals().of(refusal) == before) std::this_thread::yield();
}

std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "cannot run it";
  std::array<char, 4096> part{};
  while (fgets(part.data(), part.size(), pipe) != nullptr) output += part.data();
  pclose(pipe);
  return output;
}

std::string s_client(const FakeCollector& collector, const TlsFiles& files,
                     const std::string& options) {
  return output_of("openssl s_client -connect " + collector.address() + " -alpn h2 -CAfile " +
                   files.ca.string() + " -cert " + files.cert.string() + " -key " +
                   files.key.string() + " " + options + " </dev/null");
}

std::string serial(const FakeCollector& collector) {
  return output_of("openssl s_client -connect " + collector.address() + " -alpn h2 -cert " +
                   ours("n1").cert.string() + " -key " + ours("n1").key.string() +
                   " </dev/null 2>/dev/null | openssl x509 -noout -serial");
}

TEST(Tls, ConnectsWithTheRightCertificates) {
  FakeCollector collector(ours("collector"));
  collector.start();
  EXPECT_TRUE(attempt(collector, ours("n1")).greeted);
  EXPECT_THAT(collector.state().peers, testing::ElementsAre("spiffe://picket/node/n1"));
}

TEST(Tls, SpeaksOnlyTls13) {
  FakeCollector collector(ours("collector"));
  collector.start();
  EXPECT_THAT(s_client(collector, ours("n1"), "-tls1_3"),
              AllOf(HasSubstr("TLSv1.3, Cipher is TLS_"), HasSubstr("Verify return code: 0 (ok)")));
  const uint64_t before = refusals().of(Refusal::tls_version);
  EXPECT_THAT(s_client(collector, ours("n1"), "-tls1_2"), HasSubstr("Cipher is (NONE)"));
  expect_counted(Refusal::tls_version, before);
  // A client that offers everything older, too.
  EXPECT_THAT(s_client(collector, ours("n1"), "-no_tls1_3 -cipher ALL:@SECLEVEL=0"),
              HasSubstr("Cipher is (NONE)"));
}

TEST(Tls, TheCollectorRefusesAnExpiredClient) {
  FakeCollector collector(ours("collector"));
  collector.start();
  const uint64_t before = refusals().of(Refusal::untrusted);
  EXPECT_FALSE(attempt(collector, ours("old-node")).greeted);
  EXPECT_TRUE(collector.state().hellos.empty());
  expect_counted(Refusal::untrusted, before);
}

TEST(Tls, TheCollectorRefusesAClientOfAForeignAuthority) {
  FakeCollector collector(ours("collector"));
  collector.start();
  TlsFiles files = foreign("n1");
  files.ca = ours("n1").ca;  // it trusts us; we do not trust it
  const uint64_t before = refusals().of(Refusal::untrusted);
  EXPECT_FALSE(attempt(collector, files).greeted);
  EXPECT_TRUE(collector.state().hellos.empty());
  expect_counted(Refusal::untrusted, before);
}

TEST(Tls, TheCollectorRefusesAClientWithoutACertificate) {
  FakeCollector collector(ours("collector"));
  collector.start();
  const uint64_t before = refusals().of(Refusal::no_certificate);
  // The refusal comes after the handshake as the client sees it, so its own word proves nothing.
  output_of("openssl s_client -connect " + collector.address() + " -alpn h2 -tls1_3 </dev/null");
  expect_counted(Refusal::no_certificate, before);
}

// Signed by our own authority all the same.
TEST(Tls, TheCollectorKnowsAClientByItsOnlyUriName) {
  FakeCollector collector(ours("collector"));
  collector.start();
  EXPECT_FALSE(attempt(collector, ours("dns-node")).greeted);
  EXPECT_FALSE(attempt(collector, ours("two-node")).greeted);
  EXPECT_TRUE(attempt(collector, ours("named-node")).greeted);
  EXPECT_THAT(collector.state().peers, testing::ElementsAre("spiffe://picket/node/n1"));
}

TEST(Tls, TheAgentRefusesAnExpiredCollector) {
  FakeCollector collector(ours("old-collector"));
  collector.start();
  const uint64_t before = refusals().of(Refusal::untrusted);
  const Attempt result = attempt(collector, ours("n1"), "spiffe://picket/collector/old-collector");
  EXPECT_FALSE(result.greeted);
  EXPECT_TRUE(collector.state().hellos.empty());
  expect_counted(Refusal::untrusted, before);
}

TEST(Tls, TheAgentRefusesACollectorOfAForeignAuthority) {
  TlsFiles files = foreign("collector");
  files.ca = ours("collector").ca;
  FakeCollector collector(files);
  collector.start();
  const uint64_t before = refusals().of(Refusal::untrusted);
  EXPECT_FALSE(attempt(collector, ours("n1")).greeted);
  EXPECT_TRUE(collector.state().hellos.empty());
  expect_counted(Refusal::untrusted, before);
}

TEST(Tls, TheAgentRefusesACollectorOfAnotherName) {
  FakeCollector collector(ours("other"));
  collector.start();
  const Attempt result = attempt(collector, ours("n1"));
  EXPECT_FALSE(result.greeted);
  EXPECT_THAT(result.reason, HasSubstr(kCollector));
  EXPECT_TRUE(collector.state().hellos.empty());
  EXPECT_TRUE(attempt(collector, ours("n1"), "spiffe://picket/collector/other").greeted);
}

TEST(Tls, ANodeCannotPlayTheCollector) {
  FakeCollector collector(ours("n1"));
  collector.start();
  EXPECT_FALSE(attempt(collector, ours("n1"), "spiffe://picket/node/n1").greeted);
}

TEST(Tls, RefusesPlaintext) {
  FakeCollector collector(ours("collector"));
  collector.start();
  const uint64_t before = refusals().of(Refusal::plaintext);
  const auto channel = grpc::CreateChannel(collector.address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::AgentService::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->Connect(&context);
  EXPECT_FALSE(stream->Finish().ok());
  EXPECT_TRUE(collector.state().hellos.empty());
  expect_counted(Refusal::plaintext, before);
}

TEST(Tls, UsesAReplacedCertificateWithoutARestart) {
  const DevPki pki;
  pki.issue("collector collector");
  FakeCollector collector(pki.files("collector"));
  collector.start();
  const std::string before = serial(collector);
  ASSERT_THAT(before, HasSubstr("serial="));
  pki.issue("collector collector");
  std::string after;
  // In between the new key may stand beside the old certificate: then nothing is served.
  do {
    after = serial(collector);
  } while (after == before || !after.starts_with("serial="));
  SUCCEED();
}

TEST(CheckFiles, AcceptsWhatBelongsTogether) {
  EXPECT_TRUE(check_files(ours("n1")).ok()) << check_files(ours("n1"));
}

TEST(CheckFiles, SaysWhatIsWrong) {
  const auto message = [](const TlsFiles& files) {
    return std::string(check_files(files).message());
  };
  TlsFiles files = ours("n1");
  files.cert = "/nowhere/n1.crt";
  EXPECT_EQ(message(files),
            "cannot read the certificate /nowhere/n1.crt: No such file or directory");
  files = ours("n1");
  files.ca.clear();
  EXPECT_EQ(message(files), "no file is set for the CA certificate");
  files = ours("n1");
  files.key = foreign("n1").key;
  EXPECT_THAT(message(files), HasSubstr("does not belong to the certificate"));
  EXPECT_THAT(message(ours("old-node")), AllOf(HasSubstr("expired on"), HasSubstr("old-node.crt")));
  files = ours("n1");
  std::swap(files.key, files.cert);
  EXPECT_THAT(message(files), AllOf(HasSubstr("n1.key"), HasSubstr("holds no PEM certificate")));
}

TEST(PeerIdentity, ReadsTheThreeForms) {
  const auto node = parse_spiffe("spiffe://picket/node/n-1.example", "picket");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->kind, PeerIdentity::Kind::node);
  EXPECT_EQ(node->name, "n-1.example");
  const auto collector = parse_spiffe("spiffe://a.b/collector/c", "a.b");
  ASSERT_TRUE(collector);
  EXPECT_EQ(collector->kind, PeerIdentity::Kind::collector);
  const auto person = parse_spiffe("spiffe://picket/operator/analyst/alice", "picket");
  ASSERT_TRUE(person);
  EXPECT_EQ(person->kind, PeerIdentity::Kind::operator_);
  EXPECT_EQ(person->role, "analyst");
  EXPECT_EQ(person->name, "alice");
  EXPECT_EQ(person->uri, "spiffe://picket/operator/analyst/alice");
}

TEST(PeerIdentity, RefusesEverythingElse) {
  for (const char* uri :
       {"", "picket/node/n1", "https://picket/node/n1", "spiffe://other/node/n1",
        "spiffe://picket.evil/node/n1", "spiffe://picketnode/n1", "spiffe://picket/node/",
        "spiffe://picket/node", "spiffe://picket/node/a/b", "spiffe://picket/node/..",
        "spiffe://picket/node/a b", "spiffe://picket/node/a?b", "spiffe://picket/operator/alice",
        "spiffe://picket/operator//alice", "spiffe://picket/operator/admin/",
        "spiffe://picket/operator/admin/a/b", "spiffe://picket/root/n1",
        "SPIFFE://picket/node/n1"}) {
    EXPECT_FALSE(parse_spiffe(uri, "picket")) << uri;
  }
  EXPECT_FALSE(parse_spiffe("spiffe:///node/n1", ""));
}

TEST(PeerIdentity, ACertificateHasExactlyOneUriName) {
  EXPECT_TRUE(peer_identity({"spiffe://picket/node/n1"}, "picket"));
  EXPECT_FALSE(peer_identity(std::vector<std::string>{}, "picket"));
  EXPECT_FALSE(peer_identity({"https://a.example"}, "picket"));
  EXPECT_FALSE(peer_identity({"https://a.example", "spiffe://picket/node/n1"}, "picket"));
  EXPECT_FALSE(
      peer_identity({"spiffe://picket/node/n1", "spiffe://picket/operator/admin/x"}, "picket"));
}

TEST(Refusals, ReadsOnlyLinesAboutHandshakes) {
  EXPECT_FALSE(refusal_of("Subchannel connected"));
  EXPECT_FALSE(refusal_of("certificate has expired, says a message that is about nothing"));
  EXPECT_EQ(refusal_of("Handshake failed with fatal error SSL_ERROR_SSL: something new"),
            Refusal::other);
}

}  // namespace
}  // namespace picket
