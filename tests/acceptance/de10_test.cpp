// DE10: whoever contacts a metadata address of a cloud is an alert, and the path at which it asked
// for credentials is named. The addresses are the container's own.
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

}  // namespace
}  // namespace picket::test
