// PO8: an agent with a key takes signed rules only: an unsigned or altered folder is refused, and
// the last good rules stay, also over a restart. The same holds for bundles from the collector,
// which is not trusted with rules: neither to make them nor to bring back old ones.
#include "tests/acceptance/signed_rules.h"

namespace picket::test {
namespace {

const std::string kGood =
    rule("test.good", "evt.type in (execve, execveat) and proc.args = asked") + kMarkRule;
const std::string kAltered =
    rule("test.good", "evt.type in (execve, execveat) and proc.args = never") + kMarkRule;
const std::string kFleet =
    rule("test.fleet", "evt.type in (execve, execveat) and proc.args = asked") + kMarkRule;

class PO8 : public SignedRulesTest {
 protected:
  // Whole: the folder is exchanged.
  void exchange(const std::string& folder) {
    std::filesystem::rename(path("rules"), path("rules.old"));
    std::filesystem::rename(path(folder), path("rules"));
    std::filesystem::remove_all(path("rules.old"));
  }
  void expect_refused(const std::string& why) {
    auto refused = deployment().alerts().wait_for("the refusal: " + why, [&](const Alert& alert) {
      return alert["rule"] == "picket.rules_refused" &&
             alert["output"].get<std::string>().find(why) != std::string::npos;
    });
    EXPECT_TRUE(refused.ok()) << refused.status();
  }
  void expect_good_rules(Container& container) {
    ASSERT_TRUE(container.run({"true", "asked"}).ok());
    EXPECT_EQ(distinct(by_rule(alerts_so_far(container), "test.good")).size(), ++good_);
  }
  void verify(const std::string& folder, int exit_code) {
    picketctl({"rules", "verify", path(folder), "--key", path("rules.pub")}, exit_code);
  }
  size_t good_ = 0;
};

TEST_F(PO8, UnsignedOrAlteredRulesAreRefused) {
  deploy_signed(kGood);
  if (HasFatalFailure()) return;
  verify("rules", 0);
  auto container = make_container();
  ASSERT_TRUE(container);
  expect_good_rules(*container);

  // Altered behind the signature.
  make("altered", kGood);
  sign("altered", 2);
  ASSERT_TRUE(write_file(path("altered/test.yaml"), kAltered).ok());
  verify("altered", 3);
  exchange("altered");
  expect_refused("test.yaml was altered");
  expect_good_rules(*container);

  // A file more than was signed.
  make("added", kGood);
  sign("added", 3);
  ASSERT_TRUE(write_file(path("added/more.yaml"), rule("test.more", "evt.type = connect")).ok());
  exchange("added");
  expect_refused("more.yaml was added");

  // Not signed at all, and the agent begins anew.
  make("unsigned", kAltered);
  exchange("unsigned");
  expect_refused("there is no rules.sig");
  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().start_agent().ok());
  expect_good_rules(*container);

  // Signed with another key.
  auto other = run_program(
      {.argv = {"openssl", "genpkey", "-algorithm", "ed25519", "-out", path("rules.key")}});
  ASSERT_TRUE(other.ok() && other->exit_code == 0);
  make("foreign", kAltered);
  sign("foreign", 4);
  verify("foreign", 3);
  exchange("foreign");
  expect_refused("was not made with the configured key");
  expect_good_rules(*container);
}

TEST_F(PO8, TheCollectorsBundlesAreJudgedByTheAgent) {
  deploy_signed(kGood);
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  expect_good_rules(*container);
  expect_status("own rules");
  const auto fleet_alerts = [&] {
    EXPECT_TRUE(container->run({"true", "asked"}).ok());
    return distinct(by_rule(alerts_so_far(*container), "test.fleet")).size();
  };

  // One that the key signed is in force, also after both began anew.
  make("fleet", kFleet);
  sign("fleet", 10);
  hand_out("fleet", 10);
  expect_status("in force");
  EXPECT_EQ(nlohmann::json::parse(picketctl({"nodes", "-o", "json"}))["rules_serial"], 10);
  EXPECT_EQ(fleet_alerts(), 1U);
  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().stop_collector().ok());
  ASSERT_TRUE(deployment().start_collector().ok());
  ASSERT_TRUE(deployment().start_agent().ok());
  expect_status("in force");
  EXPECT_EQ(fleet_alerts(), 2U);

  // A collector that somebody else took over, which knows nothing of serial 10, replays an old one.
  ASSERT_TRUE(deployment().stop_collector().ok());
  for (const char* side : {"", "-wal", "-shm"})
    std::filesystem::remove(deployment().database() + side);
  ASSERT_TRUE(deployment().start_collector().ok());
  make("old", kGood);
  sign("old", 9);
  hand_out("old", 9);
  expect_status("refused", "serial 9 is older than 10, which is in force");
  EXPECT_EQ(fleet_alerts(), 1U) << "of the new collector";

  // Its own key is of no use to it.
  std::filesystem::rename(path("rules.pub"), path("configured.pub"));
  make_key();
  std::filesystem::rename(path("configured.pub"), path("rules.pub"));
  make("foreign", kAltered);
  sign("foreign", 11);
  hand_out("foreign", 11);
  expect_status("refused", "was not made with the configured key");
  expect_refused("was not made with the configured key");
  EXPECT_EQ(fleet_alerts(), 2U);
  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().start_agent().ok());
  EXPECT_EQ(fleet_alerts(), 3U) << "the last good one stays";

  // What is altered behind its signature does not even leave.
  ASSERT_TRUE(write_file(path("foreign/test.yaml"), kGood).ok());
  EXPECT_THAT(picketctl({"policy", "publish", path("foreign"), "--reason", "of a test"}, 3),
              ::testing::HasSubstr("test.yaml was altered"));
}

}  // namespace
}  // namespace picket::test
