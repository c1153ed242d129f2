// DE10: whoever contacts a metadata address of a cloud is an alert, and the path at which it asked
// for credentials is named. The addresses are the container's own. And who carries data in names is
// one alert, whose names are few or words none.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

TEST_F(EgressTest, TheMetadataServiceIsAnAlertAndThePathIsNamed) {
  deploy();
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "de10"});
  ASSERT_TRUE(container);
  for (const char* address : {"169.254.169.254", "fd00:ec2::254", "169.254.1.1"}) {
    add_address(*container, address);
    run(*container, {"contact", "serve", address, "80"});
  }
  run(*container, {"contact", "tcp", "169.254.1.1", "80", "GET / HTTP/1.0\\n\\n"});
  EXPECT_TRUE(found(*container, "metadata_service").empty());
  run(*container, {"contact", "tcp", "169.254.169.254", "80",
                   "GET /latest/meta-data/iam/security-credentials/role HTTP/1.0\\n\\n"});
  run(*container, {"contact", "udp", "169.254.169.254", "123", "x"});
  run(*container, {"contact", "tcp", "fd00:ec2::254", "80", "GET / HTTP/1.0\\n\\n"});
  const auto all = alerts_so_far(*container);
  const auto contacted = distinct(by_rule(all, "metadata_service"));
  ASSERT_EQ(contacted.size(), 3u) << Alert(contacted).dump(1);
  for (const Alert& alert : contacted) expect_identity(alert, *container);
  const auto asked = distinct(by_rule(all, "metadata_credentials"));
  ASSERT_EQ(asked.size(), 1u) << Alert(asked).dump(1);
  EXPECT_THAT(asked[0]["output"].get<std::string>(),
              ::testing::HasSubstr("GET /latest/meta-data/iam/security-credentials/role"));
  EXPECT_EQ(asked[0]["priority"], "CRITICAL");
}

// Each name is asked for by a process of its own, below one shell.
std::vector<std::string> asks_for(const std::string& names) {
  return {"sh", "-c",
          "for i in $(seq 40); do dns ask udp $(" + names + ").t.example.net >/dev/null; done"};
}

TEST_F(EgressTest, DataInNamesIsOneAlert) {
  deploy();
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "de10-names"});
  ASSERT_TRUE(container);
  run(*container, {"dns", "serve"});
  run(*container, asks_for("echo service$i-build-farm"));
  run(*container, asks_for("echo 0123456789abcdef0123456789abcdef01234567"));
  EXPECT_TRUE(found(*container, "dns_tunnel").empty());
  run(*container, asks_for("head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \\n'"));
  const auto alerts = found(*container, "dns_tunnel");
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  expect_identity(alerts[0], *container);
  EXPECT_THAT(alerts[0]["output"].get<std::string>(), ::testing::HasSubstr("below example.net"));
}

}  // namespace
}  // namespace picket::test
