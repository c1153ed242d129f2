// DE9: where only names are allowed, an address is as good as the names that resolved to it in this
// workspace: one that another workspace resolved is not, one that an allowed name has beside others
// is.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

const std::string kPolicy = R"(
- egress: names
  desc: Of a test
  allow:
    - names: [files.example.org]
)";

TEST_F(EgressTest, AnAddressIsLegalByAnAllowedNameOnly) {
  deploy({.rules = kPolicy, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "de9"});
  auto other = make_container({.id = "de9-other"});
  ASSERT_TRUE(container && other);
  for (Container* one : {container.get(), other.get()}) {
    add_address(*one, "203.0.113.80");
    run(*one, {"dns", "serve", "203.0.113.80"});
  }
  // Known to the other workspace alone; and known here, by a name that is not allowed.
  run(*other, {"dns", "ask", "udp", "files.example.org"});
  run(*container, {"contact", "tcp", "203.0.113.80", "443"});
  run(*container, {"dns", "ask", "udp", "www.elsewhere.example"});
  run(*container, {"contact", "udp", "203.0.113.80", "443"});
  const auto alerts = found(*container, "egress.names");
  ASSERT_EQ(alerts.size(), 2u) << Alert(alerts).dump(1);
  EXPECT_THAT(alerts[0]["output"].get<std::string>(), ::testing::HasSubstr("asked for as <NA>"));
  EXPECT_THAT(alerts[1]["output"].get<std::string>(),
              ::testing::HasSubstr("asked for as www.elsewhere.example"));

  // The allowed name has the same address; that another one is asked for later changes nothing.
  run(*container, {"dns", "ask", "tcp", "files.example.org"});
  run(*container, {"dns", "ask", "udp", "cdn.elsewhere.example"});
  run(*container, {"contact", "tcp", "203.0.113.80", "8443"});
  run(*other, {"contact", "tcp", "203.0.113.80", "443"});
  EXPECT_TRUE(found(*other, "egress.names").empty());
  EXPECT_EQ(found(*container, "egress.names").size(), 2u);
}

}  // namespace
}  // namespace picket::test
