// The file family on real kernel events: what is made, renamed, linked, removed and changed.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

namespace fs = std::filesystem;

class File : public LiveSensorTest {
 protected:
  File() { with_lsm_ = true; }
  void SetUp() override {
    LiveSensorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fs::create_directories(folder_);
    fs::permissions(folder_, fs::perms::all);
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    LiveSensorTest::TearDown();
  }

  // By call; each test makes a call once.
  std::map<pk_call, Event> changed_by(const TestCgroup& box, const std::function<int()>& body) {
    Child child = spawn_in(box, [&] { return chdir(folder_.c_str()) ? 98 : body(); });
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    std::map<pk_call, Event> changes;
    for (const Event& event : select(of(PK_FILE, pid)))
      changes.emplace(static_cast<pk_call>(event.header().call), event);
    return changes;
  }

  static std::string text(const Event& event, pk_str pk_file::*member) {
    return std::string(event.text(event.as<pk_file>()->*member));
  }
  // Where it is, however much of that the record leaves to the directory: on the LSM tier it has
  // the whole path, from the kernel.
  static std::string place(const Event& event, pk_str pk_file::*name, pk_str pk_file::*start) {
    const std::string path = text(event, name);
    return path.starts_with('/') ? path : text(event, start) + "/" + path;
  }
  static std::string first(const Event& event) {
    return place(event, &pk_file::path, &pk_file::directory);
  }
  static std::string second(const Event& event) {
    return place(event, &pk_file::path2, &pk_file::directory2);
  }
  bool has_kernels_names() const { return sensor_->coverage().tier == "lsm"; }
  std::string in_folder(const char* name) const { return (folder_ / name).string(); }

  const fs::path folder_ = fs::temp_directory_path() / ("picket-file-" + std::to_string(getpid()));
};

TEST_F(File, NamesAreTold) {
  share();
  const auto box = workspace();
  const auto changes = changed_by(*box, [&] {
    const int here = open(".", O_PATH | O_DIRECTORY);
    if (mkdirat(here, "directory", 0750) || mknod("fifo", S_IFIFO | 0640, 0)) return 1;
    if (symlink("/etc/shadow", "soft") || link("fifo", "hard")) return 2;
    if (renameat2(here, "hard", here, "directory/moved", RENAME_NOREPLACE)) return 3;
    if (unlinkat(here, "soft", 0) || unlink("directory/moved") || rmdir("directory")) return 4;
    return 0;
  });
  ASSERT_EQ(changes.size(), 8u);
  const auto& made = changes.at(PK_CALL_mkdirat);
  EXPECT_EQ(first(made), in_folder("directory"));
  EXPECT_EQ(made.as<pk_file>()->asked_mode, 0750u);
  EXPECT_EQ((made.header().flags & PK_USER_TEXT) == 0, has_kernels_names());
  EXPECT_EQ(changes.at(PK_CALL_mknodat).as<pk_file>()->asked_mode, unsigned(S_IFIFO | 0640));
  const auto& soft = changes.at(PK_CALL_symlink);
  EXPECT_EQ(first(soft), in_folder("soft"));
  EXPECT_EQ(text(soft, &pk_file::path2), "/etc/shadow");
  EXPECT_EQ(text(soft, &pk_file::directory2), "");
  const auto& moved = changes.at(PK_CALL_renameat2);
  EXPECT_EQ(first(moved), in_folder("hard"));
  EXPECT_EQ(second(moved), in_folder("directory/moved"));
  EXPECT_EQ(moved.as<pk_file>()->flags, unsigned(RENAME_NOREPLACE));
  EXPECT_EQ(first(changes.at(PK_CALL_link)), in_folder("fifo"));
  EXPECT_EQ(second(changes.at(PK_CALL_link)), in_folder("hard"));
  EXPECT_TRUE(changes.contains(PK_CALL_unlink) && changes.contains(PK_CALL_rmdir));
}

TEST_F(File, ADescriptorNamesTheKernelsFile) {
  share();
  const auto box = workspace();
  const std::string file = in_folder("file");
  std::ofstream(file) << "text";
  const auto changes = changed_by(*box, [&] {
    const int fd = open("file", O_RDWR);
    if (fchmod(fd, 04755) || fchown(fd, 1000, 1001) || ftruncate(fd, 2)) return 1;
    fsetxattr(fd, "user.mark", "1", 1, 0);
    return 0;
  });
  ASSERT_EQ(changes.size(), 4u);
  struct stat status {};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  for (const auto& [call, event] : changes) {
    EXPECT_EQ(text(event, &pk_file::path), file);
    EXPECT_EQ(event.as<pk_file>()->object.inode, status.st_ino);
    EXPECT_EQ((event.header().flags & PK_USER_TEXT) != 0,
              call == PK_CALL_fsetxattr && !has_kernels_names());
  }
  const pk_file& mode = *changes.at(PK_CALL_fchmod).as<pk_file>();
  EXPECT_EQ(mode.asked_mode, 04755u);
  EXPECT_EQ(mode.object.mode & 07777, 04755u);
  const pk_file& owner = *changes.at(PK_CALL_fchown).as<pk_file>();
  EXPECT_EQ(owner.object.owner, 1000u);
  EXPECT_EQ(owner.object.group, 1001u);
  EXPECT_EQ(changes.at(PK_CALL_ftruncate).as<pk_file>()->size, 2u);
  EXPECT_EQ(text(changes.at(PK_CALL_fsetxattr), &pk_file::name), "user.mark");
}

TEST_F(File, AttributesByPathAreTold) {
  share();
  const auto box = workspace();
  std::ofstream(in_folder("file")) << "text";
  const auto changes = changed_by(*box, [&] {
    if (chmod("file", 0600) || chown("file", 0, 0) || lchown("file", 1, -1)) return 1;
    if (fchmodat(AT_FDCWD, "file", 0700, 0) || fchownat(AT_FDCWD, "file", 0, 0, 0)) return 2;
    setxattr("file", "security.capability", "x", 1, 0);  // refused: not a capability
    return truncate("file", 1) ? 3 : 0;
  });
  ASSERT_EQ(changes.size(), 7u);
  EXPECT_EQ(changes.at(PK_CALL_lchown).as<pk_file>()->asked_owner, 1u);
  EXPECT_EQ(changes.at(PK_CALL_lchown).as<pk_file>()->asked_group, 0xffffffffu);
  const auto& attribute = changes.at(PK_CALL_setxattr);
  EXPECT_EQ(text(attribute, &pk_file::name), "security.capability");
  EXPECT_EQ(attribute.as<pk_file>()->result, -EINVAL);
  EXPECT_EQ(changes.at(PK_CALL_truncate).as<pk_file>()->size, 1u);
}

TEST_F(File, ARefusedChangeIsTold) {
  share();
  const auto box = workspace();
  const auto changes = changed_by(*box, [&] {
    if (setresuid(1000, 1000, 1000)) return 1;
    return mknod("disk", S_IFBLK | 0600, makedev(8, 0)) && unlink("/etc/passwd") ? 0 : 2;
  });
  ASSERT_EQ(changes.size(), 2u);
  const pk_file& disk = *changes.at(PK_CALL_mknodat).as<pk_file>();
  EXPECT_EQ(disk.result, -EPERM);
  EXPECT_EQ(disk.asked_rdev, unsigned(makedev(8, 0)));
  EXPECT_EQ(text(changes.at(PK_CALL_unlink), &pk_file::path), "/etc/passwd");
  EXPECT_EQ(text(changes.at(PK_CALL_unlink), &pk_file::directory), "");
}

}  // namespace
}  // namespace picket::live
