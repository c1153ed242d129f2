// What a container's own files and its runtime's configuration say of it: names of users, mounts,
// whether it is privileged.
#include "agent/enrich/oci_spec.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/enrich/identity_json.h"
#include "agent/enrich/rootfs_names.h"

namespace picket {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr const char* kAll =
    R"(["CAP_SYS_ADMIN","CAP_SYS_MODULE","CAP_SYS_RAWIO","CAP_SYS_BOOT","CAP_SYS_TIME",
        "CAP_SYS_PTRACE","CAP_NET_ADMIN","CAP_DAC_READ_SEARCH","CAP_MAC_ADMIN","CAP_CHOWN"])";

Workspace of_spec(const std::string& text) {
  Workspace workspace;
  apply_oci_spec(workspace, nlohmann::json::parse(text));
  return workspace;
}
Workspace of_state(const std::string& text) {
  Workspace workspace;
  apply_runc_state(workspace, nlohmann::json::parse(text));
  return workspace;
}

TEST(OciSpec, PrivilegedHasAllAndHidesNothing) {
  const auto with = [](const std::string& capabilities, const std::string& masked) {
    return of_spec(R"({"process":{"capabilities":{"bounding":)" + capabilities +
                   R"(}},"linux":{"maskedPaths":)" + masked + "}}")
        .privileged;
  };
  EXPECT_EQ(with(kAll, "[]"), true);
  EXPECT_EQ(with(kAll, R"(["/proc/kcore"])"), false);
  EXPECT_EQ(with(R"(["CAP_SYS_ADMIN"])", "[]"), false);
  EXPECT_EQ(of_spec("{}").privileged, std::nullopt);
  EXPECT_EQ(
      of_state(std::string(R"({"config":{"capabilities":{"Bounding":)") + kAll + "}}}").privileged,
      true);
}

TEST(OciSpec, MountsOfTheConfiguration) {
  const Workspace workspace = of_spec(
      R"({"mounts":[{"source":"/proc","destination":"/host","options":["rbind","ro","rslave"]},
                    {"source":"tmpfs","destination":"/tmp"}, 7]})");
  ASSERT_EQ(workspace.mounts.size(), 2u);
  EXPECT_EQ(workspace.mounts[0].source, "/proc");
  EXPECT_EQ(workspace.mounts[0].destination, "/host");
  EXPECT_FALSE(workspace.mounts[0].writable);
  EXPECT_EQ(workspace.mounts[0].propagation, "rslave");
  EXPECT_EQ(workspace.mounts[0].mode, "rbind,ro,rslave");
  EXPECT_TRUE(workspace.mounts[1].writable);
}

TEST(OciSpec, MountsOfRuncsState) {
  const Workspace workspace =
      of_state(R"({"config":{"mounts":[{"source":"/etc","destination":"/x","flags":4097}]}})");
  ASSERT_EQ(workspace.mounts.size(), 1u);
  EXPECT_FALSE(workspace.mounts[0].writable);
}

TEST(RootfsNames, OfBothFiles) {
  EXPECT_THAT(parse_names("root:x:0:0:r:/root:/bin/sh\ndev:x:1000:1000::/home/dev:/bin/sh\n"
                          "again:x:1000:7\nbad\n:x:3:\nminus:x:-1:\nlast:x:65534:"),
              ElementsAre(Pair(0, "root"), Pair(1000, "dev"), Pair(65534, "last")));
  EXPECT_THAT(parse_names(""), IsEmpty());
}

class RootfsFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "picket_rootfs_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directories(folder_ / "root/etc");
    std::ofstream(folder_ / "secret") << "secret:x:1:1\n";
  }
  void TearDown() override { fs::remove_all(folder_); }

  Workspace complete() const {
    Workspace workspace;
    workspace.rootfs = folder_ / "root";
    EXPECT_TRUE(RootfsNames().complete(workspace).ok());
    return workspace;
  }
  fs::path folder_;
};

TEST_F(RootfsFolder, NamesAreRead) {
  std::ofstream(folder_ / "root/etc/passwd") << "dev:x:1000:1000\n";
  std::ofstream(folder_ / "root/etc/group") << "team:x:500:dev\n";
  const Workspace workspace = complete();
  EXPECT_THAT(workspace.users, ElementsAre(Pair(1000, "dev")));
  EXPECT_THAT(workspace.groups, ElementsAre(Pair(500, "team")));
  const auto identity = identity_from_json(identity_to_json(7, workspace));
  ASSERT_TRUE(identity.ok() && identity->workspace.ok());
  EXPECT_EQ(identity->workspace->users, workspace.users);
  EXPECT_EQ(identity->workspace->groups, workspace.groups);
}

TEST_F(RootfsFolder, NothingOutsideOfItIs) {
  fs::create_symlink("../../secret", folder_ / "root/etc/passwd");
  fs::create_symlink((folder_ / "secret").string(), folder_ / "root/etc/group");
  EXPECT_THAT(complete().users, IsEmpty());
  EXPECT_THAT(complete().groups, IsEmpty());
}

TEST_F(RootfsFolder, WhatIsNoFileIsLeftAlone) {
  ASSERT_EQ(mkfifo((folder_ / "root/etc/passwd").c_str(), 0600), 0);
  EXPECT_THAT(complete().users, IsEmpty());
}

}  // namespace
}  // namespace picket
