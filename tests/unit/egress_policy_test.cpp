// Egress policies: what they become, and what is wrong with one, by file, line and column.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using ::testing::HasSubstr;

std::string policy(std::string_view allow) {
  return "- egress: p\n  allow:\n" + std::string(allow);
}

TEST(EgressPolicy, BecomesARuleWithItsScope) {
  const auto rules = rules_of(
      "- egress: p\n  scope: {owner: ann}\n  priority: ERROR\n  allow:\n"
      "    - names: [a.example, '*.b.example']\n      ports: [443]\n"
      "    - addresses: [192.0.2.1, '2001:db8::/32']\n      protocols: [udp]\n");
  ASSERT_EQ(rules->rules().size(), 1u);
  const RuleInfo& rule = rules->rules()[0];
  EXPECT_EQ(rule.name, "egress.p");
  EXPECT_EQ(rule.priority, Priority::error);
  EXPECT_EQ(rule.condition,
            "evt.type = connect and fd.rip exists and not fd.rnet in (\"127.0.0.0/8\", "
            "\"::1/128\") and not "
            "(((fd.rip.names glob \"*.b.example\" or fd.rip.names in (\"a.example\")) and fd.rport "
            "in (443)) or ((fd.rnet in (\"192.0.2.1/32\", \"2001:db8::/32\")) and fd.l4proto in "
            "(udp)))");
}

TEST(EgressPolicy, AnEmptyListAllowsNothing) {
  const auto rules = rules_of("- egress: p\n  allow: []\n");
  EXPECT_EQ(
      rules->rules()[0].condition,
      "evt.type = connect and fd.rip exists and not fd.rnet in (\"127.0.0.0/8\", \"::1/128\")");
}

TEST(EgressPolicy, ErrorsHaveFileLineAndColumn) {
  EXPECT_THAT(load_report("- egress: p\n").error_text(), HasSubstr("test.yaml:1:"));
  EXPECT_THAT(load_report("- egress: p\n  allow: all\n").error_text(),
              HasSubstr("test.yaml:2:10: a list of what is allowed expected"));
  EXPECT_THAT(load_report(policy("    - name: [a]\n")).error_text(),
              HasSubstr("test.yaml:3:7: unknown key 'name'"));
  EXPECT_THAT(load_report(policy("    - names: ['A b']\n")).error_text(),
              HasSubstr("test.yaml:3:15: 'A b' is no host name"));
  EXPECT_THAT(load_report(policy("    - addresses: [10.0.0.0/99]\n")).error_text(),
              HasSubstr("test.yaml:3:19: "));
  EXPECT_THAT(load_report(policy("    - ports: [70000]\n")).error_text(),
              HasSubstr("test.yaml:3:15: '70000' is no port"));
  EXPECT_THAT(load_report(policy("    - protocols: [icmp]\n")).error_text(),
              HasSubstr("test.yaml:3:19: 'icmp' is no protocol"));
  EXPECT_THAT(load_report(policy("    - protocols: [tcp]\n")).error_text(),
              HasSubstr("allows everything"));
}

}  // namespace
}  // namespace picket
