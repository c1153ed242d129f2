// DE16: a package manager that contacts a host that is no registry on the list is an alert with the
// manager and the host; a listed one is none, and neither is another program at the same host.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

// Of a test, as the shipped definitions name their programs.
const std::string kManager = R"(
- lineage: test_manager
  origin: package_manager
  programs: [/tmp/testpm]
)";

TEST_F(EgressTest, AnUnlistedRegistryIsNamedWithItsManager) {
  deploy({.rules = kManager});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "de16"});
  ASSERT_TRUE(container);
  add_address(*container, "203.0.113.80");
  run(*container, {"dns", "serve", "203.0.113.80"});
  run(*container, {"cp", "/opt/picket-test/contact", "/tmp/testpm"});
  const auto contact = [&](const std::string& name, const std::string& program) {
    run(*container, {"dns", "ask", "udp", name});
    run(*container, {program, "tcp", "203.0.113.80", "443"});
  };
  contact("npm.elsewhere.example", "contact");
  EXPECT_TRUE(found(*container, "unlisted_registry").empty());
  contact("npm.elsewhere.example", "/tmp/testpm");
  const auto alerts = found(*container, "unlisted_registry");
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_THAT(alerts[0]["output"].get<std::string>(),
              ::testing::AllOf(::testing::StartsWith("testpm contacts"),
                               ::testing::HasSubstr("npm.elsewhere.example")));
  expect_identity(alerts[0], *container);
  contact("registry.npmjs.org", "/tmp/testpm");
  EXPECT_EQ(found(*container, "unlisted_registry").size(), 1u);
}

}  // namespace
}  // namespace picket::test
