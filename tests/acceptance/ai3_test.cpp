// AI3: under a file policy the subtree of an AI agent that reads credentials, writes outside of its
// project, or edits settings and hooks is an alert each, however it does that; its plain work is
// none, and a person's shell in the same container is not asked.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

constexpr char kPolicy[] = R"(
- agent_files: project
  scope: {agent: claude-code}
  write: [/project, /tmp]
)";
constexpr char kRule[] = "agent_files.project";

class AI3 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = kPolicy});
    if (HasFatalFailure()) return;
    container_ = make_container({.binds = {"/usr", "/lib", "/lib64"}});
    ASSERT_TRUE(container_);
    const auto put = container_->exec(
        {"/bin/sh", "-c",
         "mkdir -p /project/.claude /project/.git/hooks /project/src /root/.ssh /opt/bin && "
         "echo key >/root/.ssh/id_ed25519 && echo key >/root/.netrc && echo old >/opt/old && "
         "cp /usr/bin/bash /opt/bin/claude && ln -s /opt /project/way-out"});
    ASSERT_TRUE(put.ok()) << put.status();
    ASSERT_EQ(put->exit_code, 0) << put->err;
  }

  Container::Job run(const std::vector<std::string>& command) {
    const auto job = container_->launch(command);
    EXPECT_TRUE(job.ok()) << job.status();
    if (!job.ok()) return {};
    EXPECT_TRUE(container_->wait_for(*job).ok());
    outputs_ += container_->output_so_far(*job).value_or("");
    return *job;
  }
  std::vector<Alert> told() { return by_rule(distinct(alerts_so_far(*container_)), kRule); }

  std::unique_ptr<Container> container_;
  std::string outputs_;
};

TEST_F(AI3, WhatThePolicyDoesNotAllowIsOneAlertEach) {
  const std::vector<const char*> attempts = {
      // credentials
      "/usr/bin/cat /root/.ssh/id_ed25519; true",
      "/usr/bin/python3 -c 'open(\"/root/.netrc\").read()'; true",
      "read secret </root/.ssh/id_ed25519; true",
      "/usr/bin/setsid /bin/sh -c '/usr/bin/base64 /root/.netrc; true'; true",
      // outside of the project
      "echo x >/opt/new; true",
      "/usr/bin/rm /opt/old; true",
      "cd /project && /usr/bin/touch ../opt/more; true",
      "echo x >/project/way-out/through-a-link; true",
      "echo x >/tmp/x; /usr/bin/mv /tmp/x /opt/moved; true",
      "/usr/bin/ln -s /tmp /opt/link; true",
      "/usr/bin/mkdir /opt/directory; true",
      // settings and hooks, inside
      "echo '{}' >/project/.claude/settings.json; true",
      "/bin/sh -c 'echo x >/project/.git/hooks/pre-commit; true'; true",
      "echo x >/tmp/y; /usr/bin/mv /tmp/y /project/.mcp.json; true",
  };
  std::vector<Container::Job> jobs;
  for (const char* script : attempts) jobs.push_back(run({"/opt/bin/claude", "-c", script}));
  const auto alerts = told();
  for (size_t i = 0; i < attempts.size(); ++i) {
    std::vector<Alert> own;
    for (const Alert& alert : alerts)
      if (std::ranges::count(tree_of(alert), jobs[i].pid) != 0) own.push_back(alert);
    ASSERT_EQ(own.size(), 1u) << attempts[i] << ": " << Alert(own).dump(1) << outputs_;
    EXPECT_EQ(own[0]["process"]["agent"], "claude-code") << own[0].dump(1);
    expect_identity(own[0], *container_);
  }
  EXPECT_EQ(alerts.size(), attempts.size());
}

TEST_F(AI3, PlainWorkAndAPersonsShellAreSilent) {
  run({"/opt/bin/claude", "-c",
       "cd /project && echo 'int x;' >src/x.c && echo '# Orders' >CLAUDE.md && cat src/x.c "
       ">/dev/null && export HOME=/tmp && "
       "/usr/bin/git init -q . && /usr/bin/git config user.name a && "
       "/usr/bin/git config user.email a@example.org && /usr/bin/git add src && "
       "/usr/bin/git commit -qm x && /usr/bin/mkdir build && "
       "/usr/bin/python3 -B -c 'open(\"build/out\", \"w\").write(\"1\")' && "
       "/usr/bin/mv build/out build/done && /usr/bin/rm -r build && echo >/tmp/note && "
       "/usr/bin/ssh-keygen -y -f /root/.ssh/id_ed25519; echo the agent is done"});
  run({"/bin/sh", "-c",
       "/usr/bin/cat /root/.ssh/id_ed25519; echo x >/opt/new; "
       "echo x >/project/.git/hooks/pre-push; echo '{}' >/project/.claude/settings.json"});
  EXPECT_THAT(outputs_, ::testing::HasSubstr("the agent is done"));
  const auto alerts = told();
  EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1) << outputs_;
}

}  // namespace
}  // namespace picket::test
