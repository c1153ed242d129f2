// What rules can ask of records about memory and processors.
#include <gtest/gtest.h>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

TEST(ResourceFields, TellTheShapeOfABusyProcess) {
  Scene scene(PK_CPU);
  scene.with("interval_ns", "10000000000").with("cpu_ns", "19500000000");
  scene.with("user_ns", "19400000000").with("waited_ns", "20000000000").with("switches", "42");
  scene.with("threads", "9").with("busy_threads", "4");
  EXPECT_TRUE(scene.matches("evt.type = cpu_profile and cpu.percent = 195"));
  EXPECT_TRUE(scene.matches("cpu.wanted_percent = 395 and cpu.user_percent = 99"));
  EXPECT_TRUE(scene.matches("cpu.threads = 9 and cpu.busy_threads = 4 and cpu.interval = 10"));
  EXPECT_TRUE(scene.matches("cpu.switches = 4"));
  EXPECT_FALSE(Scene(PK_EXEC).matches("cpu.percent >= 0"));
}

TEST(ResourceFields, AnEmptyIntervalDividesNothing) {
  Scene scene(PK_CPU);
  EXPECT_TRUE(scene.matches("cpu.percent = 0 and cpu.user_percent = 0 and cpu.switches = 0"));
}

TEST(ResourceFields, TellWhoseDemandKilledAProcess) {
  Scene scene(PK_OOM);
  scene.with("trigger_pid", "77").with("trigger_cgroup_id", "77").with("score_adjust", "1000");
  EXPECT_TRUE(scene.matches("evt.type = oom_kill and oom.trigger_pid = 77"));
  EXPECT_TRUE(scene.matches("oom.trigger_inside = true"));
  EXPECT_TRUE(scene.matches("event.score_adjust = 1000"));
  scene.with("trigger_cgroup_id", "0");
  EXPECT_TRUE(scene.matches("oom.trigger_inside = false"));
}

}  // namespace
}  // namespace picket
