// The open family on real kernel events: whatever way a path takes, the record names the file that
// the kernel opened.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

namespace fs = std::filesystem;

long openat2(int directory, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how{};
  how.flags = flags;
  how.resolve = resolve;
  return syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

class Open : public LiveSensorTest {
 protected:
  Open() { with_lsm_ = true; }
  void SetUp() override {
    LiveSensorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fs::create_directories(folder_ / "inner");
    std::ofstream(folder_ / "object") << "text";
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    LiveSensorTest::TearDown();
  }

  // What a process of the workspace opened below the test's folder, or whatever `all` says.
  std::vector<Event> opened_by(const TestCgroup& box, const std::function<int()>& body) {
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    return select(of(PK_OPEN, pid));
  }

  static std::string path_of(const Event& event) {
    return std::string(event.text(event.as<pk_open>()->path));
  }
  std::string object() const { return (folder_ / "object").string(); }

  // In a mount namespace of its own, of which the machine sees nothing.
  static bool leave_mounts() {
    return unshare(CLONE_NEWNS) == 0 &&
           mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }

  const fs::path folder_ = fs::temp_directory_path() / ("picket-open-" + std::to_string(getpid()));
};

TEST_F(Open, EveryWayToAFileGivesItsPath) {
  share();
  const auto box = workspace();
  const std::string folder = folder_.string(), file = object();
  fs::create_symlink("object", folder_ / "link");
  fs::create_symlink(folder_, folder_ / "inner/up");
  const std::map<std::string, std::function<int()>> ways = {
      {"open", [&] { return syscall(SYS_open, file.c_str(), O_RDONLY); }},
      {"absolute", [&] { return open(file.c_str(), O_RDONLY); }},
      {"relative", [&] { return chdir(folder.c_str()) ? -1 : open("object", O_RDONLY); }},
      {"dot dot", [&] { return open((folder + "/inner/../inner/.././object").c_str(), O_RDONLY); }},
      {"symbolic link", [&] { return open((folder + "/link").c_str(), O_RDONLY); }},
      {"link on the way", [&] { return open((folder + "/inner/up/object").c_str(), O_RDONLY); }},
      {"openat", [&] { return openat(open(folder.c_str(), O_PATH), "object", O_RDONLY); }},
      {"beneath",
       [&] {
         return openat2(open(folder.c_str(), O_PATH), "object", O_RDONLY,
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
       }},
      {"in root",
       [&] { return openat2(open(folder.c_str(), O_PATH), "/object", O_RDONLY, RESOLVE_IN_ROOT); }},
      {"self root", [&] { return open(("/proc/self/root" + file).c_str(), O_RDONLY); }},
      {"self cwd",
       [&] { return chdir(folder.c_str()) ? -1 : open("/proc/self/cwd/object", O_RDONLY); }},
  };
  struct stat status {};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  for (const auto& [name, way] : ways) {
    SCOPED_TRACE(name);
    const auto events = opened_by(*box, [&] { return way() >= 0 ? 0 : 1; });
    ASSERT_FALSE(events.empty());
    const Event& last = events.back();
    const pk_open& record = *last.as<pk_open>();
    EXPECT_EQ(path_of(last), file);
    EXPECT_GE(record.result, 0);
    EXPECT_EQ(record.object.inode, status.st_ino);
    EXPECT_EQ(record.object.kind, PK_FD_FILE);
    EXPECT_EQ(record.object.nlink, 1u);
    EXPECT_EQ(record.object.mode, status.st_mode);
    EXPECT_TRUE(record.reads);
    EXPECT_FALSE(record.writes);
    EXPECT_FALSE(last.header().flags & PK_USER_TEXT);
  }
}

TEST_F(Open, WriteIntentCreationAndFlagsAreTheKernels) {
  share();
  const auto box = workspace();
  const std::string made = (folder_ / "made").string();
  const auto events = opened_by(*box, [&] {
    const bool done = open(made.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0640) >= 0 &&
                      open(made.c_str(), O_RDWR | O_TRUNC) >= 0 && creat(made.c_str(), 0600) >= 0;
    return done ? 0 : 1;
  });
  ASSERT_EQ(events.size(), 3u);
  const pk_open *first = events[0].as<pk_open>(), *second = events[1].as<pk_open>();
  EXPECT_TRUE(first->created);
  EXPECT_TRUE(first->writes);
  EXPECT_FALSE(first->reads);
  EXPECT_EQ(first->asked_mode, 0640u);
  EXPECT_EQ(first->flags & (O_CREAT | O_EXCL | O_WRONLY), unsigned(O_CREAT | O_EXCL | O_WRONLY));
  EXPECT_FALSE(second->created);
  EXPECT_TRUE(second->reads && second->writes);
  EXPECT_TRUE(second->flags & O_TRUNC);
  EXPECT_EQ(events[2].header().call, PK_CALL_creat);
}

TEST_F(Open, MountsAndRootsAreResolvedAsTheProcessSeesThem) {
  share();
  const auto box = workspace();
  const std::string folder = folder_.string();
  auto events = opened_by(*box, [&] {
    if (!leave_mounts() ||
        mount(folder.c_str(), (folder + "/inner").c_str(), nullptr, MS_BIND, nullptr))
      return 1;
    return open((folder + "/inner/object").c_str(), O_RDONLY) >= 0 ? 0 : 2;
  });
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(path_of(events.back()), folder + "/inner/object");
  struct stat status {};
  ASSERT_EQ(stat(object().c_str(), &status), 0);
  EXPECT_EQ(events.back().as<pk_open>()->object.inode, status.st_ino);

  events = opened_by(*box, [&] {
    return chroot(folder.c_str()) == 0 && chdir("/") == 0 && open("object", O_RDONLY) >= 0 ? 0 : 1;
  });
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(path_of(events.back()), "/object");

  events = opened_by(*box, [&] {
    const std::string at = folder + "/inner";
    if (!leave_mounts() || mount("tmpfs", at.c_str(), "tmpfs", 0, nullptr)) return 1;
    return open((at + "/new").c_str(), O_CREAT | O_WRONLY, 0600) >= 0 ? 0 : 2;
  });
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(path_of(events.back()), folder + "/inner/new");
  EXPECT_TRUE(events.back().as<pk_open>()->object.foreign);
  EXPECT_EQ(events.back().as<pk_open>()->object.layer, PK_LAYER_MOUNT);
}

TEST_F(Open, AnOverlayTellsImageFromUpperAndItsOwner) {
  share();
  const auto box = workspace();
  const std::string folder = folder_.string();
  const auto events = opened_by(*box, [&] {
    if (!leave_mounts() || mount("tmpfs", (folder + "/inner").c_str(), "tmpfs", 0, nullptr))
      return 1;
    const std::string at = folder + "/inner/";
    for (const char* name : {"lower", "upper", "work", "all"}) mkdir((at + name).c_str(), 0755);
    std::ofstream(at + "lower/file") << "image";
    const std::string options =
        "lowerdir=" + at + "lower,upperdir=" + at + "upper,workdir=" + at + "work";
    if (mount("overlay", (at + "all").c_str(), "overlay", 0, options.c_str())) return 2;
    if (chroot((at + "all").c_str()) || chdir("/")) return 3;
    return open("/file", O_RDONLY) >= 0 && open("/file", O_RDWR) >= 0 ? 0 : 4;
  });
  ASSERT_GE(events.size(), 2u);
  const pk_open* read = events[events.size() - 2].as<pk_open>();
  const pk_open* written = events.back().as<pk_open>();
  EXPECT_EQ(path_of(events.back()), "/file");
  EXPECT_EQ(read->object.layer, PK_LAYER_IMAGE);
  EXPECT_EQ(written->object.layer, PK_LAYER_UPPER);
  EXPECT_EQ(read->object.inode, written->object.inode);  // a copy-up does not change who it is
  EXPECT_EQ(read->object.dev, written->object.dev);
  EXPECT_FALSE(read->object.foreign);
}

TEST_F(Open, FilesWithoutANameHaveAKind) {
  share();
  const auto box = workspace();
  const std::string folder = folder_.string();
  const auto events = opened_by(*box, [&] {
    const int memory = memfd_create("hidden", 0);
    if (open(("/proc/self/fd/" + std::to_string(memory)).c_str(), O_RDONLY) < 0) return 1;
    if (open(folder.c_str(), O_TMPFILE | O_RDWR, 0600) < 0) return 2;
    int ends[2];
    if (pipe(ends)) return 3;
    return open(("/proc/self/fd/" + std::to_string(ends[0])).c_str(), O_RDONLY) >= 0 ? 0 : 4;
  });
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].as<pk_open>()->object.layer, PK_LAYER_MEMFD);
  EXPECT_TRUE(path_of(events[0]).starts_with("memfd:hidden"));
  EXPECT_EQ(events[1].as<pk_open>()->object.nlink, 0u);
  EXPECT_EQ(events[1].as<pk_open>()->object.layer, PK_LAYER_DELETED);
  EXPECT_EQ(events[2].as<pk_open>()->object.kind, PK_FD_PIPE);
}

TEST_F(Open, RefusedOpensAreToldWithWhatWasPassed) {
  share();
  const auto box = workspace();
  const std::string folder = folder_.string();
  chmod(object().c_str(), 0600);
  const auto events = opened_by(*box, [&] {
    if (chdir(folder.c_str()) || setresuid(1000, 1000, 1000)) return 1;
    const bool refused = open("object", O_RDONLY) < 0 && open("object", O_RDONLY) < 0 &&
                         open("/proc/sys/kernel/core_pattern", O_WRONLY) < 0 &&
                         open("/no/such/file", O_RDONLY) < 0;
    return refused ? 0 : 2;
  });
  ASSERT_EQ(events.size(), 2u);
  const pk_open* first = events[0].as<pk_open>();
  EXPECT_EQ(first->result, -EACCES);
  EXPECT_TRUE(events[0].header().flags & PK_USER_TEXT);
  EXPECT_EQ(events[0].text(first->raw), "object");
  EXPECT_EQ(events[0].text(first->directory), folder);
  EXPECT_EQ(path_of(events[0]), "");
  EXPECT_EQ(first->object.kind, PK_FD_NONE);
  EXPECT_EQ(events[0].header().uid, 1000u);
  EXPECT_EQ(events[1].text(events[1].as<pk_open>()->raw), "/proc/sys/kernel/core_pattern");
  EXPECT_TRUE(events[1].as<pk_open>()->writes);
}

// Names of one length and beginning, in one buffer; one name from two places, in two ways.
TEST_F(Open, ARefusedOpenIsARepeatOfNoOther) {
  share();
  const auto box = workspace();
  const std::string folder = folder_.string(), inner = folder + "/inner";
  for (const std::string& at : {folder, inner}) {
    std::ofstream(at + "/secret") << "text";
    chmod((at + "/secret").c_str(), 0600);
  }
  const std::string beginning = folder + "/a-beginning-of-more-than-thirty-two-bytes-";
  for (const char* end : {"0", "1", "2"}) {
    std::ofstream(beginning + end) << "text";
    chmod((beginning + end).c_str(), 0600);
  }
  const auto events = opened_by(*box, [&] {
    std::string name = beginning + "0";
    if (setresuid(1000, 1000, 1000)) return 1;
    for (int i = 0; i < 3; ++i, ++name.back())
      for (int twice = 0; twice < 2; ++twice)
        if (open(name.c_str(), O_RDONLY) >= 0) return 2;
    for (const std::string& at : {folder, inner})
      if (chdir(at.c_str()) || open("secret", O_RDONLY) >= 0) return 3;
    const int directory = open(folder.c_str(), O_PATH | O_DIRECTORY);
    return openat(directory, "secret", O_RDONLY) < 0 &&
                   openat2(directory, "secret", O_RDONLY, RESOLVE_BENEATH) < 0
               ? 0
               : 4;
  });
  std::vector<std::string> refused;
  for (const Event& event : events)
    if (event.as<pk_open>()->result < 0)
      refused.push_back(std::string(event.text(event.as<pk_open>()->directory)) + "|" +
                        std::string(event.text(event.as<pk_open>()->raw)));
  const std::string from_folder = folder + "|secret", from_inner = inner + "|secret";
  // The descriptor leads where the first `secret` was asked for.
  EXPECT_EQ(refused, (std::vector<std::string>{"|" + beginning + "0", "|" + beginning + "1",
                                               "|" + beginning + "2", from_folder, from_inner,
                                               from_folder}));
}

TEST_F(Open, WhatMattersIsMarked) {
  share();
  const auto box = workspace();
  const std::string folder = folder_.string();
  const std::string other = "/proc/" + std::to_string(getpid()) + "/status";
  fs::create_directories(folder_ / "cron.d");
  const auto events = opened_by(*box, [&] {
    const bool done = open("/etc/shadow", O_RDONLY) >= 0 && open(other.c_str(), O_RDONLY) >= 0 &&
                      open("/proc/self/status", O_RDONLY) >= 0 &&
                      open("/proc/sys/kernel/core_pattern", O_RDONLY) >= 0 &&
                      open("/sys/kernel/profiling", O_RDONLY) + 2 > 0 &&
                      open((folder + "/cron.d/job").c_str(), O_CREAT | O_WRONLY, 0600) >= 0;
    return done ? 0 : 1;
  });
  std::map<std::string, uint32_t> interest;
  for (const Event& event : events) interest[path_of(event)] = event.as<pk_open>()->interest;
  EXPECT_EQ(interest["/etc/shadow"], PK_OF_SECRET);
  EXPECT_EQ(interest[other], PK_OF_PROCESS);
  EXPECT_EQ(interest["/proc/sys/kernel/core_pattern"], PK_OF_KERNEL);
  EXPECT_EQ(interest[folder + "/cron.d/job"], PK_OF_PERSISTENCE);
  for (const Event& event : events) {
    if (path_of(event) == other) {
      EXPECT_EQ(event.as<pk_open>()->object.proc_pid, uint32_t(getpid()));
    }
  }
}

TEST_F(Open, RepeatsAreToldOnceAProcessOrOnceAProgram) {
  start();
  const auto box = workspace();
  const std::string file = object();
  const auto open_thrice = [&](const char* path) {
    return opened_by(*box,
                     [path] {
                       for (int i = 0; i < 3; ++i)
                         if (open(path, O_RDONLY) < 0) return 1;
                       return 0;
                     })
        .size();
  };
  EXPECT_EQ(open_thrice(file.c_str()), 1u);
  EXPECT_EQ(open_thrice(file.c_str()), 1u) << "a rule may look at each process";
  Interest nobody;
  nobody.opens.reset();
  ASSERT_TRUE(sensor_->set_interest(nobody).ok());
  EXPECT_EQ(open_thrice(file.c_str()), 1u);
  EXPECT_EQ(open_thrice(file.c_str()), 0u) << "the same program opened it before";
  EXPECT_EQ(open_thrice("/etc/shadow"), 1u);
  EXPECT_EQ(open_thrice("/etc/shadow"), 1u) << "a secret is told for every process";
}

// The same file in the same process, but not the same open: another name, another identity.
TEST_F(Open, AnotherNameOrIdentityIsAnotherOpen) {
  share();
  const auto box = workspace();
  const std::string file = object(), twin = (folder_ / "twin").string();
  ASSERT_EQ(link(file.c_str(), twin.c_str()), 0);
  const auto events = opened_by(*box, [&] {
    if (open(file.c_str(), O_RDONLY) < 0 || open(twin.c_str(), O_RDONLY) < 0) return 1;
    if (rename(twin.c_str(), (folder_ / "third").c_str())) return 2;
    if (open((folder_ / "third").c_str(), O_RDONLY) < 0) return 3;
    if (open(file.c_str(), O_RDONLY) < 0 || setresuid(1000, 1000, 1000)) return 4;
    return open(file.c_str(), O_RDONLY) < 0 ? 5 : 0;
  });
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(path_of(events[0]), file);
  EXPECT_EQ(path_of(events[1]), twin);
  EXPECT_EQ(path_of(events[2]), (folder_ / "third").string());
  EXPECT_EQ(events[3].header().uid, 1000u);
}

TEST_F(Open, ByHandleIsToldWithItsPath) {
  share();
  const auto box = workspace();
  const std::string file = object();
  const auto events = opened_by(*box, [&] {
    alignas(file_handle) std::array<std::byte, sizeof(file_handle) + MAX_HANDLE_SZ> room{};
    auto& handle = *reinterpret_cast<file_handle*>(room.data());
    handle.handle_bytes = MAX_HANDLE_SZ;
    int mount_id = 0;
    if (name_to_handle_at(AT_FDCWD, file.c_str(), &handle, &mount_id, 0))
      return errno == EOPNOTSUPP ? 0 : 1;
    const int mount_fd = open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
    return open_by_handle_at(mount_fd, &handle, O_RDONLY) >= 0 ? 0 : 2;
  });
  if (events.empty()) GTEST_SKIP() << "the file system has no handles";
  EXPECT_EQ(events.back().header().call, PK_CALL_open_by_handle_at);
  EXPECT_EQ(path_of(events.back()), file);
}

TEST_F(Open, StrangersAreNotTold) {
  share();
  const auto box = workspace();
  const std::string file = object();
  Child stranger = spawn([&] { return open(file.c_str(), O_RDONLY) < 0; });
  const pid_t pid = stranger.pid();
  EXPECT_EQ(stranger.wait(), 0);
  ASSERT_EQ(opened_by(*box, [&] { return open(file.c_str(), O_RDONLY) < 0; }).size(), 1u);
  EXPECT_EQ(count(of(PK_OPEN, pid)), 0u);
}

}  // namespace
}  // namespace picket::live
