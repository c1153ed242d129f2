#include "agent/enrich/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/cgroup_path.h"
#include "agent/enrich/cgroup_resolver.h"
#include "agent/enrich/containerd_resolver.h"
#include "agent/enrich/mount_info.h"
#include "agent/enrich/runc_resolver.h"
#include "agent/enrich/small_file.h"

namespace picket {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string kHexId(64, 'a');

class ResolverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string directory = ::testing::TempDir() + "resolverXXXXXX";
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    root_ = directory;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::string at(const fs::path& path) const { return (root_ / path).string(); }

  // A process in a container whose root is an overlay, as /proc shows it.
  void add_process(uint32_t pid, const std::string& cgroup, const std::string& comm = "bash",
                   const std::string& exe = "/bin/bash") {
    const fs::path proc = fs::path("proc") / std::to_string(pid);
    write(proc / "cgroup", "12:pids:/elsewhere\n0::" + cgroup + "\n");
    write(proc / "comm", comm + "\n");
    write(proc / "status", "Name:\t" + comm + "\nNSpid:\t" + std::to_string(pid) + "\t1\n");
    write(proc / "mountinfo",
          "100 90 0:52 / / rw,relatime - overlay overlay "
          "rw,lowerdir=/l,upperdir=/var/up,workdir=/w\n");
    fs::create_symlink(exe, root_ / proc / "exe");
  }
  void add_host(const std::string& lines) { write("proc/self/mountinfo", lines); }

  fs::path root_;
};

const char* const kRuncState =
    R"({"id": "one", "init_process_pid": 4711, "config": {"rootfs": "/images/one",
  "labels": ["org.opencontainers.image.ref.name=debian:12", "owner=ann", "no equals sign", "bundle=/b"],
  "cgroups": {"path": ""}}, "cgroup_paths": {"": "/sys/fs/cgroup/lab/ws/one", "cpu": "/sys/fs/cgroup/cpu/x"}})";

TEST_F(ResolverTest, RuncByIdAndCgroupPath) {
  write("runc/one/state.json", kRuncState);
  RuncResolver resolver({root_ / "none", root_ / "runc"});
  const auto found = resolver.resolve({.id = 7, .path = "/lab/ws/one"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->id, "one");
  EXPECT_EQ(found->name, "one");
  EXPECT_EQ(found->container_id, "one");
  EXPECT_EQ(found->image, "debian:12");
  EXPECT_EQ(found->image_source, "annotation");
  EXPECT_EQ(found->rootfs, "/images/one");
  EXPECT_EQ(found->runtime, "runc");
  EXPECT_EQ(found->init_pid, 4711u);
  EXPECT_EQ(found->labels.at("owner"), "ann");
}

TEST_F(ResolverTest, RuncWithAnotherNameThanItsCgroup) {
  write("runc/one/state.json", kRuncState);
  write(
      "runc/two/state.json",
      R"({"id": "two", "config": {"rootfs": "/images/two"}, "cgroup_paths": {"": "/cg/lab/ws/other"}})");
  RuncResolver resolver({root_ / "runc"});
  const auto found = resolver.resolve({.id = 7, .path = "/lab/ws/other"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->id, "two");
  EXPECT_EQ(found->image, "/images/two");
  EXPECT_EQ(found->image_source, "rootfs");
}

TEST_F(ResolverTest, RuncOfAnotherContainerIsNotTaken) {
  write("runc/one/state.json", kRuncState);
  RuncResolver resolver({root_ / "runc"});
  EXPECT_TRUE(absl::IsNotFound(resolver.resolve({.path = "/other/one"}).status()));
  EXPECT_TRUE(absl::IsNotFound(resolver.resolve({.path = "/one"}).status()));
  EXPECT_TRUE(absl::IsNotFound(resolver.resolve({.path = "/"}).status()));
}

TEST_F(ResolverTest, RuncWithoutAStateYetIsUnavailable) {
  fs::create_directories(root_ / "runc" / "one");
  RuncResolver resolver({root_ / "runc"});
  EXPECT_TRUE(absl::IsUnavailable(resolver.resolve({.path = "/lab/ws/one"}).status()));
  EXPECT_TRUE(absl::IsNotFound(resolver.resolve({.path = "/lab/ws/two"}).status()));
}

TEST_F(ResolverTest, RuncSaysWhichStateItCannotRead) {
  write("runc/one/state.json", "{\"id\": ");
  RuncResolver resolver({root_ / "runc"});
  EXPECT_THAT(std::string(resolver.resolve({.path = "/lab/ws/one"}).status().message()),
              HasSubstr("runc/one/state.json"));
  write(
      "runc/one/state.json",
      R"({"id": 5, "config": {"rootfs": []}, "cgroup_paths": {"": "/sys/fs/cgroup/lab/ws/one"}})");
  EXPECT_FALSE(resolver.resolve({.path = "/lab/ws/one"}).ok());
}

TEST_F(ResolverTest, ContainerdByItsTaskDirectory) {
  write(
      "task/k8s.io/" + kHexId + "/config.json",
      R"({"root": {"path": "rootfs"}, "linux": {"cgroupsPath": "/kubepods/pod1/)" + kHexId + R"("},
            "annotations": {"io.kubernetes.cri.container-name": "dev", "io.kubernetes.cri.image-name": "img:1"}})");
  write("task/k8s.io/" + kHexId + "/init.pid", "815");
  ContainerdResolver resolver({root_ / "none", root_ / "task"});
  const auto found = resolver.resolve({.path = "/kubepods/pod1/" + kHexId});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->id, kHexId);
  EXPECT_EQ(found->name, "dev");
  EXPECT_EQ(found->image, "img:1");
  EXPECT_EQ(found->runtime, "containerd");
  EXPECT_EQ(found->rootfs, at("task/k8s.io/" + kHexId + "/rootfs"));
  EXPECT_EQ(found->init_pid, 815u);
  EXPECT_EQ(found->labels.at("io.containerd.namespace"), "k8s.io");
}

TEST_F(ResolverTest, ContainerdWithTheSystemdDriver) {
  write(
      "task/default/" + kHexId + "/config.json",
      R"({"root": {"path": "/images/x"}, "linux": {"cgroupsPath": "system.slice:cri-containerd:)" +
          kHexId + "\"}}");
  ContainerdResolver resolver({root_ / "task"});
  const auto found =
      resolver.resolve({.path = "/system.slice/cri-containerd-" + kHexId + ".scope"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->rootfs, "/images/x");
  EXPECT_EQ(found->name, kHexId);
}

TEST_F(ResolverTest, TheCgroupAloneGivesIdAndRootFileSystem) {
  fs::create_directories(root_ / "cg/lab/plain");
  write("cg/lab/plain/cgroup.procs", "31\n32\n");
  add_process(31, "/lab/plain");
  add_process(32, "/lab/plain/below");
  add_host("30 1 0:52 / /mnt/with\\040blank rw - overlay overlay rw\n");
  CgroupResolver resolver(at("cg"), {}, at("proc"));
  const auto found = resolver.resolve({.id = 7, .path = "/lab/plain"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->id, "plain");
  EXPECT_EQ(found->image, "/mnt/with blank");
  EXPECT_EQ(found->image_source, "rootfs");
  EXPECT_EQ(found->container_id, "");
  EXPECT_EQ(found->init_pid, 31u);
}

TEST_F(ResolverTest, WhileOnlyTheRuntimeIsInsideNobodyGuesses) {
  write("cg/lab/plain/cgroup.procs", "31\n32\n33\n");
  add_host("");
  add_process(31, "/lab/plain", "runc:[2:INIT]");
  add_process(32, "/lab/plain", "3", "/memfd:runc_cloned:/proc/self/exe (deleted)");
  add_process(33, "/lab/plain", "runc", "/usr/sbin/runc");
  CgroupResolver resolver(at("cg"), {}, at("proc"));
  EXPECT_TRUE(absl::IsUnavailable(resolver.resolve({.path = "/lab/plain", .pid = 31}).status()));
}

TEST_F(ResolverTest, APidThatIsElsewhereNowProvesNothing) {
  write("cg/lab/plain/cgroup.procs", "");
  add_host("");
  add_process(31, "/another/place");
  CgroupResolver resolver(at("cg"), {}, at("proc"));
  EXPECT_TRUE(absl::IsNotFound(resolver.resolve({.path = "/lab/plain", .pid = 31}).status()));
  EXPECT_TRUE(absl::IsNotFound(resolver.resolve({.path = "/lab/plain", .pid = 99}).status()));
}

std::unique_ptr<ResolverChain> chain_of(const fs::path& root) {
  ResolverParts parts;
  parts.cgroup_root = (root / "cg").string();
  parts.runtimes.push_back(
      std::make_unique<ContainerdResolver>(std::vector<fs::path>{root / "task"}));
  parts.runtimes.push_back(std::make_unique<RuncResolver>(std::vector<fs::path>{root / "runc"}));
  parts.fallback = std::make_unique<CgroupResolver>((root / "cg").string(), std::string(),
                                                    (root / "proc").string());
  return std::make_unique<ResolverChain>(std::move(parts));
}

TEST_F(ResolverTest, TheChainPrefersTheRuntimeAndFindsThePath) {
  fs::create_directories(root_ / "cg/lab/ws/one");
  struct stat status;
  ASSERT_EQ(stat(at("cg/lab/ws/one").c_str(), &status), 0);
  write("runc/one/state.json", kRuncState);
  add_process(31, "/lab/ws/one");
  add_host("");
  const auto found = chain_of(root_)->resolve({.id = status.st_ino, .pid = 31});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->runtime, "runc");
  EXPECT_EQ(found->cgroup, "/lab/ws/one");
  EXPECT_EQ(found->cgroup_id, status.st_ino);
  EXPECT_TRUE(found->resolved);
}

TEST_F(ResolverTest, TheChainWaitsForARuntimeThatIsStarting) {
  fs::create_directories(root_ / "runc/one");
  add_process(31, "/lab/ws/one");
  add_host("");
  EXPECT_TRUE(absl::IsUnavailable(
      chain_of(root_)->resolve({.id = 1, .path = "/lab/ws/one", .pid = 31}).status()));
}

TEST_F(ResolverTest, TheChainFallsBackToTheCgroup) {
  add_process(31, "/lab/ws/" + kHexId);
  add_host("30 1 0:1 / / rw - ext4 /dev/sda rw\n");
  const auto found = chain_of(root_)->resolve({.id = 1, .path = "/lab/ws/" + kHexId, .pid = 31});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->container_id, kHexId);
  EXPECT_EQ(found->image, "/var/up");  // the host has no mount of it: the overlay's own words
  EXPECT_EQ(found->runtime, "unknown");
}

TEST_F(ResolverTest, TheChainSaysThatACgroupIsGone) {
  fs::create_directories(root_ / "cg");
  EXPECT_THAT(std::string(chain_of(root_)->resolve({.id = 1ull << 62}).status().message()),
              HasSubstr("cannot find cgroup 4611686018427387904"));
}

TEST(CgroupName, FindsTheContainersId) {
  EXPECT_EQ(workspace_id("/kubepods/besteffort/pod1/" + kHexId), kHexId);
  EXPECT_EQ(workspace_id("/system.slice/docker-" + kHexId + ".scope"), kHexId);
  EXPECT_EQ(workspace_id("/a/cri-containerd-" + kHexId + ".scope/"), kHexId);
  EXPECT_EQ(workspace_id("/machine.slice/libpod-" + kHexId), kHexId);
  EXPECT_EQ(workspace_id("/lab/my-ws"), "my-ws");
  EXPECT_EQ(workspace_id("/lab/session-1.scope"), "session-1.scope");
  EXPECT_EQ(workspace_id("/"), "");
  EXPECT_EQ(workspace_id(""), "");
}

TEST(CgroupName, BelowMeansWholeComponents) {
  EXPECT_TRUE(is_below("/a/b", "/a"));
  EXPECT_TRUE(is_below("/a", "/a/"));
  EXPECT_TRUE(is_below("/a", "/"));
  EXPECT_FALSE(is_below("/ab", "/a"));
  EXPECT_FALSE(is_below("/", "/a"));
}

TEST(MountInfo, FindsTheHostsPathOfABindMountedRoot) {
  const MountLine container{"8:1", "/images/one", "/", "ext4", "/dev/sda1", "rw"};
  const MountLine whole{"8:1", "/", "/data", "ext4", "/dev/sda1", "rw"};
  const MountLine part{"8:1", "/images", "/img", "ext4", "/dev/sda1", "rw"};
  EXPECT_EQ(host_path_of_root({container}, {whole}), "/data/images/one");
  EXPECT_EQ(host_path_of_root({container}, {whole, part}), "/img/one");
  EXPECT_EQ(host_path_of_root({container}, {}), "ext4:/dev/sda1");
  EXPECT_EQ(host_path_of_root({}, {whole}), "");
  const MountLine host_root{"8:1", "/", "/", "ext4", "/dev/sda1", "rw"};
  EXPECT_EQ(host_path_of_root({host_root}, {host_root}), "/");
}

TEST(CgroupPath, FindsTheMachinesCgroup2) {
  const auto mount = find_cgroup2();
  if (!mount.ok()) GTEST_SKIP() << "no cgroup v2 here: " << mount.status();
  struct stat status;
  ASSERT_EQ(stat(mount->c_str(), &status), 0);
  fs::path child;
  for (const auto& entry : fs::directory_iterator(*mount)) {
    if (entry.is_directory()) child = entry.path();
  }
  if (child.empty()) GTEST_SKIP() << "no cgroup below the root";
  ASSERT_EQ(stat(child.c_str(), &status), 0);
  const auto path = cgroup_path(*mount, status.st_ino);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*path, "/" + child.filename().string());
}

TEST_F(ResolverTest, FindsTheNodesCgroup2FromANamespaceOfItsOwn) {
  write("proc/self/mountinfo",
        "30 25 0:26 /../other /box rw - cgroup2 cgroup rw\n"
        "31 25 0:26 /../../../.. /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
  const auto mount = find_cgroup2(at("proc"));
  ASSERT_TRUE(mount.ok()) << mount.status();
  EXPECT_EQ(*mount, "/sys/fs/cgroup");
}

TEST(SmallFile, ReadsAllRefusesTooMuch) {
  EXPECT_TRUE(absl::IsNotFound(read_small_file("/proc/self/no-such-file", 100).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(read_small_file("/proc/self/maps", 100).status()));
  EXPECT_TRUE(read_small_file("/proc/self/maps", 1 << 20).ok());
}

}  // namespace
}  // namespace picket
