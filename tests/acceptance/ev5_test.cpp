// EV5: what a workspace does through an io_uring is told and matched like the calls that it stands
// for, and that it has one is a record.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

// No word of rings: these are the rules that anybody has for calls.
const std::string kRules =
    rule(
        "test.open",
        "evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.name = /etc/passwd "
        "and proc.name = rings") +
    rule("test.table", "evt.type = openat and fd.name = /etc/passwd and fd.num = 0") +
    rule("test.connect", "evt.type = connect and fd.sport = 4555 and proc.name = rings") +
    rule("test.make", "evt.type = mkdirat and fs.path.name endswith /made-by-ring") +
    rule("test.remove", "evt.type = unlinkat and fs.path.name endswith /made-by-ring") +
    rule("test.ring_open", "evt.type = openat and evt.io_uring = true and proc.name = rings") +
    rule("test.ring_connect", "evt.type = connect and evt.io_uring = true and proc.name = rings");

class EV5 : public AcceptanceTest {};

TEST_F(EV5, OperationsOfARingAreJudgedLikeTheirCalls) {
  deploy({.rules = kRules});
  ASSERT_FALSE(HasFatalFailure());
  auto container = make_container({.id = "ev5-box"});
  ASSERT_TRUE(container);
  const auto ran = container->run({"rings", "4555"});
  ASSERT_TRUE(ran.ok()) << ran.status();
  ASSERT_EQ(ran->exit_code, 0) << ran->out;
  const auto alerts = distinct(alerts_so_far(*container));
  for (const char* name : {"test.open", "test.table", "test.connect", "test.make", "test.remove",
                           "test.ring_open", "test.ring_connect", "io_uring_setup"}) {
    ASSERT_EQ(by_rule(alerts, name).size(), 1u) << name << Alert(alerts).dump(1);
    expect_identity(by_rule(alerts, name).front(), *container);
  }
  EXPECT_EQ(by_rule(alerts, "io_uring_setup").front()["priority"], "INFORMATIONAL");
}

}  // namespace
}  // namespace picket::test
