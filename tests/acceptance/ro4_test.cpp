// RO4: what runs in namespaces, or in the cgroup of another container, inside a workspace is the
// workspace's.
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

class NestedTest : public AcceptanceTest {
 protected:
  // The one alert of `word`, and that it is of the container and descends from its first process.
  void expect_inside(Container& container, const std::vector<Alert>& alerts,
                     const std::string& word) {
    std::vector<Alert> own;
    for (const Alert& alert : by_rule(alerts, "test.exec"))
      if (alert["process"]["cmdline"].get<std::string>().ends_with(word)) own.push_back(alert);
    ASSERT_EQ(own.size(), 1u) << word;
    expect_identity(own[0], container);
    EXPECT_EQ(tree_of(own[0]).back(), container.init_pid()) << own[0];
  }

  const std::string rule_ = rule("test.exec",
                                 "evt.type in (execve, execveat) and proc.name = echo and "
                                 "proc.args startswith nested-");
};

TEST_F(NestedTest, UserPidAndMountNamespacesStayInTheWorkspace) {
  deploy({.rules = rule_, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  const auto once =
      container->run({"unshare", "-U", "-r", "-p", "-f", "-m", "sh", "-c",
                      "test $$ = 1 && mount -t tmpfs none /tmp && /bin/echo nested-once"});
  ASSERT_TRUE(once.ok()) << once.status();
  ASSERT_EQ(once->exit_code, 0) << once->out;
  const auto twice =
      container->run({"unshare", "-U", "-r", "-p", "-f", "-m", "unshare", "-U", "-r", "-p", "-f",
                      "-m", "sh", "-c", "test $$ = 1 && /bin/echo nested-twice"});
  ASSERT_TRUE(twice.ok()) << twice.status();
  ASSERT_EQ(twice->exit_code, 0) << twice->out;
  const std::vector<Alert> alerts = alerts_so_far(*container);
  expect_inside(*container, alerts, "nested-once");
  expect_inside(*container, alerts, "nested-twice");
}

// A container runtime inside makes a cgroup with a container's name below the workspace's, and
// moves its container there; the cgroup file system of the test's container is read-only, so the
// test makes the cgroup and the move.
TEST_F(NestedTest, ACgroupWithAContainersNameBelowIsNoOtherWorkspace) {
  deploy({.rules = rule_, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  const std::string above = container->cgroup_folder() + "/docker";
  const std::string below = above + "/" + std::string(64, 'b');
  ASSERT_EQ(mkdir(above.c_str(), 0755), 0);
  ASSERT_EQ(mkdir(below.c_str(), 0755), 0);
  ASSERT_EQ(container->run({"mkfifo", "/tmp/go"})->exit_code, 0);
  const auto job = container->launch(
      {"unshare", "-U", "-r", "-m", "sh", "-c", "read x </tmp/go; /bin/echo nested-cgroup"});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_NE(job->pid, 0u);
  const absl::Status moved = write_file(below + "/cgroup.procs", std::to_string(job->pid));
  ASSERT_TRUE(moved.ok()) << moved;
  const auto told = container->run({"sh", "-c", "echo >/tmp/go"});
  ASSERT_TRUE(told.ok()) << told.status();
  ASSERT_EQ(container->wait_for(*job).value_or(-1), 0);
  const std::vector<Alert> alerts = alerts_so_far(*container);
  expect_inside(*container, alerts, "nested-cgroup");
  for (const Alert& alert : deployment().alerts().seen())
    EXPECT_NE(alert["workspace"]["id"], std::string(64, 'b')) << alert;
}

// The bundle of a container that another runtime runs inside the container.
std::string inner_bundle(const std::string& cgroup, const std::vector<std::string>& argv) {
  using Json = nlohmann::json;
  Json namespaces = Json::array();
  for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"})
    namespaces.push_back({{"type", type}});
  const auto mount = [](const char* place, const char* type) {
    return Json{{"destination", place}, {"type", type}, {"source", type}};
  };
  return Json{{"ociVersion", "1.0.2"},
              {"root", {{"path", "/opt/inner/root"}, {"readonly", false}}},
              {"process",
               {{"terminal", false},
                {"user", {{"uid", 0}, {"gid", 0}}},
                {"args", argv},
                {"env", {"PATH=/bin"}},
                {"cwd", "/"}}},
              {"mounts", {mount("/proc", "proc"), mount("/dev", "tmpfs")}},
              {"linux", {{"cgroupsPath", cgroup}, {"namespaces", namespaces}}}}
      .dump();
}

// As in docker-in-docker: what runs in the container makes room in its cgroup, and its runtime
// makes containers of its own with ids of their own below.
TEST_F(NestedTest, ARuntimesContainersInsideAreTheWorkspaces) {
  deploy({.rules = rule_, .shipped_rules = false});
  if (HasFatalFailure()) return;
  const std::string inner(64, 'c');
  auto container = make_container(
      {.privileged = true, .binds = {"/usr/sbin/runc", "/lib/x86_64-linux-gnu", "/lib64"}});
  ASSERT_TRUE(container);
  const auto in = [&](const std::vector<std::string>& argv) {
    const auto result = container->run(argv);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->exit_code, 0) << result->out;
  };
  in({"sh", "-c",
      "mkdir -p /opt/inner/root/bin /opt/inner/root/proc /opt/inner/root/dev /sys/fs/cgroup/init "
      "&& "
      "for x in sh sleep echo; do cp /bin/busybox /opt/inner/root/bin/$x; done && "
      "for p in $(cat /sys/fs/cgroup/cgroup.procs); do "
      "echo $p >/sys/fs/cgroup/init/cgroup.procs || true; done"});
  const auto bundle = [&](const std::vector<std::string>& argv) {
    in({"sh", "-c", "printf %s \"$1\" >/opt/inner/config.json", "sh",
        inner_bundle("/docker/" + inner, argv)});
  };
  bundle({"/bin/echo", "nested-runc"});
  in({"runc", "run", "--bundle", "/opt/inner", inner});
  bundle({"/bin/sleep", "1000"});
  in({"runc", "run", "--detach", "--bundle", "/opt/inner", inner});
  struct stat below {};
  ASSERT_EQ(stat((container->cgroup_folder() + "/docker/" + inner).c_str(), &below), 0);
  in({"runc", "exec", inner, "/bin/echo", "nested-exec"});
  in({"runc", "delete", "--force", inner});
  const std::vector<Alert> alerts = alerts_so_far(*container);
  expect_inside(*container, alerts, "nested-runc");
  expect_inside(*container, alerts, "nested-exec");
  for (const Alert& alert : deployment().alerts().seen())
    EXPECT_NE(alert["workspace"]["id"], inner) << alert;
}

}  // namespace
}  // namespace picket::test
