// Fires every observing hook of the LSM tier: what is told is what the kernel resolved, and nothing
// of it is the caller's text. Only kernels that take BPF LSM programs can (tests/vm).
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

namespace fs = std::filesystem;

constexpr int kRemovals = 2'000;

class Lsm : public LiveSensorTest {
 protected:
  Lsm() { with_lsm_ = true; }
  void SetUp() override {
    LiveSensorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    start();
    for (const CoverageLine& line : sensor_->coverage().lines) {
      if (!line.hook.starts_with("lsm/") || line.state == CoverageLine::State::attached) continue;
      GTEST_SKIP() << line.hook << ": " << line.reason;
    }
    fs::create_directories(folder_ / "real/below");
    fs::create_symlink("real", folder_ / "link");
    std::ofstream(folder_ / "real/file") << "text";
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    LiveSensorTest::TearDown();
  }

  // What the process did last, by call. It is in the test's folder.
  std::map<pk_call, Event> done_by(pk_type type, const std::function<int()>& body) {
    const auto box = workspace();
    Child child = spawn_in(*box, [&] { return chdir(folder_.c_str()) ? 98 : body(); });
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    std::map<pk_call, Event> events;
    for (const Event& event : select(of(type, pid)))
      events.insert_or_assign(static_cast<pk_call>(event.header().call), event);
    return events;
  }

  // The texts of a record, whatever calls them so.
  static std::vector<std::string> texts(const Event& event) {
    std::vector<std::string> all;
    const auto add = [&](pk_str text) {
      if (text.length) all.emplace_back(event.text(text));
    };
    if (const auto* file = event.as<pk_file>())
      for (pk_str text : {file->path, file->directory, file->path2, file->directory2, file->name})
        add(text);
    if (const auto* system = event.as<pk_system>())
      for (pk_str text : system->text) add(text);
    return all;
  }

  using Expected = std::map<pk_call, std::vector<std::string>>;
  static void expect(const std::map<pk_call, Event>& events, const Expected& expected) {
    for (const auto& [call, words] : expected) {
      ASSERT_TRUE(events.contains(call)) << call;
      EXPECT_EQ(texts(events.at(call)), words) << call;
      EXPECT_FALSE(events.at(call).header().flags & PK_USER_TEXT) << call;
    }
  }
  // To a mount namespace of its own.
  static bool leave_mounts() {
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }
  std::string real(const std::string& name) const { return (folder_ / "real" / name).string(); }

  const fs::path folder_ = fs::temp_directory_path() / ("picket-lsm-" + std::to_string(getpid()));
};

TEST_F(Lsm, NamesAreTheKernelsBehindALink) {
  const auto events = done_by(PK_FILE, [] {
    if (mkdir("link/made", 0700) || mknod("link/fifo", S_IFIFO | 0600, 0)) return 1;
    if (link("link/file", "link/hard") || symlink("anywhere", "link/soft")) return 2;
    if (rename("link/hard", "link/below/moved") || unlink("link/soft") || rmdir("link/made"))
      return 3;
    if (chmod("link/file", 0640) || chown("link/file", 1, 2) || truncate("link/file", 1)) return 4;
    return 0;
  });
  expect(events, {{PK_CALL_mkdir, {real("made")}},
                  {PK_CALL_link, {real("file"), real("hard")}},
                  {PK_CALL_symlink, {real("soft"), "anywhere"}},
                  {PK_CALL_rename, {real("hard"), real("below/moved")}},
                  {PK_CALL_unlink, {real("soft")}},
                  {PK_CALL_rmdir, {real("made")}},
                  {PK_CALL_truncate, {real("file")}},
                  {PK_CALL_chown, {real("file")}}});
  EXPECT_TRUE(events.contains(PK_CALL_mknodat) || events.contains(PK_CALL_mknod));
  for (const auto& [call, event] : events) {
    EXPECT_FALSE(event.header().flags & PK_USER_TEXT) << call;
    EXPECT_EQ(event.as<pk_file>()->result, 0) << call;
  }
}

// An overlay opens directories and files of its layers by itself, before and after the call's own.
TEST_F(Lsm, AnOpenThroughAnOverlayIsToldAsTheCallerSeesIt) {
  const std::string root = (folder_ / "overlay").string(), made = root + "/merged/made",
                    old = root + "/merged/old";
  const auto through_overlay = [&](const std::string& path, int flags) {
    return done_by(PK_OPEN, [&] {
      if (!leave_mounts() || mkdir(root.c_str(), 0755)) return 1;
      if (mount("none", root.c_str(), "tmpfs", 0, nullptr) || chdir(root.c_str())) return 2;
      for (const char* name : {"lower", "upper", "work", "merged"})
        if (mkdir(name, 0755)) return 3;
      if (close(creat("lower/old", 0644))) return 4;
      if (mount("none", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work"))
        return 5;
      const int file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path.c_str(), flags, 0644));
      return file < 0 || rmdir(root.c_str()) == 0 ? 6 : 0;
    });
  };
  const auto expect_open = [&](const std::string& path, int flags, bool writes, bool created) {
    SCOPED_TRACE(path);
    const auto events = through_overlay(path, flags);
    ASSERT_TRUE(events.contains(PK_CALL_openat));
    const Event& event = events.at(PK_CALL_openat);
    const pk_open& open = *event.as<pk_open>();
    EXPECT_EQ(event.text(open.path), path);
    EXPECT_EQ(open.object.kind, PK_FD_FILE);
    EXPECT_EQ(open.writes != 0, writes);
    EXPECT_EQ(open.created != 0, created);
    fs::remove(root);
  };
  expect_open(made, O_WRONLY | O_CREAT, true, true);
  expect_open(old, O_RDONLY, false, false);
  expect_open(old, O_RDWR, true, false);  // copies it up
}

TEST_F(Lsm, AnAttributeIsTheKernels) {
  const auto events = done_by(PK_FILE, [] {
    if (!leave_mounts() || mount("tree", "link/below", "tmpfs", 0, nullptr)) return 1;
    if (chroot("link/below") || chdir("/") || mkdir("/real", 0700)) return 2;
    return symlink("real", "/link") || setxattr("/link", "trusted.mark", "1", 1, 0) ? 3 : 0;
  });
  expect(events, {{PK_CALL_setxattr, {"/real", "trusted.mark"}}});
}

TEST_F(Lsm, PlacesOfMountsAreTheKernels) {
  const auto events = done_by(PK_SYSTEM, [] {
    if (!leave_mounts() || mount("mine", "link/below", "tmpfs", 0, nullptr)) return 1;
    return umount2("link/below", 0) || chroot("link/below") ? 2 : 0;
  });
  expect(events, {{PK_CALL_mount, {"mine", real("below"), "tmpfs"}},
                  {PK_CALL_umount2, {real("below")}},
                  {PK_CALL_chroot, {real("below")}}});
}

TEST_F(Lsm, ARootAndAMountThatMoveAreToldWithTheirPlaces) {
  const auto events = done_by(PK_SYSTEM, [] {
    if (!leave_mounts() || mount("one", "link/below", "tmpfs", 0, nullptr)) return 1;
    if (mkdir("real/other", 0700)) return 2;
    if (syscall(SYS_move_mount, AT_FDCWD, "link/below", AT_FDCWD, "link/other", 0)) return 3;
    if (mkdir("real/other/old", 0700)) return 4;
    return syscall(SYS_pivot_root, "link/other", "link/other/old") ? 5 : 0;
  });
  expect(events, {{PK_CALL_move_mount, {real("below"), real("other")}},
                  {PK_CALL_pivot_root, {real("other"), real("other/old")}}});
}

// A thread that swaps the name in memory: told is what was removed.
TEST_F(Lsm, ASwappedNameIsToldAsItWasUsed) {
  const auto box = workspace();
  const std::string left = real("a"), right = real("b");
  Child child = spawn_in(*box, [&] {
    std::string path = left;
    volatile char* last = &path.back();
    std::atomic<bool> stop = false;
    std::thread changer([&] {
      while (!stop.load(std::memory_order_relaxed)) *last = 'a' + (*last == 'a');
    });
    int result = 0;
    for (int i = 0; i < kRemovals && !result; ++i) {
      if (mkdir(left.c_str(), 0700) || mkdir(right.c_str(), 0700)) result = 1;
      if (syscall(SYS_unlinkat, AT_FDCWD, path.c_str(), AT_REMOVEDIR)) result = 2;
      const bool first = access(left.c_str(), F_OK) != 0;  // which of them is gone
      if (rmdir(first ? right.c_str() : left.c_str())) result = 3;
    }
    stop = true;
    changer.join();
    return result;
  });
  const pid_t pid = child.pid();
  ASSERT_TRUE(drain_until_exit(pid));
  ASSERT_EQ(child.wait(), 0);
  int raced = 0;
  std::string removed;
  for (const Event& event : select(of(PK_FILE, pid))) {
    const std::string path(event.text(event.as<pk_file>()->path));
    if (event.header().call == PK_CALL_unlinkat) {
      removed = path;
      ++raced;
    }
    // What was left is the other one.
    if (event.header().call == PK_CALL_rmdir) {
      EXPECT_EQ(path, removed == left ? right : left);
    }
    EXPECT_FALSE(event.header().flags & PK_USER_TEXT);
  }
  EXPECT_EQ(raced, kRemovals);
}

}  // namespace
}  // namespace picket::live
