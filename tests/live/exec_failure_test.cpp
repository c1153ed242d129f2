// Programs that could not be run, on real kernel events: told with the name that was asked for,
// each once for a program that looks for it in many places again and again.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

namespace fs = std::filesystem;

long execveat(int directory, const char* path) {
  char* const none[] = {nullptr};
  return syscall(SYS_execveat, directory, path, none, none, 0);
}

class ExecFailure : public LiveSensorTest {
 protected:
  void SetUp() override {
    LiveSensorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fs::create_directories(folder_);
    std::ofstream(file()) << "text";
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    LiveSensorTest::TearDown();
  }
  std::string file() const { return (folder_ / "no-program").string(); }
  // By the process and its children.
  std::vector<Event> told_by(const TestCgroup& box, const std::function<int()>& body) {
    const size_t before = all(box).size();
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    auto told = all(box);
    told.erase(told.begin(), told.begin() + static_cast<ptrdiff_t>(before));
    return told;
  }
  static std::string name_of(const Event& event) {
    return std::string(event.text(event.as<pk_system>()->text[0]));
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("picket-exec-failure-" + std::to_string(getpid()));

 private:
  std::vector<Event> all(const TestCgroup& box) const {
    return select([&](const Event& event) {
      const pk_header& header = event.header();
      return event.type() == PK_SYSTEM && header.cgroup_id == box.id() &&
             (header.call == PK_CALL_execve || header.call == PK_CALL_execveat);
    });
  }
};

TEST_F(ExecFailure, IsToldWithItsErrorAndTheNameThatWasAskedFor) {
  share();
  const auto box = workspace();
  const std::string file = this->file(), folder = folder_.string();
  const auto told = told_by(*box, [&] {
    const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY);
    execl("/no/such/program", "x", nullptr);
    execl(file.c_str(), "x", nullptr);
    return execveat(directory, "no-program") == -1 && errno == EACCES ? 0 : 1;
  });
  ASSERT_EQ(told.size(), 3u);
  const std::string names[] = {"/no/such/program", file, "no-program"};
  const int errors[] = {-ENOENT, -EACCES, -EACCES};
  for (size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(name_of(told[i]), names[i]);
    EXPECT_EQ(told[i].as<pk_system>()->result, errors[i]);
    EXPECT_NE(told[i].header().flags & PK_USER_TEXT, 0u);
  }
  EXPECT_EQ(told[2].header().call, PK_CALL_execveat);
}

TEST_F(ExecFailure, ASearchIsToldOnceAndAProgramThatRunsNotAtAll) {
  share();
  const auto box = workspace();
  const std::string folder = folder_.string();
  const auto search = [&] {
    for (int i = 0; i < 20; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        setenv("PATH", (folder + ":/no/such/folder:/usr/bin:/bin").c_str(), 1);
        execlp("true", "true", nullptr);
        _exit(1);
      }
      int status = 0;
      if (waitpid(child, &status, 0) != child || status != 0) return 1;
    }
    return 0;
  };
  const auto told = told_by(*box, search);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(name_of(told[0]), folder + "/true");
  EXPECT_EQ(name_of(told[1]), "/no/such/folder/true");
  EXPECT_TRUE(told_by(*box, search).empty()) << "another process of the same program";
  const auto other = told_by(*box, [&] { return setresuid(1000, 1000, 1000) ? 2 : search(); });
  EXPECT_EQ(other.size(), 2u) << "another user";
}

// A long common beginning, the same buffer: what is asked for is another name all the same.
TEST_F(ExecFailure, AnotherNameIsAnotherFailure) {
  share();
  const auto box = workspace();
  const auto told = told_by(*box, [] {
    char path[] = "/no/such/folder/with/a/long/name/program-0";
    for (int i = 0; i < 3; ++i, ++path[sizeof(path) - 2])
      for (int twice = 0; twice < 2; ++twice)
        if (execl(path, "x", nullptr) != -1) return 1;
    return 0;
  });
  ASSERT_EQ(told.size(), 3u);
  for (size_t i = 0; i < told.size(); ++i)
    EXPECT_TRUE(name_of(told[i]).ends_with("program-" + std::to_string(i)));
}

}  // namespace
}  // namespace picket::live
