// DE14: what another process keeps in its environment or its memory is read, by its files or by
// calls, or it is traced: one alert, by whatever program and path; looking at processes as tools
// do, and tracing what one started, is none.
#include "tests/acceptance/escape_test.h"

namespace picket::test {
namespace {

class DE14 : public EscapeTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy();
    if (HasFatalFailure()) return;
    container_ = make_container({.privileged = true});
    ASSERT_TRUE(container_);
    auto victim = container_->launch({"env", "TOKEN=1", "sleep", "1000"});
    ASSERT_TRUE(victim.ok()) << victim.status();
    victim_ = fmt::format("/proc/{}/", victim->vpid);
  }
  std::unique_ptr<Container> container_;
  std::string victim_;
};

TEST_F(DE14, EnvironmentAndMemoryOfAnotherProcess) {
  const std::string environ = victim_ + "environ", memory = victim_ + "mem";
  const char* kEnviron = "secrets.process_environ";
  const char* kMemory = "secrets.process_memory";
  expect_one_alert_each(
      *container_,
      {{"cat", kEnviron, {"cat", environ}},
       {"/proc/self/root", kEnviron, {"escape", "read", "/proc/self/root" + environ}},
       {"symlink", kEnviron, {"sh", "-c", "ln -s " + environ + " /tmp/e; cat /tmp/e"}},
       {"another procfs",
        kEnviron,
        {"sh", "-c", "mkdir /tmp/p && mount -t proc x /tmp/p && cat /tmp/p" + environ.substr(5)}},
       {"bind mount",
        kEnviron,
        {"sh", "-c", "touch /tmp/b && mount --bind " + environ + " /tmp/b && cat /tmp/b"}},
       {"a copy called ps",
        kEnviron,
        {"sh", "-c", "cp /opt/picket-test/escape /tmp/ps && /tmp/ps read " + environ}},
       {"memory", kMemory, {"escape", "read", memory}},
       {"memory to write", kMemory, {"escape", "openat2", memory}},
       {"memory by an io_uring", kMemory, {"escape", "ring", memory}}});
}

TEST_F(DE14, CallsThatTraceReadWriteAndTake) {
  const std::string pid = victim_.substr(6, victim_.size() - 7);
  const char* kTrace = "secrets.process_trace";
  expect_one_alert_each(
      *container_, {{"traced", kTrace, {"trace", "seize", pid}},
                    {"attached", kTrace, {"trace", "attach", pid}},
                    {"read", kTrace, {"trace", "read", pid}},
                    {"written", kTrace, {"trace", "write", pid}},
                    {"a descriptor taken", kTrace, {"trace", "take", pid}},
                    {"by a program with a debugger's name",
                     kTrace,
                     {"sh", "-c", "cp /opt/picket-test/trace /tmp/gdb && /tmp/gdb read " + pid}}});
}

TEST_F(DE14, TracingWhatOneStartedIsSilent) {
  for (const char* how : {"seize", "attach", "read", "write", "take"}) {
    const auto ended = container_->run({"trace", how, "child"});
    ASSERT_TRUE(ended.ok()) << ended.status();
    ASSERT_EQ(ended->exit_code, 0) << how << ended->out;
  }
  const auto sanitizer = container_->run({"trace", "attach", "parent"});
  ASSERT_TRUE(sanitizer.ok()) << sanitizer.status();
  ASSERT_EQ(sanitizer->exit_code, 0) << sanitizer->out;
  const auto alerts = accusations(alerts_so_far(*container_));
  EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1);
}

TEST_F(DE14, LookingAtProcessesIsSilent) {
  const auto ended =
      container_->run({"sh", "-c",
                       "ps; top -b -n 1; pidof sleep; cat /proc/self/environ /proc/self/maps " +
                           victim_ + "status " + victim_ + "cmdline; ls -l " + victim_ + "fd"});
  ASSERT_TRUE(ended.ok()) << ended.status();
  ASSERT_EQ(ended->exit_code, 0) << ended->out;
  const auto alerts = accusations(alerts_so_far(*container_));
  EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1);
}

}  // namespace
}  // namespace picket::test
