// DE1: each way out of a container, tried as a harmless proof, is one alert that names it; what
// builders of containers and images do is none.
#include "tests/acceptance/escape_test.h"

namespace picket::test {
namespace {

class DE1 : public EscapeTest {};

TEST_F(DE1, EveryTechniqueIsOneAlert) {
  deploy();
  ASSERT_NO_FATAL_FAILURE(start_node_process());
  const std::string runtime = listen_as("docker.sock");
  const std::string manifests = sandbox().path("etc/kubernetes/manifests");
  ASSERT_TRUE(std::filesystem::create_directories(manifests));

  auto open_one = make_container({.privileged = true,
                                  .binds = {runtime},
                                  .writable_binds = {sandbox().path("etc")},
                                  .host_pids = true});
  ASSERT_TRUE(open_one);
  expect_one_alert_each(
      *open_one,
      {{"core_pattern", "escape.core_pattern", {"escape", "open", "/proc/sys/kernel/core_pattern"}},
       {"release_agent",
        "escape.release_agent",
        {"sh", "-c",
         "mkdir -p /tmp/c && mount -t cgroup -o memory none /tmp/c; escape open "
         "/tmp/c/release_agent"}},
       {"notify_on_release",
        "escape.release_agent",
        {"escape", "open", "/tmp/c/notify_on_release"}},
       {"uevent_helper", "escape.uevent_helper", {"escape", "open", "/sys/kernel/uevent_helper"}},
       {"modprobe", "escape.kernel_helper", {"escape", "open", "/proc/sys/kernel/poweroff_cmd"}},
       {"sysrq", "escape.sysrq", {"escape", "open", "/proc/sysrq-trigger"}},
       {"debugfs", "escape.debugfs", {"sh", "-c", "mkdir /tmp/d && mount -t debugfs none /tmp/d"}},
       {"kcore", "escape.kernel_memory", {"escape", "open", "/proc/kcore"}},
       {"module", "escape.module_load", {"escape", "module"}},
       {"kexec", "escape.kexec", {"escape", "kexec"}},
       {"bpf", "escape.bpf_load", {"escape", "bpf", "17"}},
       {"disk mount", "escape.disk_mount", {"mount", "-t", "ext4", "/dev/picket-none", "/mnt"}},
       {"handle", "escape.open_by_handle", {"escape", "handle", "/dev"}},
       {"nsenter", "escape.namespace", {"escape", "join", of_node_process("ns/mnt"), "--", "true"}},
       {"/proc/PID/root", "escape.foreign_root", {"cat", of_node_process("root/mnt/secret")}},
       {"runc overwrite", "escape.runtime_overwrite", {"escape", "open", of_node_process("exe")}},
       {"runc descriptor leak",
        "escape.outside_directory",
        {"escape", "in", of_node_process("cwd"), "true"}},
       {"runtime socket", "escape.runtime_socket", {"escape", "connect", runtime}},
       {"kubelet", "escape.kubelet", {"wget", "-q", "-O", "-", "http://127.0.0.1:10250/pods"}},
       {"static pod", "escape.static_pod", {"touch", manifests + "/pod.yaml"}}});

  // What an ordinary container refuses is an attempt all the same.
  auto shut_one = make_container();
  ASSERT_TRUE(shut_one);
  expect_one_alert_each(
      *shut_one,
      {{"block device",
        "escape.block_device",
        {"sh", "-c", "mknod /tmp/disk b 254 0 && cat /tmp/disk"}},
       {"kernel memory", "escape.kernel_memory", {"sh", "-c", "mknod /tmp/m c 1 1; cat /tmp/m"}},
       {"core_pattern, refused",
        "escape.core_pattern",
        {"escape", "open", "/proc/sys/kernel/core_pattern"}},
       {"handle, refused", "escape.open_by_handle", {"escape", "handle", "/dev"}},
       {"bpf, refused", "escape.bpf_load", {"escape", "bpf", "17"}}});
}

// A container that makes containers: namespaces, mounts, devices, a runtime socket of its own.
TEST_F(DE1, ABuilderOfContainersStaysSilent) {
  deploy();
  auto container = make_container({.privileged = true});
  ASSERT_TRUE(container);
  const auto in = [&](const std::vector<std::string>& argv) {
    const auto result = container->run(argv);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->exit_code, 0) << argv.back() << ": " << result->out;
  };
  const auto server = container->launch({"escape", "serve", "/run/docker.sock"});
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE(until([&] { return container->output_so_far(*server).value_or("") == "ready\n"; }));
  in({"escape", "connect", "/run/docker.sock"});
  in({"escape", "bpf", "15"});
  in({"sh", "-c",
      "mkdir -p /tmp/r/proc && unshare -m -p -n -u -f sh -c 'mount -t proc proc /tmp/r/proc && "
      "cat /tmp/r/proc/1/root/etc/passwd >/tmp/seen'"});
  in({"sh", "-c",
      "mknod /tmp/loop b 7 200; cat /proc/sys/kernel/core_pattern; cat /proc/mounts /proc/cgroups; "
      "echo 1 >/proc/sys/net/ipv4/ip_forward; mkdir /sys/fs/cgroup/inner && "
      "cat /sys/fs/cgroup/inner/cgroup.procs && rmdir /sys/fs/cgroup/inner"});
  const auto alerts = accusations(alerts_so_far(*container));
  EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1);
}

}  // namespace
}  // namespace picket::test
