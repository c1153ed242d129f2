// `picketd --doctor`: each thing that is missing is told in words, and what is there is not
// doubted.
#include "agent/app/doctor.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/unit/dev_pki.h"

namespace picket {
namespace {

using testing::HasSubstr;
using State = NodeCheck::State;

constexpr char kRule[] =
    "- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: evt.type = execve\n";

// A machine that has all that an agent needs, in a folder; each test takes something away.
class DoctorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-doc-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    machine_ = {folder_ / "proc", folder_ / "sys"};
    for (const char* part : {"proc/self/ns", "sys/kernel/btf", "cgroup", "runc", "state"})
      std::filesystem::create_directories(folder_ / part);
    write("sys/kernel/btf/vmlinux", "");
    set_capabilities(0xc000081024);
    std::filesystem::create_symlink("pid:[4026531836]", folder_ / "proc/self/ns/pid");
    write("proc/self/mounts", "cgroup2 " + (folder_ / "cgroup").string() + " cgroup2 rw 0 0\n");
    write("rules.yaml", kRule);
    config_.rules = {folder_ / "rules.yaml"};
    config_.runc_roots = {folder_ / "runc"};
    config_.state_dir = folder_ / "state";
    config_.spool_bytes = 1 << 20;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& file, const std::string& text) {
    std::ofstream(folder_ / file) << text;
  }
  void set_capabilities(uint64_t mask) {
    std::ostringstream text;
    text << "Name:\tx\nCapEff:\t" << std::hex << mask << '\n';
    write("proc/self/status", text.str());
  }
  NodeCheck check(const std::string& subject, bool whole = false) {
    for (const NodeCheck& next : check_node(config_, machine_, whole))
      if (next.subject == subject) return next;
    return {subject, State::ok, "not told"};
  }

  std::filesystem::path folder_;
  Machine machine_;
  AgentConfig config_;
};

TEST_F(DoctorTest, AMachineThatHasAllIsNotDoubted) {
  for (const NodeCheck& next : check_node(config_, machine_, false)) {
    if (next.subject == "kernel") continue;  // the one that runs this test
    EXPECT_EQ(next.state, State::ok) << next.subject << ": " << next.words;
  }
  EXPECT_THAT(check("rules").words, HasSubstr("1 in force, of 1 files"));
  EXPECT_THAT(check("cgroups").words, HasSubstr((folder_ / "cgroup").string()));
  EXPECT_EQ(check("capabilities").words, "not told");
}

TEST_F(DoctorTest, WhatTheSensorNeedsIsFailedWithout) {
  std::filesystem::remove(folder_ / "sys/kernel/btf/vmlinux");
  EXPECT_EQ(check("sensor").state, State::failed);
  EXPECT_THAT(check("sensor").words, HasSubstr("CONFIG_DEBUG_INFO_BTF"));
  write("sys/kernel/btf/vmlinux", "");
  set_capabilities(0);
  EXPECT_THAT(check("sensor").words, HasSubstr("CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN"));
}

TEST_F(DoctorTest, EachOtherCapabilityIsALimit) {
  set_capabilities(0xc000081024 & ~(1ULL << 5));  // CAP_KILL
  EXPECT_EQ(check("sensor").state, State::ok);
  EXPECT_EQ(check("capabilities").state, State::limited);
  EXPECT_THAT(check("capabilities").words, HasSubstr("CAP_KILL is missing: processes of other"));
}

TEST_F(DoctorTest, AMachineOfCgroupV1OnlyFails) {
  write("proc/self/mounts", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n");
  EXPECT_EQ(check("cgroups").state, State::failed);
  EXPECT_THAT(check("cgroups").words, HasSubstr("cgroup v1 only"));
}

TEST_F(DoctorTest, WrongRulesFail) {
  write("rules.yaml", "- rule: r\n  condition: no.such.field = 1\n");
  EXPECT_EQ(check("rules").state, State::failed);
}

TEST_F(DoctorTest, ANodeWithoutARuntimeKnowsNoNames) {
  config_.runc_roots.clear();
  config_.containerd_roots.clear();
  config_.storage_roots.clear();
  config_.docker_root = folder_ / "none";
  config_.cri_socket = "none";
  EXPECT_EQ(check("runtimes").state, State::limited);
  EXPECT_THAT(check("runtimes").words, HasSubstr("known by its cgroup only"));
}

TEST_F(DoctorTest, ResponsesThatAreOffAreNamed) {
  config_.dry_run = true;
  EXPECT_THAT(check("responses").words, HasSubstr("dry run"));
  config_.respond = false;
  EXPECT_EQ(check("responses").state, State::limited);
  EXPECT_THAT(check("responses").words, HasSubstr("respond.enabled"));
}

TEST_F(DoctorTest, ASpoolNeedsRoom) {
  EXPECT_EQ(check("state").words, "not told") << "without a collector nothing is spooled";
  EXPECT_EQ(check("state", true).state, State::ok);
  config_.spool_bytes = 1ULL << 60;
  EXPECT_EQ(check("state", true).state, State::limited);
  EXPECT_THAT(check("state", true).words, HasSubstr("lower spool_bytes"));
  config_.state_dir = folder_ / "state/not/made/yet";
  config_.spool_bytes = 1 << 20;
  EXPECT_EQ(check("state", true).state, State::ok) << "it is made at the start";
}

TEST_F(DoctorTest, CertificatesAreLookedAt) {
  DevPki pki;
  pki.issue("node n1");
  const TlsFiles files = pki.files("n1");
  config_.collector = {"collector:1", "spiffe://picket/collector/c", files.ca, files.cert,
                       files.key};
  EXPECT_EQ(check("certificates", true).state, State::ok) << check("certificates", true).words;
  pki.issue("node n1 --days -1");
  EXPECT_EQ(check("certificates", true).state, State::failed);
  EXPECT_THAT(check("certificates", true).words, HasSubstr("expired"));
}

CoverageLine line(const char* hook, CoverageLine::State state, const char* effect = "",
                  const char* reason = "") {
  return {hook, "exec", state, effect, reason};
}

TEST(DoctorCoverageTest, HooksOfOneReasonAreOneSentence) {
  MeasuredCoverage measured;
  measured.coverage.tier = "tracepoint";
  measured.coverage.lines = {
      line("a", CoverageLine::State::attached),
      line("lsm/x", CoverageLine::State::refused, "x is not told", "no BPF LSM"),
      line("lsm/y", CoverageLine::State::refused, "x is not told", "no BPF LSM"),
      line("z", CoverageLine::State::off, "z is not told", "switched off")};
  measured.gaps = {{"r", true, {measured.coverage.lines[1]}}};
  measured.calls = {{"openat", SystemCall::State::watched, ""},
                    {"brand_new", SystemCall::State::unknown, ""}};
  const std::vector<NodeCheck> checks = check_coverage(measured);
  ASSERT_EQ(checks.size(), 5u);
  EXPECT_EQ(checks[0].subject, "self check");
  EXPECT_EQ(checks[0].state, State::ok);
  EXPECT_EQ(checks[1].words, "x is not told (lsm/x, lsm/y: no BPF LSM)");
  EXPECT_EQ(checks[1].state, State::limited);
  EXPECT_EQ(checks[2].words, "z is not told (z: switched off)");
  EXPECT_THAT(checks[3].words, HasSubstr("rule r cannot match here"));
  EXPECT_EQ(checks[4].words, "newer than this build and not looked at: brand_new");
}

TEST(DoctorCoverageTest, AnEventThatDoesNotComeBackIsAFailure) {
  MeasuredCoverage measured;
  measured.check.missing = {"exec did not come back"};
  const std::vector<NodeCheck> checks = check_coverage(measured);
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].state, State::failed);
  EXPECT_EQ(checks[0].words, "exec did not come back");
}

}  // namespace
}  // namespace picket
