#include "agent/app/heartbeat.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace picket {
namespace {

const std::string kBoot = "0aa4be2c-3d5c-4a0f-9a3c-5f1d2f3a4b5c";
constexpr uint64_t kHour = 3600ULL * 1'000'000'000;

class HeartbeatTest : public ::testing::Test {
 protected:
  ~HeartbeatTest() override { std::filesystem::remove(file_); }
  std::optional<Beat> previous() const {
    const auto opened = Heartbeat::open(file_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? opened->previous() : std::nullopt;
  }
  const std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("picket-beat-" + std::to_string(getpid()));
};

TEST_F(HeartbeatTest, TheLastBeatIsRead) {
  {
    auto heart = Heartbeat::open(file_);
    ASSERT_TRUE(heart.ok()) << heart.status();
    EXPECT_EQ(heart->previous(), std::nullopt);
    EXPECT_TRUE(heart->beat({9 * kHour, 2 * kHour, kBoot}).ok());
    EXPECT_TRUE(heart->beat({1, 3, kBoot}).ok());
  }
  EXPECT_EQ(previous(), (Beat{1, 3, kBoot}));
  std::ofstream(file_) << "00001764000000000000";
  EXPECT_EQ(previous(), (Beat{1764000000000000, 0, ""})) << "of an agent that wrote no more";
  std::ofstream(file_) << "no number is in here";
  EXPECT_EQ(previous(), std::nullopt);
}

TEST_F(HeartbeatTest, AClockThatWasSetBackMovesNothingWithinABoot) {
  const Timeline was{1000 * kHour}, is{990 * kHour};
  const Beat beat{was.wall_ns(5 * kHour), 5 * kHour, kBoot};
  EXPECT_EQ(boot_ns_of(beat, kBoot, is, 6 * kHour), 5 * kHour);
}

TEST_F(HeartbeatTest, AnotherBootsBeatIsNeverLaterThanNow) {
  const Timeline is{1000 * kHour};
  const Beat before{900 * kHour, 70 * kHour, "another"}, after{2000 * kHour, 70 * kHour, "another"};
  EXPECT_EQ(is.wall_ns(boot_ns_of(before, kBoot, is, kHour)), 900 * kHour);
  EXPECT_EQ(boot_ns_of(after, kBoot, is, kHour), kHour) << "the clock was set back in between";
}

}  // namespace
}  // namespace picket
