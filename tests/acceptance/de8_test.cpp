// DE8: a destination that the workspace's egress policy does not name is an alert over TCP and UDP,
// IPv4 and IPv6, with the name that was asked for; what the policy names is none.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

const std::string kPolicy = R"(
- list: test_registries
  items: [registry.example.org]
- egress: test
  desc: Of a test
  scope: {label: {tier: build}}
  allow:
    - names: ["*.allowed.example"]
      lists: [test_registries]
      ports: [443]
    - addresses: ["198.51.100.0/24", "2001:db8:1::/48"]
      ports: [5432]
      protocols: [tcp]
)";

TEST_F(EgressTest, WhatThePolicyDoesNotNameIsAnAlert) {
  deploy({.rules = kPolicy, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "de8", .annotations = {{"tier", "build"}}});
  auto other = make_container({.id = "de8-other"});
  ASSERT_TRUE(container && other);
  for (const Container* one : {container.get(), other.get()})
    for (const char* address : {"203.0.113.80", "198.51.100.7", "2001:db8:1::7", "2001:db8:2::7"})
      add_address(*one, address);
  run(*container, {"dns", "serve", "203.0.113.80"});

  // Allowed: by name and port, by the list's name, by address.
  run(*container, {"dns", "ask", "udp", "cdn.allowed.example"});
  run(*container, {"contact", "tcp", "203.0.113.80", "443"});
  run(*container, {"contact", "tcp", "198.51.100.7", "5432"});
  run(*container, {"contact", "tcp", "2001:db8:1::7", "5432"});
  run(*container, {"contact", "tcp", "127.0.0.1", "53"});
  run(*container, {"contact", "unix-serve", "/tmp/service"});
  run(*container, {"contact", "unix", "/tmp/service"});
  EXPECT_TRUE(found(*container, "egress.test").empty());

  struct Case {
    std::vector<std::string> command;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{"contact", "tcp", "203.0.113.80", "80"},
       "203.0.113.80 port 80 tcp (asked for as cdn.allowed.example"},
      {{"contact", "tcp", "198.51.100.7", "22"}, "198.51.100.7 port 22 tcp"},
      {{"contact", "udp", "198.51.100.7", "5432"}, "198.51.100.7 port 5432 udp"},
      {{"contact", "tcp", "2001:db8:2::7", "5432"}, "2001:db8:2::7 port 5432 tcp"},
      {{"contact", "udp", "2001:db8:1::7", "5432"}, "2001:db8:1::7 port 5432 udp"},
      {{"contact", "tcp", "::ffff:198.51.100.7", "22"}, "198.51.100.7 port 22 tcp"},
  };
  for (const Case& one : cases) run(*container, one.command);
  const auto alerts = found(*container, "egress.test");
  ASSERT_EQ(alerts.size(), cases.size()) << Alert(alerts).dump(1);
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_THAT(alerts[i]["output"].get<std::string>(), ::testing::HasSubstr(cases[i].says));
    EXPECT_EQ(alerts[i]["priority"], "WARNING");
    expect_identity(alerts[i], *container);
  }

  // The policy is one of other workspaces.
  run(*other, {"contact", "tcp", "198.51.100.7", "22"});
  EXPECT_TRUE(found(*other, "egress.test").empty());
}

}  // namespace
}  // namespace picket::test
