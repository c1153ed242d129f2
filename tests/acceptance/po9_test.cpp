// PO9, the selection: a label that the platform sets on a fork's pull request selects the
// restricted profile, and its rules hold from the first process on. A workspace without the label
// does the same and nobody minds. What is missing of the row: denial.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

const std::string kSeen =
    rule("test.opened",
         "evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.filename = "
         "id_rsa") +
    rule("test.connected", "evt.type = connect and fd.sip = \"198.51.100.7\"");

class PO9 : public AcceptanceTest {
 protected:
  // Its first process is `command`; nothing else ever runs in it.
  std::unique_ptr<Container> run_alone(std::map<std::string, std::string> labels,
                                       std::vector<std::string> command) {
    auto made = Container::create(
        sandbox(),
        {.annotations = std::move(labels), .privileged = true, .command = std::move(command)});
    EXPECT_TRUE(made.ok()) << made.status();
    if (!made.ok()) return nullptr;
    EXPECT_TRUE((*made)->start().ok());
    EXPECT_TRUE((*made)->wait_for_end().ok());
    return *std::move(made);
  }

  // All of the container up to the first alert of `rule`, which comes behind the shipped ones.
  std::vector<Alert> until_alert(const Container& container, const std::string& name) {
    auto all = deployment().alerts().all_until(
        name, [&](const Alert& alert) { return alert["rule"] == name && of(container, alert); });
    EXPECT_TRUE(all.ok()) << all.status();
    std::vector<Alert> own;
    if (!all.ok()) return own;
    for (const Alert& alert : *all)
      if (of(container, alert)) own.push_back(alert);
    return own;
  }
};

const std::vector<std::string> kRead{
    "/bin/sh", "-c", "mkdir /root/.ssh; echo x > /root/.ssh/id_rsa; read x < /root/.ssh/id_rsa"};
// To an address of its own: the packet stays there.
const std::vector<std::string> kCall{
    "/bin/sh", "-c",
    "ip address add 198.51.100.7/32 dev lo; exec /opt/picket-test/dns try 198.51.100.7 443"};

TEST_F(PO9, TheLabelOfAForkSelectsTheRestrictedProfileFromTheFirstProcessOn) {
  deploy({.rules = kSeen,
          .agent_settings = "identity: {restricted: [picket/fork-pull-request, "
                            "'ci.example.com/trust=fork']}\n"});
  if (HasFatalFailure()) return;
  struct Case {
    std::map<std::string, std::string> labels;
    bool restricted;
  };
  const Case cases[] = {{{{"picket/fork-pull-request", "412"}}, true},
                        {{{"ci.example.com/trust", "fork"}}, true},
                        {{{"ci.example.com/trust", "branch"}}, false},
                        {{}, false}};
  struct Deed {
    const std::vector<std::string>& command;
    std::string seen, rule;
  };
  const Deed deeds[] = {{kRead, "test.opened", "restricted.credentials"},
                        {kCall, "test.connected", "restricted.egress"}};
  for (const Case& one : cases) {
    for (const Deed& deed : deeds) {
      const auto container = run_alone(one.labels, deed.command);
      ASSERT_TRUE(container);
      const auto alerts = until_alert(*container, deed.seen);
      const auto found = by_rule(alerts, deed.rule);
      ASSERT_EQ(found.size(), one.restricted ? 1u : 0u)
          << deed.rule << ": " << Alert(one.labels) << Alert(alerts).dump(1);
      if (!one.restricted) continue;
      expect_identity(found[0], *container);
      EXPECT_EQ(found[0]["process"]["pid"], container->init_pid()) << found[0];
    }
  }
}

TEST_F(PO9, ABuildOfTheProfileMayFetchFromItsRegistries) {
  deploy();
  if (HasFatalFailure()) return;
  auto container =
      make_container({.annotations = {{"picket/fork-pull-request", "412"}}, .privileged = true});
  ASSERT_TRUE(container);
  const auto run = [&](const char* script) {
    const auto done = container->run({"sh", "-ec", script});
    ASSERT_TRUE(done.ok()) << done.status();
    EXPECT_EQ(done->exit_code, 0) << done->out;
  };
  run("ip address add 203.0.113.80/31 dev lo; dns serve 203.0.113.80; "
      "dns ask udp registry.npmjs.org; dns try 203.0.113.80 443");
  EXPECT_TRUE(by_rule(alerts_so_far(*container), "restricted.egress").empty());
  run("dns try 203.0.113.81 443");
  EXPECT_EQ(distinct(by_rule(alerts_so_far(*container), "restricted.egress")).size(), 1u);
}

}  // namespace
}  // namespace picket::test
