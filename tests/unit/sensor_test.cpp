// The parts of the sensor that decide without a kernel: the proof before an observer is attached,
// names of containers, the cgroup tree, requirements in words.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "agent/sensor/cgroup_tree.h"
#include "agent/sensor/features.h"
#include "agent/sensor/hooks.h"
#include "agent/sensor/observe_only.h"
#include "bpf/picket/container_name.h"

namespace picket {
namespace {

bpf_insn instruction(int code, uint8_t dst, int16_t offset, int32_t value) {
  bpf_insn insn{};
  insn.code = static_cast<uint8_t>(code);
  insn.dst_reg = static_cast<uint8_t>(dst & 0xf);
  insn.off = offset;
  insn.imm = value;
  return insn;
}

bpf_insn set(uint8_t reg, int32_t value) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, value);
}
bpf_insn set32(uint8_t reg, int32_t value) {
  return instruction(BPF_ALU | BPF_MOV | BPF_K, reg, 0, value);
}
bpf_insn jump_if_zero(int16_t offset) {
  return instruction(BPF_JMP | BPF_JEQ | BPF_K, 1, offset, 0);
}
bpf_insn jump(int16_t offset) { return instruction(BPF_JMP | BPF_JA, 0, offset, 0); }
bpf_insn leave() { return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0); }

TEST(ObserveOnly, AcceptsWhatAlwaysReturnsOne) {
  EXPECT_TRUE(proves_observe_only(std::vector{set(0, 1), leave()}).ok());
  EXPECT_TRUE(proves_observe_only(std::vector{set32(0, 1), leave()}).ok());
  EXPECT_TRUE(
      proves_observe_only(std::vector{jump_if_zero(1), set(2, 7), set(0, 1), leave()}).ok());
  EXPECT_TRUE(
      proves_observe_only(std::vector{jump_if_zero(2), set(0, 1), leave(), set(0, 1), leave()})
          .ok());
}

TEST(ObserveOnly, IgnoresFunctionsThatFollow) {
  EXPECT_TRUE(proves_observe_only(std::vector{set(0, 1), leave(), set(0, 0), leave()}).ok());
}

TEST(ObserveOnly, RefusesEveryOtherReturn) {
  EXPECT_FALSE(proves_observe_only(std::vector{set(0, 0), leave()}).ok());
  EXPECT_FALSE(proves_observe_only(std::vector{set(0, 2), leave()}).ok());
  EXPECT_FALSE(proves_observe_only(std::vector{set(1, 1), leave()}).ok());
  EXPECT_FALSE(proves_observe_only(std::vector{leave()}).ok());
  EXPECT_FALSE(proves_observe_only(std::vector{set(0, 1)}).ok());
  EXPECT_FALSE(proves_observe_only({}).ok());
  // one of two exits denies
  EXPECT_FALSE(
      proves_observe_only(std::vector{jump_if_zero(2), set(0, 1), leave(), set(0, 0), leave()})
          .ok());
  // a jump to the exit itself skips the value
  EXPECT_FALSE(
      proves_observe_only(std::vector{set(0, 0), jump_if_zero(1), set(0, 1), leave()}).ok());
  EXPECT_FALSE(proves_observe_only(std::vector{set(0, 0), jump(1), set(0, 1), leave()}).ok());
}

bpf_insn keep_context(uint8_t reg) {
  bpf_insn move = instruction(BPF_ALU64 | BPF_MOV | BPF_X, reg, 0, 0);
  move.src_reg = BPF_REG_1;
  return move;
}
bpf_insn call_own() {
  bpf_insn call = instruction(BPF_JMP | BPF_CALL, 0, 0, 1);
  call.src_reg = BPF_PSEUDO_CALL;
  return call;
}
bpf_insn load_from(uint8_t context, int16_t offset) {
  bpf_insn load = instruction(BPF_LDX | BPF_MEM | BPF_DW, 0, offset, 0);
  load.src_reg = context;
  return load;
}

TEST(ObserveOnly, OfAnLsmProgramAcceptsOnlyTheGivenValue) {
  const auto holds = [](std::vector<bpf_insn> program) {
    return proves_given_return(program, 2).ok();
  };
  EXPECT_TRUE(holds({keep_context(6), call_own(), load_from(6, 16), leave()}));
  EXPECT_TRUE(holds({keep_context(6), call_own(), load_from(6, 16), leave(), set(0, 0), leave()}));
  EXPECT_FALSE(holds({keep_context(6), call_own(), load_from(6, 8), leave()})) << "an argument";
  EXPECT_FALSE(holds({keep_context(6), call_own(), load_from(7, 16), leave()}));
  EXPECT_FALSE(holds({keep_context(5), call_own(), load_from(5, 16), leave()})) << "not kept";
  EXPECT_FALSE(holds({keep_context(6), call_own(), set(0, 0), leave()}));
  EXPECT_FALSE(holds({keep_context(6), call_own(), load_from(6, 16), set(0, 0)}));
  EXPECT_FALSE(holds({keep_context(6), set(6, 0), load_from(6, 16), leave()}));
  EXPECT_FALSE(holds({load_from(1, 16), leave()}));
  EXPECT_FALSE(holds({}));
}

bool is_container(const std::string& name) {
  char room[PK_CONTAINER_NAME_ROOM] = {};
  name.copy(room, sizeof(room) - 1);
  return pk_is_container_name(room, static_cast<unsigned>(name.size()));
}

TEST(ContainerName, KnowsTheRuntimesForms) {
  const std::string id(64, 'a');
  for (const std::string& name :
       {id, "docker-" + id + ".scope", "cri-containerd-" + id + ".scope", "crio-" + id,
        "crio-" + id + ".scope", "libpod-" + id + ".scope", "nerdctl-" + id + ".scope"})
    EXPECT_TRUE(is_container(name)) << name;
  for (const std::string& name :
       {std::string(), std::string("docker-"), id.substr(1), id + "a", id + ".scope",
        "docker-" + id + ".slice", "crio-conmon-" + id + ".scope", "libpod-conmon-" + id + ".scope",
        std::string(64, 'A'), std::string(64, '-'), std::string(63, 'a') + "g"})
    EXPECT_FALSE(is_container(name)) << name;
}

TEST(CgroupTree, FindsTheUnifiedMountOfAHybridMachine) {
  const auto tree = CgroupTree::find(
      "proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
      "cgroup2 /sys/fs/cgroup/with\\040blank cgroup2 rw 0 0\n");
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(tree->mount(), "/sys/fs/cgroup/with blank");
  EXPECT_EQ(tree->directory("/a/b"), "/sys/fs/cgroup/with blank/a/b");
  EXPECT_EQ(tree->directory("/"), tree->mount());
}

TEST(CgroupTree, RefusesPureV1InWords) {
  const auto v1 = CgroupTree::find("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n");
  EXPECT_NE(std::string(v1.status().message()).find("cgroup v1 only"), std::string::npos);
  const auto none = CgroupTree::find("proc /proc proc rw 0 0\n");
  EXPECT_NE(std::string(none.status().message()).find("no cgroup2"), std::string::npos);
}

TEST(CgroupTree, WalksParentsBeforeChildren) {
  const std::filesystem::path root = std::filesystem::path(testing::TempDir()) / "picket-tree";
  std::filesystem::create_directories(root / "pod/container");
  std::ofstream(root / "cgroup.procs") << "1\n";
  std::ofstream(root / "pod/cgroup.procs") << "77\n";
  std::ofstream(root / "pod/cgroup.events") << "populated 1\nfrozen 0\n";
  const CgroupTree tree(root);
  std::vector<CgroupDirectory> found;
  tree.walk([&](const CgroupDirectory& each) { found.push_back(each); });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].path, "/pod");
  EXPECT_EQ(found[1].path, "/pod/container");
  EXPECT_EQ(found[1].name, "container");
  EXPECT_EQ(found[1].level, 2u);
  EXPECT_EQ(found[1].parent_id, found[0].id);
  EXPECT_EQ(*tree.id("/pod"), found[0].id);
  EXPECT_TRUE(absl::IsNotFound(tree.id("/none").status()));
  EXPECT_TRUE(tree.populated("/pod"));
  EXPECT_FALSE(tree.populated("/pod/container"));
  EXPECT_TRUE(tree.holds_process("/pod", 77));
  EXPECT_FALSE(tree.holds_process("/pod", 7));
  std::filesystem::remove_all(root);
}

TEST(CgroupTree, TakesTheUnifiedLine) {
  EXPECT_EQ(unified_path("4:memory:/x\n0::/user.slice/a\n"), "/user.slice/a");
  EXPECT_EQ(unified_path("4:memory:/x\n"), "");
}

TEST(Features, KnowsTheKernelsOfTheTests) {
  for (const char* release :
       {"6.1.0-56-cloud-amd64", "6.12.117+deb12-cloud-amd64", "6.18.44", "6.1"})
    EXPECT_TRUE(is_tested_kernel(release)) << release;
  for (const char* release : {"6.10.3", "6.11.0", "5.15.0-1", "6.180.1", "7.6.1", ""})
    EXPECT_FALSE(is_tested_kernel(release)) << release;
}

TEST(Features, NamesMissingCapabilities) {
  const uint64_t bpf = 1ULL << 39, perfmon = 1ULL << 38, net_admin = 1ULL << 12,
                 sys_admin = 1ULL << 21;
  EXPECT_EQ(missing_capabilities(bpf | perfmon | net_admin), "");
  EXPECT_EQ(missing_capabilities(sys_admin), "");
  EXPECT_EQ(missing_capabilities(bpf), "CAP_PERFMON, CAP_NET_ADMIN");
  EXPECT_EQ(missing_capabilities(0), "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN");
}

class FakeMachine : public testing::Test {
 protected:
  FakeMachine() {
    std::filesystem::create_directories(root_ / "proc/self/ns");
    std::filesystem::create_directories(root_ / "sys/kernel/btf");
    std::ofstream(root_ / "sys/kernel/btf/vmlinux") << "x";
    status("000000c000001000");
    link("pid", "pid:[4026531836]");
  }
  ~FakeMachine() override { std::filesystem::remove_all(root_); }
  void status(const std::string& capabilities) {
    std::ofstream(root_ / "proc/self/status")
        << "Name:\tpicketd\nCapEff:\t" << capabilities << "\n";
  }
  void link(const std::string& kind, const std::string& target) {
    std::filesystem::remove(root_ / "proc/self/ns" / kind);
    std::filesystem::create_symlink(target, root_ / "proc/self/ns" / kind);
  }
  std::string refusal() const {
    return std::string(
        check_requirements({.proc = root_ / "proc", .sys = root_ / "sys"}).message());
  }
  const std::filesystem::path root_ =
      std::filesystem::path(testing::TempDir()) / ("picket-machine-" + std::to_string(getpid()));
};

TEST_F(FakeMachine, IsTakenWhenItHasWhatIsNeeded) { EXPECT_EQ(refusal(), ""); }

TEST_F(FakeMachine, IsRefusedWithoutTypeInformation) {
  std::filesystem::remove(root_ / "sys/kernel/btf/vmlinux");
  EXPECT_NE(refusal().find("type information"), std::string::npos);
}

TEST_F(FakeMachine, IsRefusedWithoutCapabilities) {
  status("0000000000000000");
  EXPECT_NE(refusal().find("CAP_BPF"), std::string::npos);
}

TEST_F(FakeMachine, IsRefusedInAPidNamespaceOfItsOwn) {
  link("pid", "pid:[4026532000]");
  EXPECT_NE(refusal().find("pid namespace"), std::string::npos);
}

TEST(Hooks, EachSaysWhatItsAbsenceMeans) {
  for (const Hook& hook : hooks()) {
    const bool dispatches = hook.program == kRawCalls || hook.program == kSingleCalls;
    EXPECT_EQ(hook.event.empty(), dispatches || is_lsm(hook)) << hook.program;
    EXPECT_NE(hook.missing.find("not"), std::string_view::npos) << hook.program;
  }
}

}  // namespace
}  // namespace picket
