// EV7: DNS over UDP and TCP with name, type, answers and who asked; DNS over HTTPS to a known
// resolver is an alert. Resolver, asker and the address of the public resolver are all inside the
// container's own network namespace.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

const std::string kRules =
    "- rule: test.question\n  desc: Of a test\n  priority: NOTICE\n"
    "  condition: evt.type = dns and event.answer = false\n"
    "  output: \"%dns.question.name|%dns.question.type|%fd.l4proto|%fd.rip:%fd.rport\"\n"
    "- rule: test.answer\n  desc: Of a test\n  priority: NOTICE\n"
    "  condition: evt.type = dns and event.answer = true\n"
    "  output: \"%dns.question.name|%dns.question.type|%dns.rcode|%dns.answers|%fd.l4proto\"\n";

TEST_F(AcceptanceTest, QuestionsAndAnswersAreRecordedWithWhoAsked) {
  deploy({.rules = kRules, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "ev7"});
  ASSERT_TRUE(container);
  ASSERT_EQ(container->run({"dns", "serve"})->exit_code, 0);
  for (const std::string way : {"udp", "tcp"}) {
    const std::string name = way + ".Example.org";
    auto asked = container->run({"dns", "ask", way, name});
    ASSERT_TRUE(asked.ok());
    ASSERT_EQ(asked->exit_code, 0) << asked->out;
    const auto alerts = distinct(alerts_so_far(*container));
    const std::string cmdline = fmt::format("dns ask {} {}", way, name);
    std::vector<Alert> own;
    for (const Alert& alert : alerts)
      if (alert["process"]["cmdline"] == cmdline) own.push_back(alert);
    const auto questions = by_rule(own, "test.question"), answers = by_rule(own, "test.answer");
    ASSERT_EQ(questions.size(), 1u);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(questions[0]["output"], fmt::format("{0}.example.org|A|{0}|127.0.0.1:53", way));
    EXPECT_EQ(answers[0]["output"], fmt::format("{0}.example.org|A|NOERROR|127.0.0.80|{0}", way));
    expect_identity(questions[0], *container);
    expect_identity(answers[0], *container);
  }
}

TEST_F(AcceptanceTest, DnsOverHttpsToAKnownResolverIsAnAlert) {
  deploy();
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "ev7-doh"});
  ASSERT_TRUE(container);
  auto assigned =
      run_program({.argv = {"nsenter", fmt::format("--net=/proc/{}/ns/net", container->init_pid()),
                            "ip", "address", "add", "1.1.1.1/32", "dev", "lo"}});
  ASSERT_TRUE(assigned.ok()) << assigned.status();
  ASSERT_EQ(assigned->exit_code, 0) << assigned->err;
  ASSERT_EQ(container->run({"dns", "try", "1.1.1.1", "80"})->exit_code, 0);
  EXPECT_TRUE(by_rule(alerts_so_far(*container), "dns.over_https").empty());
  ASSERT_EQ(container->run({"dns", "try", "1.1.1.1", "443"})->exit_code, 0);
  const auto found = distinct(by_rule(alerts_so_far(*container), "dns.over_https"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]["priority"], "NOTICE");
  EXPECT_EQ(found[0]["process"]["cmdline"], "dns try 1.1.1.1 443");
  expect_identity(found[0], *container);
}

}  // namespace
}  // namespace picket::test
