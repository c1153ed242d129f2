// What no rule asks for is not told, and is told again as soon as one does.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

namespace fs = std::filesystem;

class InterestTest : public LiveSensorTest {
 protected:
  void SetUp() override {
    LiveSensorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fs::create_directories(folder_);
    for (const char* name : {"plain", "asked", "place"}) std::ofstream(folder_ / name) << "text";
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    LiveSensorTest::TearDown();
  }

  void ask(const Interest& interest) { ASSERT_TRUE(sensor_->set_interest(interest).ok()); }
  // How many records of a type a process of the workspace makes.
  size_t told(const TestCgroup& box, pk_type type, const std::function<int()>& body) {
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    return select(of(type, pid)).size();
  }
  size_t opens(const TestCgroup& box, const std::string& name, int flags = O_RDONLY) {
    const std::string path = folder_ / name;
    return told(box, PK_OPEN, [&] { return open(path.c_str(), flags) < 0 ? 1 : 0; });
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("picket-interest-" + std::to_string(getpid()));
};

TEST_F(InterestTest, ACallIsToldWhileARuleAsksForIt) {
  start();
  const auto box = workspace();
  const std::string path = folder_ / "plain";
  const auto change = [&] { return chmod(path.c_str(), 0640); };
  const auto leave = [&] { return unshare(CLONE_NEWUTS); };
  EXPECT_EQ(told(*box, PK_FILE, change), 1u);
  EXPECT_EQ(told(*box, PK_SYSTEM, leave), 1u);

  Interest interest;
  interest.calls.reset();
  interest.calls.set(PK_CALL_unshare);
  ask(interest);
  EXPECT_EQ(told(*box, PK_FILE, change), 0u);
  EXPECT_EQ(told(*box, PK_SYSTEM, leave), 1u);

  interest.calls.set(PK_CALL_chmod).set(PK_CALL_fchmodat);
  ask(interest);
  EXPECT_EQ(told(*box, PK_FILE, change), 1u);
}

TEST_F(InterestTest, AnOpenIsToldForEachProcessWhileARuleAsksForItsKind) {
  start();
  const auto box = workspace();
  Interest interest;
  interest.opens.reset();
  interest.opens.set(PK_OPENS_OF(1, 0, 1));
  interest.names = {"asked"};
  ask(interest);
  opens(*box, "plain");  // once for the program
  opens(*box, "asked", O_WRONLY);
  EXPECT_EQ(opens(*box, "plain"), 0u);
  EXPECT_EQ(opens(*box, "asked", O_WRONLY), 0u) << "asked for when it is read";
  EXPECT_EQ(opens(*box, "asked"), 1u);
  EXPECT_EQ(opens(*box, "asked"), 1u);

  interest.names = {"plain"};
  ask(interest);
  opens(*box, "asked");
  EXPECT_EQ(opens(*box, "asked"), 0u) << "its rule is gone";
  EXPECT_EQ(opens(*box, "plain"), 1u);
  EXPECT_EQ(opens(*box, "plain"), 1u);
}

TEST_F(InterestTest, AMarkedNameIsOfInterestAsLongAsItIsMarked) {
  start();
  const auto box = workspace();
  Interest interest;
  interest.opens.reset();
  interest.marks = {{"asked", PK_NAME_SECRET}, {folder_.filename(), PK_NAME_PERSISTENCE_DIR}};
  ask(interest);
  EXPECT_EQ(opens(*box, "asked"), 1u);
  EXPECT_EQ(opens(*box, "asked"), 1u) << "for each process";
  EXPECT_EQ(opens(*box, "place", O_WRONLY), 1u);
  EXPECT_EQ(opens(*box, "place", O_WRONLY), 1u) << "written in a marked directory";

  interest.marks.clear();
  ask(interest);
  opens(*box, "asked");
  opens(*box, "place", O_WRONLY);
  EXPECT_EQ(opens(*box, "asked"), 0u);
  EXPECT_EQ(opens(*box, "place", O_WRONLY), 0u);
}

// A rule that asks for /etc/hosts means what is mounted there, whatever its name elsewhere.
TEST_F(InterestTest, AMountedFileHasTheNameOfItsPlace) {
  start();
  const auto box = workspace();
  Interest interest;
  interest.opens.reset();
  interest.opens.set(PK_OPENS_OF(1, 0, 1));
  interest.names = {"place"};
  ask(interest);
  const std::string source = folder_ / "plain", place = folder_ / "place";
  const auto through_mount = [&] {
    if (unshare(CLONE_NEWNS) || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr))
      return 1;
    if (mount(source.c_str(), place.c_str(), nullptr, MS_BIND, nullptr)) return 2;
    return open(place.c_str(), O_RDONLY) < 0 ? 3 : 0;
  };
  EXPECT_EQ(told(*box, PK_OPEN, through_mount), 1u);
  EXPECT_EQ(told(*box, PK_OPEN, through_mount), 1u);
}

TEST_F(InterestTest, TooManyNamesAskForEverything) {
  start();
  const auto box = workspace();
  Interest interest;
  interest.calls.reset();
  interest.opens.reset();
  for (int i = 0; i < PK_NAMES_MAX + 1; ++i) interest.names.push_back("name" + std::to_string(i));
  EXPECT_EQ(sensor_->set_interest(interest).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(opens(*box, "plain"), 1u);
  EXPECT_EQ(opens(*box, "plain"), 1u);
  const std::string path = folder_ / "plain";
  EXPECT_EQ(told(*box, PK_FILE, [&] { return chmod(path.c_str(), 0640); }), 1u);
}

}  // namespace
}  // namespace picket::live
