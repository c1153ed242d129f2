// EV10: a process that gave its privileges up after its exec is judged as whom it acts now.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

const std::string kRules =
    rule("test.as_root",
         "evt.type = unshare and proc.name = credentials and user.uid = 0 and thread.cap_effective "
         "contains CAP_CHOWN") +
    rule("test.as_nobody",
         "evt.type = unshare and user.uid = 65534 and group.gid = 65533 and "
         "not thread.cap_effective contains CAP_CHOWN") +
    rule("test.became",
         "evt.type in (setresuid, setuid) and evt.arg.euid = 65534 and evt.res = SUCCESS");

class EV10 : public AcceptanceTest {};

TEST_F(EV10, RulesSeeTheCredentialsOfNow) {
  deploy({.rules = kRules, .shipped_rules = false});
  ASSERT_FALSE(HasFatalFailure());
  auto container = make_container({.id = "ev10-box"});
  ASSERT_TRUE(container);
  const auto ran = container->run({"credentials", "65534", "65533"});
  ASSERT_TRUE(ran.ok()) << ran.status();
  ASSERT_EQ(ran->exit_code, 0) << ran->out;
  const auto alerts = distinct(alerts_so_far(*container));
  ASSERT_EQ(by_rule(alerts, "test.as_root").size(), 1u) << Alert(alerts).dump(1);
  ASSERT_EQ(by_rule(alerts, "test.became").size(), 1u) << Alert(alerts).dump(1);
  ASSERT_EQ(by_rule(alerts, "test.as_nobody").size(), 1u) << Alert(alerts).dump(1);
  const Alert last = by_rule(alerts, "test.as_nobody").front();
  EXPECT_EQ(last["process"]["uid"], 65534u) << last;
  const Alert first = by_rule(alerts, "test.as_root").front();
  EXPECT_EQ(last["process"]["pid"], first["process"]["pid"]);
  expect_identity(last, *container);
}

}  // namespace
}  // namespace picket::test
