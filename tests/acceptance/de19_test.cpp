// DE19: what makes something run later, or lets somebody in later, is one alert each, however the
// file comes to be there; git, package managers, an editor's server and a person who types at a
// terminal raise none.
#include "tests/acceptance/escape_test.h"

namespace picket::test {
namespace {

using Command = std::vector<std::string>;

Command by_shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

class DE19 : public EscapeTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy();
    if (HasFatalFailure()) return;
    container_ = make_container({.privileged = true, .binds = {"/usr", "/lib", "/lib64"}});
    ASSERT_TRUE(container_);
    from_outside(
        "mkdir -p /root/.ssh /root/.config/systemd/user /etc/cron.d /var/spool/cron/crontabs "
        "/etc/sudoers.d /project/.git/hooks /project/.devcontainer /project/.vscode "
        "/project/.github/workflows /project/.claude /project/.cursor /project/npm "
        "/root/.vscode-server/bin/1 /root/.vscode-server/extensions/old "
        "/venv/lib/python3/site-packages /tmp/hooks && touch /root/.bashrc /tmp/hooks/pre-push");
  }

  // As a platform prepares the workspace.
  void from_outside(const std::string& script) {
    const auto put = container_->exec(by_shell(script));
    ASSERT_TRUE(put.ok()) << put.status();
    ASSERT_EQ(put->exit_code, 0) << put->err;
  }
  void expect_silence() {
    const auto alerts = accusations(alerts_so_far(*container_));
    EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1);
  }

  std::unique_ptr<Container> container_;
};

TEST_F(DE19, EachPlaceIsOneAlert) {
  const auto write = [](const std::string& path) { return by_shell("echo x >>" + path); };
  expect_one_alert_each(
      *container_,
      {{"shell rc", "persistence.shell", write("/root/.bashrc")},
       {"profile", "persistence.shell", write("/etc/profile")},
       {"cron", "persistence.schedule", write("/etc/cron.d/job")},
       {"crontab", "persistence.schedule", write("/var/spool/cron/crontabs/root")},
       {"user unit", "persistence.schedule", write("/root/.config/systemd/user/a.service")},
       {"git hook", "persistence.git", write("/project/.git/hooks/pre-commit")},
       {"git configuration", "persistence.git", write("/project/.git/config")},
       {"hooks path",
        "persistence.git_hooks_path",
        {"/usr/bin/git", "config", "--file", "/tmp/c", "core.hooksPath", "/tmp/hooks"}},
       {"authorized_keys", "persistence.access", write("/root/.ssh/authorized_keys")},
       {"passwd", "persistence.access", write("/etc/passwd")},
       {"shadow", "persistence.access", write("/etc/shadow")},
       {"sudoers", "persistence.access", write("/etc/sudoers.d/me")},
       {"ld.so.preload", "persistence.loader", write("/etc/ld.so.preload")},
       {"dev container", "persistence.project", write("/project/.devcontainer/devcontainer.json")},
       {"editor task", "persistence.project", write("/project/.vscode/tasks.json")},
       {"workflow", "persistence.project", write("/project/.github/workflows/ci.yml")},
       {"agent's hooks", "persistence.agent", write("/project/.claude/settings.json")},
       {"agent's servers", "persistence.agent", write("/project/.mcp.json")},
       {"agent's orders", "persistence.agent", write("/project/AGENTS.md")},
       {"extension", "persistence.extension",
        write("/root/.vscode-server/extensions/old/package.json")},
       {"python", "persistence.python", write("/venv/lib/python3/site-packages/a.pth")}});
}

TEST_F(DE19, HoweverItComesToBeThere) {
  from_outside("touch /root/.bash_login");
  expect_one_alert_each(
      *container_,
      {{"rename", "persistence.shell", by_shell("echo >/tmp/1; mv /tmp/1 /root/.profile")},
       {"hard link", "persistence.shell", by_shell("echo >/tmp/2; ln /tmp/2 /root/.zshrc")},
       {"symlink", "persistence.shell", by_shell("cd /root && ln -s /tmp/3 .zshenv")},
       {"through a symlink", "persistence.shell", by_shell("ln -s /root /tmp/4; >/tmp/4/.bashrc")},
       {"an io_uring", "persistence.shell", {"escape", "ring", "/root/.bash_login"}},
       {"openat2", "persistence.shell", {"escape", "openat2", "/root/.bash_login"}},
       {"a bind mount", "persistence.shell",
        by_shell("mkdir /tmp/5 && mount --bind /root /tmp/5 && echo >>/tmp/5/.bashrc")},
       {"/proc/self/root", "persistence.shell", by_shell("echo >>/proc/self/root/root/.bashrc")},
       {"python",
        "persistence.access",
        {"/usr/bin/python3", "-c", "open('/root/.ssh/authorized_keys', 'a').write('k')"}},
       {"a copy that is called git", "persistence.git",
        by_shell("mkdir /opt/bin && cp /usr/bin/tee /opt/bin/git && echo | /opt/bin/git "
                 "/project/.git/hooks/post-merge")},
       {"the folder of hooks", "persistence.git",
        by_shell("rm -r /project/.git/hooks && mv /tmp/hooks /project/.git/hooks")}});
}

// As what it is: the work of a package's script (package_script).
TEST_F(DE19, APackagesScriptIsOneAlert) {
  if (!has_program("/usr/bin/npm")) GTEST_SKIP() << "this machine has no npm";
  from_outside(
      "echo '{\"name\":\"x\",\"version\":\"1.0.0\",\"scripts\":{\"postinstall\":\"node -e "
      "\\\"fs.appendFileSync(process.env.HOME+String.fromCharCode(47)+String.fromCharCode(46)+"
      "'\"'\"'bashrc'\"'\"',String.fromCharCode(10))\\\"\"}}' >/project/npm/package.json");
  expect_one_alert_each(
      *container_,
      {{"npm", "package_script",
        by_shell("cd /project/npm && HOME=/root /usr/bin/npm install --offline --no-audit")}});
}

TEST_F(DE19, WhatAPersonStartsIsNotThePerson) {
  from_outside("echo 'echo x >>/root/.bashrc' >/tmp/install.sh");
  ASSERT_TRUE(container_->type({"/usr/bin/bash"}, "/usr/bin/bash /tmp/install.sh\nexit\n").ok());
  const auto alerts = accusations(alerts_so_far(*container_));
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_EQ(alerts[0]["rule"], "persistence.shell");
}

TEST_F(DE19, APersonAtATerminalIsSilent) {
  if (!has_program("/usr/bin/vim.basic") && !has_program("/usr/bin/vim.tiny"))
    GTEST_SKIP() << "this machine has no vim";
  const auto typed =
      container_->type({"/usr/bin/bash"},
                       "echo \"alias ll='ls -l'\" >>/root/.bashrc\n"
                       "vi=$(ls /usr/bin/vim.basic /usr/bin/vim.tiny 2>/dev/null | head -n 1)\n"
                       "$vi -u NONE -es -c 'normal Ohook' -c wq /project/.git/hooks/pre-commit\n"
                       "$vi -u NONE -es -c 'normal Oon' -c wq /project/.github/workflows/ci.yml\n"
                       "exit\n");
  ASSERT_TRUE(typed.ok()) << typed.status();
  for (const char* file : {"/root/.bashrc", "/project/.git/hooks/pre-commit"})
    EXPECT_NE(read_file(container_->written(file)).value_or(""), "") << file << typed->out;
  expect_silence();
}

TEST_F(DE19, ToolsAtTheirOwnPlacesAreSilent) {
  from_outside("cp /usr/bin/cp /root/.vscode-server/bin/1/node && echo '{}' >/tmp/new.json");
  const auto ran = container_->run(by_shell(
      "export HOME=/root && mkdir -p /tmp/template/hooks && echo '#!/bin/sh' "
      ">/tmp/template/hooks/post-commit && cd /tmp && "
      "/usr/bin/git init -q --template=/tmp/template one && cd one && "
      "/usr/bin/git config user.name x && /usr/bin/git config --global user.email x@example.org && "
      "/usr/bin/git config core.hooksPath .husky && "
      "mkdir -p sub && echo '{}' >sub/plain && /usr/bin/git add . && /usr/bin/git commit -qm x && "
      // A tree with a workflow and an agent's settings that nobody wrote into the working copy.
      "blob=$(echo x | /usr/bin/git hash-object -w --stdin) && "
      "/usr/bin/git update-index --add --cacheinfo 100644,$blob,.github/workflows/ci.yml "
      "--cacheinfo 100644,$blob,.claude/settings.json --cacheinfo 100644,$blob,AGENTS.md && "
      "/usr/bin/git commit -qm y && /usr/bin/git checkout -q -- . && "
      "test -e .claude/settings.json && "
      "/root/.vscode-server/bin/1/node /tmp/new.json /root/.vscode-server/extensions/old/"
      "package.json && cat /root/.bashrc && ls /etc/cron.d && "
      "mkdir -p src/hooks && echo >src/hooks/use.ts"));
  ASSERT_TRUE(ran.ok()) << ran.status();
  ASSERT_EQ(ran->exit_code, 0) << ran->out;
  expect_silence();
}

TEST_F(DE19, APackageOfTheSystemIsSilent) {
  if (!has_program("/usr/bin/dpkg-deb")) GTEST_SKIP() << "this machine has no dpkg";
  const auto ran = container_->run(by_shell(
      "mkdir -p /tmp/p/DEBIAN /tmp/p/opt && echo x >/tmp/p/opt/job && "
      "printf 'Package: p\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.org>\\n"
      "Description: x\\n' >/tmp/p/DEBIAN/control && "
      "printf '#!/bin/sh\\necho x >/etc/profile.d/p.sh\\n' >/tmp/p/DEBIAN/postinst && "
      "chmod 755 /tmp/p/DEBIAN/postinst && /usr/bin/dpkg-deb -b /tmp/p /tmp/p.deb && "
      "mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers /etc/profile.d && "
      "touch /var/lib/dpkg/status && /usr/bin/dpkg -i /tmp/p.deb && test -e /etc/profile.d/p.sh"));
  ASSERT_TRUE(ran.ok()) << ran.status();
  ASSERT_EQ(ran->exit_code, 0) << ran->out;
  expect_silence();
}

}  // namespace
}  // namespace picket::test
