// AI2: an AI agent's subtree has an egress policy of its own: a descendant five levels down that
// contacts another host is an alert, however it left its ancestors; the person's own shell in the
// same container is not asked.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

const std::string kPolicy = R"(
- egress: agent
  desc: Of a test
  scope: {agent: claude-code}
  allow:
    - names: [api.allowed.example]
      ports: [443]
)";

class AI2 : public EgressTest {
 protected:
  void SetUp() override {
    EgressTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = kPolicy});
    if (HasFatalFailure()) return;
    container_ = make_container({.id = "ai2", .binds = {"/usr", "/lib", "/lib64"}});
    ASSERT_TRUE(container_);
    for (const char* address : {"203.0.113.80", "198.51.100.7", "2001:db8:2::7"})
      add_address(*container_, address);
    run(*container_, {"dns", "serve", "203.0.113.80"});
    // Who is below the agent runs this to get the rest of its arguments run one level further down.
    person(
        "mkdir -p /project/bin && cp /usr/bin/bash /project/bin/claude && "
        "printf '#!/usr/bin/bash\\n\"$@\"\\nexit 0\\n' >/project/bin/below && "
        "chmod +x /project/bin/below");
  }

  void person(const std::string& script) { run(*container_, {"/usr/bin/bash", "-c", script}); }
  void agent(const std::string& script) {
    run(*container_, {"/project/bin/claude", "-c", script + "; true"});
  }
  std::vector<Alert> told() { return found(*container_, "egress.agent"); }

  std::unique_ptr<Container> container_;
};

TEST_F(AI2, ADescendantFiveLevelsDownIsAskedAndThePersonBesideItIsNot) {
  person("dns ask udp api.allowed.example && contact tcp 203.0.113.80 443; true");
  person("contact tcp 198.51.100.7 443; contact udp 198.51.100.7 9; true");
  agent(
      "contact tcp 203.0.113.80 443; cd /project/bin; ./below ./below ./below contact tcp "
      "203.0.113.80 443");
  EXPECT_THAT(told(), ::testing::IsEmpty());

  agent("cd /project/bin; ./below ./below ./below ./below contact tcp 198.51.100.7 443");
  const auto alerts = told();
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_THAT(alerts[0]["output"].get<std::string>(),
              ::testing::HasSubstr("contact tcp 198.51.100.7 443 to 198.51.100.7 port 443 tcp"));
  EXPECT_EQ(alerts[0]["process"]["agent"], "claude-code");
  ASSERT_GE(alerts[0]["lineage"].size(), 5u);
  EXPECT_EQ(alerts[0]["lineage"][4]["exe"], "/project/bin/claude");
  expect_identity(alerts[0], *container_);
}

TEST_F(AI2, WhoHidesIsAskedAllTheSame) {
  // A daemon whose parents have ended, an emptied environment, a copy under another name, the
  // allowed host at another port, and the other ways to an address.
  agent(
      "(setsid /usr/bin/bash -c 'env -i /opt/picket-test/contact tcp 198.51.100.7 22; true' &) ; "
      "true");
  agent("cp /opt/picket-test/contact /tmp/curl && /tmp/curl udp 198.51.100.7 443");
  agent("dns ask udp api.allowed.example; contact tcp 203.0.113.80 80");
  agent("contact tcp ::ffff:198.51.100.7 443");
  agent("contact tcp 2001:db8:2::7 443");
  const std::vector<std::string> expected = {
      "198.51.100.7 port 22 tcp", "198.51.100.7 port 443 udp", "203.0.113.80 port 80 tcp",
      "198.51.100.7 port 443 tcp", "2001:db8:2::7 port 443 tcp"};
  const auto daemon = deployment().alerts().wait_for("the daemon", [&](const Alert& alert) {
    return of(*container_, alert) && alert["rule"] == "egress.agent" &&
           alert["output"].get<std::string>().find(expected[0]) != std::string::npos;
  });
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  std::vector<std::string> outputs;
  for (const Alert& alert : told()) outputs.push_back(alert["output"]);
  for (const std::string& one : expected)
    EXPECT_THAT(outputs, ::testing::Contains(::testing::HasSubstr(one)));
}

}  // namespace
}  // namespace picket::test
