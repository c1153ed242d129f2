// DE2: DE1's techniques by other ways to the same object, and by other programs: the same alerts.
#include "tests/acceptance/escape_test.h"

namespace picket::test {
namespace {

class DE2 : public EscapeTest {};

TEST_F(DE2, TheWayToAKernelsFileDoesNotMatter) {
  deploy();
  auto container = make_container({.privileged = true});
  ASSERT_TRUE(container);
  const char* kRule = "escape.core_pattern";
  expect_one_alert_each(
      *container,
      {{"/proc/self/root",
        kRule,
        {"escape", "open", "/proc/self/root/proc/sys/kernel/core_pattern"}},
       {"relative", kRule, {"sh", "-c", "cd /proc/sys/vm && escape open ../kernel/core_pattern"}},
       {"symlink",
        kRule,
        {"sh", "-c", "ln -s /proc/sys/kernel/core_pattern /tmp/notes; escape open /tmp/notes"}},
       {"bind mount",
        kRule,
        {"sh", "-c",
         "touch /tmp/f && mount --bind /proc/sys/kernel/core_pattern /tmp/f && escape open "
         "/tmp/f"}},
       {"bind mount of the directory",
        kRule,
        {"sh", "-c",
         "mkdir /tmp/k && mount --bind /proc/sys/kernel /tmp/k && escape open "
         "/tmp/k/core_pattern"}},
       {"another procfs",
        kRule,
        {"sh", "-c",
         "mkdir /tmp/p && mount -t proc x /tmp/p && escape open /tmp/p/sys/kernel/core_pattern"}},
       {"in a namespace of its own",
        kRule,
        {"unshare", "-m", "sh", "-c",
         "mkdir /tmp/s && mount --bind /proc/sys /tmp/s && escape open "
         "/tmp/s/kernel/core_pattern"}},
       {"chroot",
        kRule,
        {"sh", "-c",
         "mkdir -p /tmp/j/p /tmp/j/bin && mount -t proc x /tmp/j/p && cp /opt/picket-test/escape "
         "/tmp/j/bin/ && chroot /tmp/j /bin/escape open /p/sys/kernel/core_pattern"}},
       {"openat2", kRule, {"escape", "openat2", "/proc/sys/kernel/core_pattern"}},
       {"io_uring", kRule, {"escape", "ring", "/proc/sys/kernel/core_pattern"}},
       {"shell", kRule, {"sh", "-c", ": >>/proc/sys/kernel/core_pattern"}},
       {"awk", kRule, {"awk", "BEGIN { printf \"\" >>\"/proc/sys/kernel/core_pattern\" }"}},
       {"renamed program",
        kRule,
        {"sh", "-c",
         "cp /opt/picket-test/escape /tmp/git && /tmp/git open /proc/sys/kernel/core_pattern"}},
       {"descriptor of the directory",
        kRule,
        {"sh", "-c", "exec 7</proc/sys/kernel; escape open /proc/self/fd/7/core_pattern"}},
       {"cgroup, bound elsewhere",
        "escape.release_agent",
        {"sh", "-c",
         "mkdir /tmp/g && mount -t cgroup -o memory none /tmp/g && touch /tmp/h && "
         "mount --bind /tmp/g/notify_on_release /tmp/h && escape open /tmp/h"}},
       {"helper, bound elsewhere",
        "escape.kernel_helper",
        {"sh", "-c",
         "touch /tmp/q && mount --bind /proc/sys/kernel/poweroff_cmd /tmp/q && escape ring "
         "/tmp/q"}},
       {"debugfs by the new calls", "escape.debugfs", {"escape", "fsmount", "debugfs", "none"}},
       {"disk by the new calls",
        "escape.disk_mount",
        {"escape", "fsmount", "ext4", "/dev/picket-none"}}});
}

// Of the kernel's files below /proc/sys (FILE); NUMBER is another one each time.
constexpr std::pair<const char*, const char*> kSwitches[] = {
    {"kernel/core_pattern", "escape.core_pattern"},
    {"kernel/modprobe", "escape.kernel_helper"},
    {"kernel/poweroff_cmd", "escape.kernel_helper"},
    {"kernel/usermodehelper/bset", "escape.kernel_helper"},
    {"kernel/panic", "escape.sysrq"},
    {"kernel/randomize_va_space", "escape.kernel_protection"},
};
constexpr const char* kWays[] = {
    "escape open /proc/sys/FILE",
    "escape open /proc/self/root/proc/sys/FILE",
    "cd /proc/sys/vm && escape open ../FILE",
    "ln -s /proc/sys/FILE /tmp/lNUMBER; escape open /tmp/lNUMBER",
    "touch /tmp/bNUMBER && mount --bind /proc/sys/FILE /tmp/bNUMBER && escape open /tmp/bNUMBER",
    "mkdir /tmp/dNUMBER && mount --bind /proc/sys /tmp/dNUMBER && escape open /tmp/dNUMBER/FILE",
    "mkdir /tmp/pNUMBER && mount -t proc x /tmp/pNUMBER && escape open /tmp/pNUMBER/sys/FILE",
    "unshare -m sh -c 'mkdir /tmp/nNUMBER && mount --bind /proc/sys /tmp/nNUMBER && escape open "
    "/tmp/nNUMBER/FILE'",
    "mkdir -p /tmp/cNUMBER/p /tmp/cNUMBER/bin && mount -t proc x /tmp/cNUMBER/p && cp "
    "/opt/picket-test/escape "
    "/tmp/cNUMBER/bin/ && chroot /tmp/cNUMBER /bin/escape open /p/sys/FILE",
    "escape openat2 /proc/sys/FILE",
    "escape ring /proc/sys/FILE",
    ": >>/proc/sys/FILE",
    "awk 'BEGIN { printf \"\" >>\"/proc/sys/FILE\" }'",
    "cp /opt/picket-test/escape /tmp/rNUMBER && /tmp/rNUMBER open /proc/sys/FILE",
    "exec 7</proc/sys; escape open /proc/self/fd/7/FILE",
};

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (size_t at; (at = text.find(what)) != std::string::npos;) text.replace(at, what.size(), by);
}

TEST_F(DE2, EveryWayToEverySwitch) {
  deploy();
  auto container = make_container({.privileged = true});
  ASSERT_TRUE(container);
  std::vector<Attempt> attempts;
  for (const auto& [file, rule] : kSwitches) {
    if (!has_program(fmt::format("/proc/sys/{}", file).c_str())) continue;  // of this kernel
    for (const char* way : kWays) {
      std::string script = way;
      replace_all(script, "FILE", file);
      replace_all(script, "NUMBER", std::to_string(attempts.size()));
      attempts.push_back({way, rule, {"sh", "-c", script}});
    }
  }
  ASSERT_GE(attempts.size(), 3 * std::size(kWays));
  expect_one_alert_each(*container, attempts);
}

TEST_F(DE2, TheWayToTheNodeDoesNotMatter) {
  deploy();
  ASSERT_NO_FATAL_FAILURE(start_node_process());
  const std::string runtime = listen_as("containerd.sock");
  auto container = make_container({.privileged = true, .binds = {runtime}, .host_pids = true});
  ASSERT_TRUE(container);
  const std::string pid = std::to_string(node_process_->pid());
  const std::string mounts = of_node_process("ns/mnt");
  const std::string secret = of_node_process("root/mnt/secret");
  expect_one_alert_each(
      *container,
      {{"setns by pidfd", "escape.namespace", {"escape", "joinpid", pid, "--", "true"}},
       {"setns by another name",
        "escape.namespace",
        {"sh", "-c", "ln -s " + mounts + " /tmp/n; escape join /tmp/n -- true"}},
       {"setns by a bound file",
        "escape.namespace",
        {"sh", "-c",
         "touch /tmp/b && mount --bind " + of_node_process("ns/net") +
             " /tmp/b && escape join /tmp/b -- true"}},
       {"setns by an inherited descriptor",
        "escape.namespace",
        {"sh", "-c", "exec 8<" + mounts + "; escape join /proc/self/fd/8 -- true"}},
       {"nsenter", "escape.namespace", {"nsenter", "-t", pid, "-m", "-u", "-n", "true"}},
       {"nsenter, renamed",
        "escape.namespace",
        {"sh", "-c",
         "cp /bin/busybox /tmp/busybox; /tmp/busybox nsenter -t " + pid + " -u -n true"}},
       {"root of the root", "escape.foreign_root", {"escape", "read", "/proc/self/root" + secret}},
       {"root by the working directory",
        "escape.foreign_root",
        {"escape", "read", of_node_process("cwd/secret")}},
       {"root by a symlink",
        "escape.foreign_root",
        {"sh", "-c", "ln -s " + of_node_process("root") + " /tmp/h; cat /tmp/h/mnt/secret"}},
       {"root through an io_uring", "escape.foreign_root", {"escape", "ring", secret}},
       {"list of a directory", "escape.foreign_root", {"ls", of_node_process("root/mnt/")}},
       {"runtime by its file",
        "escape.runtime_overwrite",
        {"escape", "openat2", of_node_process("exe")}},
       {"directory by root",
        "escape.outside_directory",
        {"sh", "-c", "cd " + of_node_process("root") + " && true && /bin/true"}},
       {"socket by a symlink",
        "escape.runtime_socket",
        {"sh", "-c", "ln -s " + runtime + " /tmp/s; escape connect /tmp/s"}},
       {"socket bound elsewhere",
        "escape.runtime_socket",
        {"sh", "-c",
         "touch /tmp/t && mount --bind " + runtime + " /tmp/t && escape connect /tmp/t"}},
       {"socket by a relative path",
        "escape.runtime_socket",
        {"sh", "-c", "cd " + sandbox().folder() + " && escape connect ./containerd.sock"}}});
}

}  // namespace
}  // namespace picket::test
