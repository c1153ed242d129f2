// The self check on the real sensor: silent when all is well, in words when a hook is dead.
#include "agent/sensor/self_check.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/live/live_sensor.h"
#include "tests/support/patience.h"

namespace picket::live {
namespace {

using State = CoverageLine::State;

class SelfCheck : public LiveSensorTest {
 protected:
  SelfCheck() { with_lsm_ = true; }
  State state_of(std::string_view event) const {
    for (const CoverageLine& line : sensor_->coverage().lines)
      if (line.event == event) return line.state;
    return State::off;
  }
};

TEST_F(SelfCheck, EveryCoreEventComesBackAndNothingOfItIsPassedOn) {
  start();
  const auto box = workspace();
  Child child = spawn_in(*box, [] { return 0; });
  const pid_t pid = child.pid();
  child.wait();
  const SelfCheckResult result =
      self_check(*sensor_, log_, std::chrono::seconds(30 * test::patience()));
  EXPECT_EQ(result.missing, std::vector<std::string>{});
  for (const CoverageLine& line : sensor_->coverage().lines) {
    if (!line.hook.starts_with("lsm/")) {  // those only some kernels take
      EXPECT_EQ(line.state, State::attached) << line.hook;
    }
  }
  EXPECT_TRUE(drain_until_exit(pid)) << "what happens meanwhile elsewhere is passed on";
  const std::string scratch = "/picket-self-check-" + std::to_string(getpid());
  for (const auto& record : log_.foreign()) {
    const std::optional<Event> event = Event::parse(record);
    EXPECT_NE(exe_of(*event), "memfd:picket-self-check");
    if (const pk_cgroup* cgroup = event->as<pk_cgroup>()) {
      EXPECT_FALSE(event->text(cgroup->path).starts_with(scratch));
    }
  }
  EXPECT_FALSE(std::filesystem::exists(tree().directory(scratch)));
}

TEST_F(SelfCheck, RemovesWhatAKilledAgentLeftOfItsCheck) {
  start();
  Child dead = spawn([] { return 0; });
  const std::string name = "/picket-self-check-" + std::to_string(dead.pid());
  dead.wait();
  const TestCgroup left(tree(), name), below(tree(), name + "/below");
  Child still_there = spawn_in(left, [] { return pause(); });
  const TestCgroup of_a_living_one(tree(), "/picket-self-check-" + std::to_string(getppid()));
  const SelfCheckResult result =
      self_check(*sensor_, log_, std::chrono::seconds(30 * test::patience()));
  EXPECT_EQ(result.missing, std::vector<std::string>{});
  EXPECT_FALSE(std::filesystem::exists(left.directory()));
  EXPECT_TRUE(std::filesystem::exists(of_a_living_one.directory()));
}

TEST_F(SelfCheck, AnEventThatDoesNotComeBackIsNamed) {
  start();
  // Nothing is read in time: every attached hook looks dead.
  const SelfCheckResult result = self_check(*sensor_, log_, std::chrono::milliseconds(0));
  EXPECT_FALSE(result.missing.empty());
  EXPECT_NE(std::find(result.missing.begin(), result.missing.end(),
                      "a fork was caused and did not come back"),
            result.missing.end());
  EXPECT_EQ(state_of("fork"), State::failing);
  EXPECT_EQ(state_of("exec"), State::failing);
}

}  // namespace
}  // namespace picket::live
