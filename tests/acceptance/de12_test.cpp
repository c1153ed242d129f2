// DE12: each way to become more than one was started as is one alert; sudo by a person, packages
// that bring set-user-id programs and capabilities, and who runs containers without root are none.
#include "tests/acceptance/escape_test.h"

namespace picket::test {
namespace {

using Command = std::vector<std::string>;

Command by_shell(const std::string& script) { return {"/bin/sh", "-c", script}; }
Command as_user(Command command) {
  command.insert(command.begin(), {"triggers", "as", "1000"});
  return command;
}

class DE12 : public EscapeTest {
 protected:
  void start(ContainerOptions options, std::string rules = {}) {
    deploy({.rules = std::move(rules)});
    if (HasFatalFailure()) return;
    container_ = make_container(std::move(options));
    ASSERT_TRUE(container_);
  }
  void shell(const std::string& script) {
    const auto ran = container_->run(by_shell(script));
    ASSERT_TRUE(ran.ok()) << ran.status();
    ASSERT_EQ(ran->exit_code, 0) << ran->out;
  }
  void expect_silence() {
    auto alerts = accusations(alerts_so_far(*container_));
    // The tests put their own programs in the place of the system's.
    std::erase_if(alerts, [](const Alert& one) { return one["rule"] == "persistence.program"; });
    EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1);
  }

  std::unique_ptr<Container> container_;
};

const ContainerOptions kWithPrograms{.privileged = true, .binds = {"/usr", "/lib", "/lib64"}};

TEST_F(DE12, FilesAndNamespacesThatGiveRoot) {
  ASSERT_NO_FATAL_FAILURE(start(kWithPrograms));
  const std::string python = "/usr/bin/python3";
  expect_one_alert_each(
      *container_,
      {{"a set-user-id copy", "privilege.setuid_bit",
        by_shell("cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id")},
       {"its use", "privilege.setuid_program", as_user({"/tmp/id"})},
       {"its use under another name", "privilege.setuid_program",
        by_shell("ln /tmp/id /tmp/plain; cd /tmp; triggers as 1000 ./plain")},
       {"the bit by a descriptor",
        "privilege.setuid_bit",
        {python, "-c", "import os; os.fchmod(os.open('/tmp/a', os.O_CREAT), 0o4755)"}},
       {"the bit with the file",
        "privilege.setuid_bit",
        {python, "-c", "import os; os.open('/tmp/b', os.O_CREAT | os.O_WRONLY, 0o4755)"}},
       {"a file's capability", "privilege.file_capability",
        by_shell("cp " + python + " /tmp/py && /usr/sbin/setcap cap_setuid+ep /tmp/py")},
       {"its use", "privilege.became_root",
        as_user({"/tmp/py", "-c", "import os; os.setuid(0); os.system('/usr/bin/id')"})},
       {"the capability, raw",
        "privilege.file_capability",
        {python, "-c",
         "import os, struct; os.setxattr('/tmp/a', 'security.capability', "
         "struct.pack('<5I', 0x2000001, 0x80, 0, 0, 0))"}},
       {"an overlay in a namespace of one's own", "privilege.user_namespace_mount",
        as_user({"/usr/bin/unshare", "-Urm", "/bin/sh", "-c",
                 "mount -t tmpfs x /tmp && cd /tmp && mkdir l u w m && "
                 "/usr/bin/mount -t overlay x -o lowerdir=l,upperdir=u,workdir=w m"})},
       {"by the new calls", "privilege.user_namespace_mount",
        as_user(
            {"/usr/bin/unshare", "-Urm", "/opt/picket-test/escape", "fsmount", "overlay", "x"})}});
  EXPECT_EQ(outputs_.find("denied"), std::string::npos) << outputs_;
}

TEST_F(DE12, SudoAgainstItsPurpose) {
  ASSERT_NO_FATAL_FAILURE(start({}));
  shell(
      "mkdir -p /opt/bin; for p in /usr/bin/sudo /usr/bin/pkexec /usr/bin/vim /opt/bin/uv; do "
      "cp /opt/picket-test/escape $p; done");
  expect_one_alert_each(
      *container_,
      {{"sudo as user -1", "privilege.sudo_exploit", {"/usr/bin/sudo", "-n", "-u#-1", "id"}},
       {"sudo in the caller's root", "privilege.sudo_exploit", {"/usr/bin/sudo", "-R", "x", "x"}},
       {"a shell out of an editor",
        "privilege.sudo_shell",
        {"/usr/bin/sudo", "in", "/", "/usr/bin/vim", "in", "/", "/bin/sh"}},
       {"a package's script",
        "privilege.package_becomes_root",
        {"/opt/bin/uv", "in", "/", "/usr/bin/sudo", "in", "/", "/bin/true"}}});
  // Not even its name is an argument: there is no command line to tell.
  ASSERT_TRUE(container_->run({"escape", "nameless", "/usr/bin/pkexec"}).ok());
  const auto alerts = by_rule(accusations(alerts_so_far(*container_)), "privilege.sudo_exploit");
  ASSERT_EQ(alerts.size(), 3u) << Alert(alerts).dump(1);
  EXPECT_THAT(alerts[2]["output"].get<std::string>(), ::testing::HasSubstr("/usr/bin/pkexec"));
}

TEST_F(DE12, SudoByAPersonIsSilent) {
  ASSERT_NO_FATAL_FAILURE(start({}));
  shell(
      "mkdir -p /usr/bin; for p in /usr/bin/sudo /usr/bin/vim; do "
      "cp /opt/picket-test/escape $p; done");
  const auto typed = container_->type({"/bin/sh"},
                                      "/usr/bin/sudo in / /bin/busybox id\n"
                                      "/usr/bin/sudo in / /usr/bin/vim in / /bin/busybox id\n"
                                      "/usr/bin/sudo in / /bin/busybox sh -c 'id; true'\nexit\n");
  ASSERT_TRUE(typed.ok()) << typed.status();
  EXPECT_THAT(typed->out, ::testing::HasSubstr("uid=0")) << "sudo ran nothing";
  expect_silence();
}

TEST_F(DE12, PackagesAndOrdinaryModesAreSilent) {
  ASSERT_NO_FATAL_FAILURE(start(kWithPrograms));
  shell(
      "mkdir -p /tmp/p/DEBIAN /tmp/p/opt && cp /usr/bin/id /tmp/p/opt/tool && "
      "printf 'Package: p\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.org>\\n"
      "Description: x\\n' >/tmp/p/DEBIAN/control && "
      "printf '#!/bin/sh\\nchmod 4755 /opt/tool\\n/usr/sbin/setcap cap_net_raw+ep /opt/tool\\n' "
      ">/tmp/p/DEBIAN/postinst && chmod 755 /tmp/p/DEBIAN/postinst && "
      "/usr/bin/dpkg-deb -b /tmp/p /tmp/p.deb && "
      "mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers && "
      "touch /var/lib/dpkg/status && /usr/bin/dpkg -i /tmp/p.deb && test -u /opt/tool && "
      "chmod 755 /tmp/p.deb && chmod 2775 /tmp/p && triggers as 1000 /usr/bin/id && "
      "triggers as 1000 /usr/bin/unshare -Ur /usr/bin/id");
  expect_silence();
}

TEST_F(DE12, ASandboxWithoutRootIsSilent) {
  ASSERT_NO_FATAL_FAILURE(start(kWithPrograms));
  shell(
      "triggers as 1000 /usr/bin/unshare -Urmpf /bin/sh -c 'mount -t tmpfs x /tmp && "
      "mkdir /tmp/b && mount --bind /usr /tmp/b && mount -t proc x /proc'");
  expect_silence();
}

// By cap_sys_ptrace alone: of all that root may, it lacks the rest.
TEST_F(DE12, AProcessThatMayMoreIsTraced) {
  ASSERT_NO_FATAL_FAILURE(start(kWithPrograms));
  const auto target = container_->launch({"sleep", "1000"});
  ASSERT_TRUE(target.ok()) << target.status();
  shell("cp /usr/bin/python3 /tmp/py && /usr/sbin/setcap cap_sys_ptrace+ep /tmp/py");
  const std::string attach = fmt::format(
      "import ctypes; assert ctypes.CDLL(None).ptrace(16, {}, None, None) == 0", target->vpid);
  const auto ran = container_->run(as_user({"/tmp/py", "-c", attach}));
  ASSERT_TRUE(ran.ok()) << ran.status();
  ASSERT_EQ(ran->exit_code, 0) << ran->out;
  ASSERT_TRUE(container_->run({"/usr/bin/python3", "-c", attach}).ok());
  const auto alerts =
      by_rule(accusations(alerts_so_far(*container_)), "privilege.more_privileged_process");
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_EQ(alerts[0]["process"]["exe"], "/tmp/py") << alerts[0].dump(1);
  expect_identity(alerts[0], *container_);
}

}  // namespace
}  // namespace picket::test
