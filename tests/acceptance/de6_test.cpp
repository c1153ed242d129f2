// DE6: a miner under an honest name is known by its handshake, on port 443 too, and one behind TLS
// by its shape: no rest beside one quiet connection. Minutes are seconds here, by configuration
// and by a rule of the shipped shape with a shorter connection.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

TEST_F(EgressTest, TheHandshakeIsKnownUnderAnyNameAndPort) {
  deploy();
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "de6"});
  ASSERT_TRUE(container);
  run(*container, {"cp", "/opt/picket-test/contact", "/tmp/node"});
  run(*container, {"contact", "serve", "127.0.0.9", "443"});
  const std::vector<std::string> handshakes = {
      R"({"id":1,"method":"mining.subscribe","params":["x/1.0"]}\n)",
      R"({"id":2,"jsonrpc":"2.0","method":"login","params":{"login":"w","pass":"x","agent":"y"}}\n)",
      R"({"id":3,"method":"eth_submitLogin","params":["0xabc"],"jsonrpc":"2.0"}\n)",
      R"(POST / HTTP/1.1\nHost: pool\n\n{ "method" : "mining.authorize", "params": ["w", "x"] })",
  };
  for (const std::string& bytes : handshakes)
    run(*container, {"/tmp/node", "tcp", "127.0.0.9", "443", bytes});
  const auto alerts = found(*container, "miner_handshake");
  ASSERT_EQ(alerts.size(), handshakes.size()) << Alert(alerts).dump(1);
  for (const Alert& alert : alerts) {
    expect_identity(alert, *container);
    EXPECT_EQ(alert["process"]["exe"], "/tmp/node");
    EXPECT_EQ(alert["priority"], "CRITICAL");
  }
  // What only looks alike.
  for (const std::string bytes :
       {R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"processId":1}}\n)",
        R"({"jsonrpc":"2.0","method":"login","params":{"user":"ann","password":"x"}}\n)",
        R"(GET /mining.subscribe HTTP/1.1\nHost: docs\n\n)"})
    run(*container, {"contact", "tcp", "127.0.0.9", "443", bytes});
  EXPECT_EQ(found(*container, "miner_handshake").size(), handshakes.size());
}

// The shipped rule waits for a connection of a minute.
const std::string kShort = R"(
- rule: test.shape
  desc: Of a test
  sequence:
    by: lineage
    within: 10m
    steps:
      - step: computes
        condition: arithmetic_without_rest
        count: 2
      - step: stays_connected
        condition: >
          evt.type = flow and event.flow.closed = false and fd.is_server = false
          and flow.seconds >= 3 and flow.bytes <= 262144
  output: "%proc.cmdline"
  priority: WARNING
)";

TEST_F(EgressTest, ThePoolBehindTlsIsKnownByItsShape) {
  deploy({.rules = kShort,
          .agent_settings = "sensor: {cpu_interval_seconds: 1, flow_interval_seconds: 1}\n"});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "de6-shape"});
  ASSERT_TRUE(container);
  run(*container, {"contact", "serve", "127.0.0.9", "443"});
  run(*container, {"cp", "/opt/picket-test/contact", "/tmp/python3"});
  run(*container, {"contact", "compute", "4"});  // no connection
  // Eight seconds are enough where the machine is its own; on a busy one it goes on until it is
  // seen.
  ASSERT_TRUE(container->launch({"/tmp/python3", "mine", "60", "127.0.0.9", "443"}).ok());
  const auto alert = deployment().alerts().wait_for(
      "test.shape", [](const Alert& alert) { return alert["rule"] == "test.shape"; });
  ASSERT_TRUE(alert.ok()) << alert.status();
  EXPECT_EQ((*alert)["process"]["cmdline"], "/tmp/python3 mine 60 127.0.0.9 443");
  expect_identity(*alert, *container);
  for (const Alert& other : found(*container, "test.shape"))
    EXPECT_EQ(other["id"], (*alert)["id"]) << other;
}

}  // namespace
}  // namespace picket::test
