// DE13: credentials of every kind, read by what is not their tool: one alert each, by whatever
// program, name, mount, link or call; three kinds by one subtree are one more, critical. Their
// tools, and who reads what lies beside them, raise none.
#include "tests/acceptance/escape_test.h"

namespace picket::test {
namespace {

constexpr char kForeign[] = "credentials.foreign_reader";
constexpr char kOtherName[] = "credentials.other_name";

// One file of each class, where its tool keeps it.
constexpr auto kFiles = std::to_array<const char*>({
    "/root/.ssh/id_ed25519",
    "/root/.ssh/own-name",
    "/root/.gnupg/private-keys-v1.d/0A.key",
    "/root/.aws/credentials",
    "/root/.config/gcloud/application_default_credentials.json",
    "/root/.azure/msal_token_cache.json",
    "/root/.kube/config",
    "/run/secrets/kubernetes.io/serviceaccount/token",
    "/root/.git-credentials",
    "/root/.netrc",
    "/root/.npmrc",
    "/root/.pypirc",
    "/root/.cargo/credentials.toml",
    "/root/.gem/credentials",
    "/root/.docker/config.json",
    "/project/.env",
    "/root/.vault-token",
    "/root/.terraform.d/credentials.tfrc.json",
    "/root/.config/gh/hosts.yml",
    "/root/.claude/.credentials.json",
    "/root/.codex/auth.json",
    "/root/.mozilla/firefox/a.default/logins.json",
    "/root/.pgpass",
    "/root/.config/rclone/rclone.conf",
    "/var/lib/cloud/instance/user-data.txt",
    "/etc/shadow",
    "/srv/picket-decoy/backup-key",
});

class DE13 : public EscapeTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy();
    if (HasFatalFailure()) return;
    container_ = make_container({.privileged = true, .binds = {"/usr", "/lib", "/lib64"}});
    ASSERT_TRUE(container_);
    std::string script;
    for (const char* file : kFiles)
      script += fmt::format("mkdir -p $(dirname {0}) && echo secret >{0} && ", file);
    // As a platform puts them in.
    const auto put = container_->exec({"/bin/sh", "-c", script + "true"});
    ASSERT_TRUE(put.ok()) << put.status();
    ASSERT_EQ(put->exit_code, 0) << put->err;
  }

  void shell(const std::string& script) {
    const auto ran = container_->run({"sh", "-c", script});
    ASSERT_TRUE(ran.ok()) << ran.status();
    ASSERT_EQ(ran->exit_code, 0) << ran->out;
  }
  void expect_silence() {
    const auto alerts = accusations(alerts_so_far(*container_));
    EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1);
  }

  std::unique_ptr<Container> container_;
};

TEST_F(DE13, EachKindReadByWhatIsNotItsTool) {
  std::vector<Attempt> attempts;
  for (const char* file : kFiles) {
    const bool decoy = std::string_view(file).find("decoy") != std::string_view::npos;
    attempts.push_back({file, decoy ? "credentials.decoy" : kForeign, {"/usr/bin/cat", file}});
  }
  expect_one_alert_each(*container_, attempts);
}

TEST_F(DE13, WhateverTheProgramAndTheWay) {
  const std::string key = "/root/.ssh/id_ed25519";
  const auto by_shell = [](const std::string& script) {
    return std::vector<std::string>{"sh", "-c", script};
  };
  expect_one_alert_each(
      *container_,
      {{"cp", kForeign, {"/usr/bin/cp", key, "/tmp/1"}},
       {"tar", kForeign, {"/usr/bin/tar", "cf", "/tmp/2.tar", "/root/.ssh"}},
       {"scp", kForeign, {"/usr/bin/scp", key, "/tmp/3"}},
       {"python", kForeign, {"/usr/bin/python3", "-c", "open('" + key + "').read()"}},
       {"python beside a tool's script",
        kForeign,
        {"/usr/bin/python3", "-c", "open('/root/.aws/credentials').read()", "/usr/bin/aws"}},
       {"perl", kForeign, {"/usr/bin/perl", "-e", "open F, '" + key + "'"}},
       {"a copy that is called ssh", kForeign,
        by_shell("mkdir /opt/bin && cp /usr/bin/cat /opt/bin/ssh && /opt/bin/ssh " + key)},
       {"a decoy's name to its own tool",
        "credentials.decoy",
        {"/usr/bin/ssh-keygen", "-y", "-f", "/srv/picket-decoy/backup-key"}},
       {"a relative path", kForeign, by_shell("cd /root/.ssh/.. && /usr/bin/cat .ssh/own-name")},
       {"/proc/self/root", kForeign, {"/usr/bin/cat", "/proc/self/root" + key}},
       {"a symlink", kForeign, by_shell("ln -s /root /tmp/r; /usr/bin/cat /tmp/r/.kube/config")},
       {"a descriptor", kForeign, by_shell("/usr/bin/base64 <" + key)},
       {"an io_uring", kForeign, {"escape", "ringread", key}},
       {"a bind mount of the file", kForeign,
        by_shell("touch /tmp/b && mount --bind " + key + " /tmp/b && /usr/bin/cat /tmp/b")},
       {"a bind mount of its directory", kForeign,
        by_shell("mkdir /tmp/d && mount --bind /root/.kube /tmp/d && /usr/bin/cat /tmp/d/config")},
       {"a hard link", kOtherName, by_shell("ln " + key + " /tmp/l && /usr/bin/cat /tmp/l")},
       {"another name", kOtherName, by_shell("mv /root/.pypirc /tmp/m && /usr/bin/cat /tmp/m")},
       {"its directory's", kOtherName,
        by_shell("mv /root/.kube /tmp/k && /usr/bin/cat /tmp/k/config")}});
}

TEST_F(DE13, AnAgentsSocketUsedByAnother) {
  shell("mkdir -p /tmp/ssh-a1 /tmp/plain");
  for (const char* socket : {"/tmp/ssh-a1/agent.7", "/tmp/plain/service.sock"}) {
    const auto server = container_->launch({"escape", "serve", socket});
    ASSERT_TRUE(server.ok()) << server.status();
    ASSERT_TRUE(until([&] {
      return container_->output_so_far(*server).value_or("").find("ready") != std::string::npos;
    }));
  }
  expect_one_alert_each(
      *container_, {{"a program", kForeign, {"escape", "connect", "/tmp/ssh-a1/agent.7"}},
                    {"by a link",
                     kForeign,
                     {"sh", "-c", "ln -s /tmp/ssh-a1 /tmp/s && escape connect /tmp/s/agent.7"}}});
  shell(
      "escape connect /tmp/plain/service.sock; SSH_AUTH_SOCK=/tmp/ssh-a1/agent.7 "
      "timeout 1 /usr/bin/ssh-add -l; true");
  EXPECT_EQ(accusations(alerts_so_far(*container_)).size(), 2u) << "no more than before";
}

TEST_F(DE13, ThreeKindsByOneSubtreeAreASweep) {
  shell("for f in .netrc .ssh/id_ed25519 .ssh/own-name; do /usr/bin/cat /root/$f; done");
  const auto two = accusations(alerts_so_far(*container_));
  EXPECT_EQ(by_rule(two, kForeign).size(), 3u) << Alert(two).dump(1);
  EXPECT_TRUE(by_rule(two, "credentials.sweep").empty()) << Alert(two).dump(1);
  shell(
      "/usr/bin/cat /root/.npmrc; (/usr/bin/cp /root/.pgpass /tmp); setsid sh -c "
      "'/usr/bin/base64 /root/.kube/config; true'");
  const auto sweep = by_rule(accusations(alerts_so_far(*container_)), "credentials.sweep");
  ASSERT_EQ(sweep.size(), 1u) << Alert(sweep).dump(1);
  EXPECT_EQ(sweep[0]["priority"], "CRITICAL");
  EXPECT_THAT(sweep[0]["output"].get<std::string>(), ::testing::StartsWith("3 kinds"));
  expect_identity(sweep[0], *container_);
}

TEST_F(DE13, ToolsAndWhatLiesBesideAreSilent) {
  // As a platform puts an editor's server in.
  shell("mkdir -p /root/.vscode-server/bin/1 /project/src && echo x >/project/src/a");
  ASSERT_TRUE(
      container_->exec({"/usr/bin/cp", "/usr/bin/cat", "/root/.vscode-server/bin/1/node"}).ok());
  const auto ran = container_->run(
      {"sh", "-c",
       "HOME=/root; export HOME; cd /project; "
       "/usr/bin/ssh-keygen -y -f /root/.ssh/id_ed25519; "
       "printf 'host=localhost\\nprotocol=http\\n\\n' | /usr/bin/git credential-store get; "
       "/usr/bin/curl -s --netrc http://127.0.0.1:9/; "
       "/usr/bin/python3 -c 'open(\".env\").read()'; "
       "/usr/bin/npm config get registry; "
       "/usr/bin/kubectl config view; "
       "/root/.vscode-server/bin/1/node /project/.env; "
       "/usr/bin/ls -la /root/.ssh /root/.aws; "
       "/usr/bin/tar cf /tmp/backup.tar /project/src; "
       "/usr/bin/touch /root/.ssh/known_hosts && /usr/bin/cat /root/.ssh/known_hosts; "
       "/usr/bin/cat /etc/passwd; true"});
  ASSERT_TRUE(ran.ok()) << ran.status();
  if (has_program("/usr/bin/npm")) {
    EXPECT_THAT(ran->out, ::testing::HasSubstr("registry.npmjs.org")) << "npm did not run";
  }
  expect_silence();
}

}  // namespace
}  // namespace picket::test
