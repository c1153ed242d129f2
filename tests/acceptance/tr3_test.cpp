// TR3: peers without TLS 1.3 or without a good certificate are refused on both sides, with a
// counted reason; certificates are replaced without a restart and without a break in the stream.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/http.h"

namespace picket::test {
namespace {

class TR3 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto started =
        Deployment::with_collector(sandbox(), {.rules = kMarkRule, .shipped_rules = false});
    ASSERT_TRUE(started.ok()) << started.status();
    deployment_ = *std::move(started);
    ASSERT_TRUE(deployment().pki({"init"}, "foreign").ok());
    for (std::vector<std::string> one : std::vector<std::vector<std::string>>{
             {"issue", "node", "foreign-node"}, {"issue", "collector", "foreign-collector"}})
      ASSERT_TRUE(deployment().pki(one, "foreign").ok());
    for (std::vector<std::string> one : std::vector<std::vector<std::string>>{
             {"issue", "collector", "other-collector"},
             {"issue", "node", "late-node", "--days", "-1"},
             {"issue", "collector", "late-collector", "--days", "-1"}})
      ASSERT_TRUE(deployment().pki(one).ok());
  }

  static double refused(uint16_t http, const std::string& reason) {
    return metric(http, "picket_tls_refused_total", fmt::format("reason=\"{}\"", reason))
        .value_or(-1);
  }

  // The peer of the collector: its own words do not matter, the collector's count does.
  void expect_collector_refuses(const std::string& reason, const std::function<void()>& attempt) {
    double before = refused(deployment().collector_http(), reason);
    attempt();
    EXPECT_TRUE(until([&] { return refused(deployment().collector_http(), reason) > before; }))
        << reason;
  }

  void handshake(std::vector<std::string> more) {
    std::vector<std::string> argv = {"openssl",
                                     "s_client",
                                     "-brief",
                                     "-alpn",
                                     "h2",
                                     "-connect",
                                     fmt::format("127.0.0.1:{}", deployment().collector_port())};
    argv.insert(argv.end(), more.begin(), more.end());
    ASSERT_TRUE(run_program({.argv = argv}).ok());
  }

  std::vector<std::string> certificate(const std::string& folder, const std::string& name) {
    return {"-cert", sandbox().path(fmt::format("{}/{}.crt", folder, name)), "-key",
            sandbox().path(fmt::format("{}/{}.key", folder, name))};
  }

  void expect_agent_refuses(const std::string& reason, std::vector<std::string> server) {
    std::string port = std::to_string(free_port().value());
    server.insert(server.begin(),
                  {"openssl", "s_server", "-quiet", "-alpn", "h2", "-accept", "127.0.0.1:" + port});
    auto impostor = Subprocess::start({.argv = std::move(server)});
    ASSERT_TRUE(impostor.ok()) << impostor.status();
    expect_agent_refuses_at(reason, static_cast<uint16_t>(std::stoi(port)));
  }

  // What the collector calls the node that reports over a connection made after this call.
  std::string node_after_reconnect(Container& container, int round) {
    absl::Status again = deployment().stop_collector();
    if (again.ok()) again = deployment().start_collector();
    EXPECT_TRUE(again.ok()) << again;
    std::string mark = fmt::format("mark-reconnect-{}", round);
    EXPECT_TRUE(container.run({"true", mark}).ok());
    auto alert = deployment().alerts().wait_for(mark, [&](const Alert& alert) {
      return alert["process"]["cmdline"].get<std::string>().ends_with(mark);
    });
    EXPECT_TRUE(alert.ok()) << alert.status();
    return alert.ok() ? (*alert)["node"].get<std::string>() : "";
  }

  void expect_agent_refuses_at(const std::string& reason, uint16_t port) {
    ASSERT_TRUE(deployment().point_agent_at(port).ok());
    absl::Status started = deployment().start_agent();
    ASSERT_TRUE(started.ok()) << started;
    EXPECT_TRUE(until([&] { return refused(deployment().agent_http(), reason) > 0; })) << reason;
    EXPECT_EQ(metric(deployment().agent_http(), "picket_uplink_connected").value_or(-1), 0);
    EXPECT_TRUE(deployment().stop_agent().ok());
  }
};

TEST_F(TR3, CollectorRefusesBadPeers) {
  expect_collector_refuses("plaintext", [&] {
    Fd peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(deployment().collector_port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(peer.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    ASSERT_EQ(write(peer.get(), preface.data(), preface.size()),
              static_cast<ssize_t>(preface.size()));
    char bytes[256];  // at most a TLS alert, then the end
    while (read(peer.get(), bytes, sizeof bytes) > 0) continue;
  });
  expect_collector_refuses("tls_version", [&] {
    auto arguments = certificate("pki", "node-a");
    arguments.push_back("-tls1_2");
    handshake(arguments);
  });
  expect_collector_refuses("untrusted", [&] { handshake(certificate("pki", "late-node")); });
  expect_collector_refuses("untrusted", [&] { handshake(certificate("foreign", "foreign-node")); });
  expect_collector_refuses("no_certificate", [&] { handshake({}); });
}

TEST_F(TR3, AgentRefusesBadCollectors) {
  auto with = [](std::vector<std::string> arguments, std::vector<std::string> more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  expect_agent_refuses("untrusted", certificate("pki", "late-collector"));
  expect_agent_refuses("untrusted", certificate("foreign", "foreign-collector"));
  expect_agent_refuses("tls_version", with(certificate("pki", "collector"), {"-tls1_2"}));
  expect_agent_refuses("wrong_identity", certificate("pki", "other-collector"));
  // The collector's own HTTP port speaks no TLS at all.
  expect_agent_refuses_at("plaintext", deployment().collector_http());
}

TEST_F(TR3, CertificatesRotateWithoutRestartOrBreak) {
  ASSERT_TRUE(deployment().start_agent().ok());
  auto container = make_container({.id = "tr3-workspace"});
  ASSERT_TRUE(container);
  alerts_so_far(*container);

  auto served = [&] {
    auto shown = run_program(
        {.argv = {"sh", "-c",
                  fmt::format("openssl s_client -connect 127.0.0.1:{} -alpn h2 </dev/null 2>&1 | "
                              "openssl x509 -noout -serial",
                              deployment().collector_port())}});
    return shown.ok() ? shown->out : std::string();
  };
  std::string old_serial = served();
  ASSERT_NE(old_serial, "");
  ASSERT_TRUE(deployment().pki({"issue", "collector", "collector"}).ok());
  EXPECT_TRUE(until([&] {
    std::string now = served();
    return !now.empty() && now != old_serial;
  }));
  alerts_so_far(*container);  // over the connection that was there before
  EXPECT_EQ(metric(deployment().agent_http(), "picket_uplink_connects_total").value_or(-1), 1);

  // The agent's turn. Another name in the new certificate shows at the collector which one it used.
  ASSERT_TRUE(deployment().pki({"issue", "node", "node-b"}).ok());
  for (const char* part : {"key", "crt"})
    std::filesystem::rename(deployment().pki_file(std::string("node-b.") + part),
                            deployment().pki_file(std::string("node-a.") + part));
  // It looks at its files every ten seconds, and a new connection shows what it has.
  int round = 0;
  EXPECT_TRUE(until(
      [&] { return node_after_reconnect(*container, ++round) == "spiffe://picket/node/node-b"; }));
}

}  // namespace
}  // namespace picket::test
