// What the ring refuses is counted by type and workspace, bulk first, and nobody else pays for it.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

class LossCounting : public LiveSensorTest {};

TEST_F(LossCounting, EverythingIsEitherDeliveredOrCounted) {
  BpfSensorOptions options;
  options.ring_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) * 4;
  start(options);
  const auto box = workspace();
  constexpr uint64_t kRounds = 200;
  Child child = spawn_in(*box, [] {  // nobody reads meanwhile
    for (uint64_t i = 0; i < kRounds; ++i) {
      const pid_t pid = fork();
      if (pid == 0) {
        execl("/bin/true", "true", nullptr);
        _exit(127);
      }
      waitpid(pid, nullptr, 0);
    }
    return 0;
  });
  ASSERT_EQ(child.wait(), 0);
  std::map<uint16_t, uint64_t> lost;
  for (const Loss& loss : sensor_->losses()) {
    if (loss.workspace != box->id()) continue;  // of a container that the machine runs
    EXPECT_LE(loss.from_ns, loss.to_ns);
    EXPECT_GT(loss.count, 0u);
    lost[loss.type] += loss.count;
  }
  EXPECT_GT(lost[PK_FORK], 0u);
  EXPECT_GT(lost[PK_EXEC], 0u);
  const auto is_own = [&](const Loss& loss) { return loss.workspace == box->id(); };
  EXPECT_TRUE(std::ranges::none_of(sensor_->losses(), is_own)) << "a loss is told once";

  // The ring still works: what comes now is told.
  while (sensor_->poll(log_, std::chrono::milliseconds(0)).value_or(0) > 0) {
  }
  const auto of_type = [](pk_type type) {
    return [=](const Event& event) { return event.type() == type; };
  };
  EXPECT_EQ(count(of_type(PK_FORK)) + lost[PK_FORK], kRounds);
  EXPECT_EQ(count(of_type(PK_EXEC)) + lost[PK_EXEC], kRounds);
  EXPECT_EQ(count(of_type(PK_EXIT)) + lost[PK_EXIT], kRounds + 1);
  EXPECT_GT(count(of_type(PK_EXEC)), count(of_type(PK_FORK))) << "bulk is shed before what matters";
  Child after = spawn_in(*box, [] { return 7; });
  const pid_t pid = after.pid();
  after.wait();
  EXPECT_TRUE(drain_until_exit(pid));
  EXPECT_TRUE(std::ranges::none_of(sensor_->losses(), is_own));
}

TEST_F(LossCounting, RefusesARingThatIsNoPowerOfTwo) {
  BpfSensorOptions options;
  options.ring_bytes = 100'000;
  BpfSensor sensor(options);
  const absl::Status status = sensor.start();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(std::string(status.message()).find("power of two"), std::string::npos);
}

}  // namespace
}  // namespace picket::live
