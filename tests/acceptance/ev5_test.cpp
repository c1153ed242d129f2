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
    rule("test.silent", "evt.type = openat and fd.name = /etc/group and proc.name = rings") +
    rule("test.connect", "evt.type = connect and fd.sport = 4555 and proc.name = rings") +
    rule("test.datagram", "evt.type = sendto and fd.sport = 4556 and proc.name = rings") +
    rule("test.netlink", "evt.type = socket and evt.arg.domain = AF_NETLINK") +
    rule("test.unix", "evt.type = connect and fd.type = unix and fd.name endswith by-ring.sock") +
    rule("test.accept", "evt.type in (accept, accept4) and fd.name endswith by-ring.sock") +
    rule("test.bind", "evt.type = bind and fd.name endswith by-ring.sock and evt.io_uring = true") +
    rule("test.listen",
         "evt.type = listen and fd.name endswith by-ring.sock and evt.io_uring = true") +
    rule("test.make", "evt.type = mkdirat and fs.path.name endswith /made-by-ring") +
    rule("test.attribute",
         "evt.type = setxattr and fs.path.name endswith /made-by-ring and evt.arg.name = "
         "user.by-ring") +
    rule("test.remove", "evt.type = unlinkat and fs.path.name endswith /made-by-ring") +
    rule(
        "test.refused_open",
        "evt.type = openat and evt.failed = true and evt.res = ENOENT and evt.is_open_write = true "
        "and fd.name = /no-such-directory/asked-by-ring and evt.user_text = false") +
    rule("test.refused_connect",
         "evt.type = connect and evt.res = ENOENT and fd.name = /nobody-for-the-ring.sock") +
    rule("test.unix_datagram", "evt.type = sendmsg and fd.name = /nobody-for-the-ring.sock") +
    rule("test.goes_on", "evt.type = accept4 and fd.name endswith again-by-ring.sock") +
    rule("test.ring_open", "evt.type = openat and evt.io_uring = true and proc.name = rings") +
    rule("test.ring_connect", "evt.type = connect and evt.io_uring = true and proc.name = rings");

class EV5 : public AcceptanceTest {
 protected:
  void run_rings() {
    deploy({.rules = kRules});
    ASSERT_FALSE(HasFatalFailure());
    container_ = make_container({.id = "ev5-box"});
    ASSERT_TRUE(container_);
    const auto ran = container_->run({"rings", "4555"});
    ASSERT_TRUE(ran.ok()) << ran.status();
    ASSERT_EQ(ran->exit_code, 0) << ran->out;
    alerts_ = distinct(alerts_so_far(*container_));
  }
  void expect_one(const char* name) {
    ASSERT_EQ(by_rule(alerts_, name).size(), 1u) << name << Alert(alerts_).dump(1);
    expect_identity(by_rule(alerts_, name).front(), *container_);
  }

  std::unique_ptr<Container> container_;
  std::vector<Alert> alerts_;
};

TEST_F(EV5, OperationsOfARingAreJudgedLikeTheirCalls) {
  ASSERT_NO_FATAL_FAILURE(run_rings());
  for (const char* name :
       {"test.open", "test.table", "test.silent", "test.connect", "test.datagram", "test.netlink",
        "test.unix", "test.accept", "test.refused_open", "test.refused_connect",
        "test.unix_datagram", "test.make", "test.attribute", "test.remove", "test.ring_open",
        "test.ring_connect", "io_uring_setup"})
    ASSERT_NO_FATAL_FAILURE(expect_one(name));
  EXPECT_EQ(by_rule(alerts_, "io_uring_setup").front()["priority"], "INFORMATIONAL");
}

// Elsewhere the program uses the calls.
TEST_F(EV5, ARingBindsAndListens) {
  ASSERT_NO_FATAL_FAILURE(run_rings());
  for (const char* name : {"test.bind", "test.listen"}) ASSERT_NO_FATAL_FAILURE(expect_one(name));
}

}  // namespace
}  // namespace picket::test
