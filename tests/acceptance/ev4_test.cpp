// EV4: what a process does through the 32-bit interface is recorded under the calls' own names.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

constexpr int kRefused = 77;  // of calls32: the processor takes no 32-bit calls

const std::string kRules =
    rule("test.open",
         "evt.type = open and evt.compat = true and fd.name = /tmp/calls32-file and "
         "evt.is_open_write = true") +
    rule("test.connect", "evt.type = connect and evt.compat = true and fd.rport = 4500") +
    rule("test.socketcall", "evt.type = connect and evt.compat = true and fd.rport = 4501") +
    rule("test.unix",
         "evt.type = connect and evt.compat = true and fd.name contains calls32-nobody") +
    rule("test.raw", "evt.type = socket and evt.compat = true and evt.arg.domain = AF_INET") +
    rule("test.exec", "evt.type = execve and proc.args = calls32-became");

class EV4 : public AcceptanceTest {};

TEST_F(EV4, CallsThroughInt80AreToldByName) {
  deploy({.rules = kRules, .shipped_rules = false});
  ASSERT_FALSE(HasFatalFailure());
  auto container = make_container({.id = "ev4-box"});
  ASSERT_TRUE(container);
  ASSERT_EQ(container->run({"listener", "4500", "2"})->exit_code, 0);
  ASSERT_EQ(container->run({"touch", "/tmp/calls32-file"})->exit_code, 0);
  const auto ran = container->run({"calls32", "4500"});
  ASSERT_TRUE(ran.ok()) << ran.status();
  if (ran->exit_code == kRefused)
    GTEST_SKIP() << "this machine takes no 32-bit calls: VM_6_1 and VM_6_12 run this";
  ASSERT_EQ(ran->exit_code, 0) << ran->out;
  const auto alerts = distinct(alerts_so_far(*container));
  for (const char* name :
       {"test.open", "test.connect", "test.socketcall", "test.unix", "test.raw", "test.exec"}) {
    const auto own = by_rule(alerts, name);
    ASSERT_EQ(own.size(), 1u) << name << Alert(alerts).dump(1);
    expect_identity(own.front(), *container);
  }
}

}  // namespace
}  // namespace picket::test
