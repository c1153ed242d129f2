// BATTERY: forms of attack by the dozen (battery.h), each in a process of its own in a real
// container: every one is told, by a rule of its family, of a process of its own.
#include "tests/acceptance/battery.h"

#include "tests/acceptance/escape_test.h"

namespace picket::test {
namespace {

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (size_t at; (at = text.find(what)) != std::string::npos;) text.replace(at, what.size(), by);
}

bool is_of_family(const Alert& alert, std::string_view family) {
  const std::string rule = alert["rule"].get<std::string>();
  while (!family.empty()) {
    const std::string_view one = family.substr(0, family.find(' '));
    if (rule.starts_with(one)) return true;
    family.remove_prefix(std::min(family.size(), one.size() + 1));
  }
  return false;
}

constexpr char kLongest[] = "10";  // seconds, for what waits for more to come

class Battery : public EscapeTest {
 protected:
  void start(ContainerOptions options) {
    ASSERT_NO_FATAL_FAILURE(deploy());
    container_ = make_container(std::move(options));
    ASSERT_TRUE(container_);
  }
  // As a platform prepares the workspace.
  void from_outside(const std::string& script) {
    const auto put = container_->exec({"/bin/sh", "-c", script});
    ASSERT_TRUE(put.ok()) << put.status();
    ASSERT_EQ(put->exit_code, 0) << put->err;
  }

  void expect_each_told(const std::vector<Form>& forms, int first_port = 0) {
    std::vector<uint32_t> jobs;
    std::vector<std::string> outputs;
    for (const Form& form : forms) {
      std::string script = form.script;
      replace_all(script, "PORT", std::to_string(first_port + static_cast<int>(jobs.size())));
      for (const auto& [word, value] : words_) replace_all(script, word, value);
      auto job = container_->launch({"timeout", kLongest, "/bin/sh", "-c", script});
      ASSERT_TRUE(job.ok()) << form.name << ": " << job.status();
      ASSERT_TRUE(container_->wait_for(*job).ok()) << form.name;
      outputs.push_back(container_->output_so_far(*job).value_or(""));
      jobs.push_back(job->pid);
    }
    const auto alerts = accusations(alerts_so_far(*container_));
    size_t told = 0;
    for (size_t i = 0; i < forms.size(); ++i) {
      std::vector<std::string> rules;
      bool right = false;
      for (const Alert& alert : alerts) {
        if (std::ranges::count(tree_of(alert), jobs[i]) == 0) continue;
        rules.push_back(alert["rule"]);
        right |= is_of_family(alert, forms[i].family);
      }
      told += right ? 1 : 0;
      EXPECT_TRUE(right) << forms[i].name << " (" << forms[i].family << "): told were ["
                         << fmt::format("{}", fmt::join(rules, " ")) << "], it said "
                         << outputs[i].substr(0, 300);
    }
    fmt::print("{} of {} told\n", told, forms.size());
  }

  std::unique_ptr<Container> container_;
  std::vector<std::pair<std::string, std::string>> words_;
};

constexpr int kFirstPort = 4801;

TEST_F(Battery, Shells) {
  ASSERT_NO_FATAL_FAILURE(start({.image = "tools"}));
  ASSERT_TRUE(container_
                  ->run({"listener", std::to_string(kFirstPort),
                         std::to_string(shell_forms().size()), "id"})
                  .ok());
  expect_each_told(shell_forms(), kFirstPort);
}

TEST_F(Battery, Scripts) {
  ASSERT_NO_FATAL_FAILURE(start({.image = "tools"}));
  ASSERT_TRUE(
      container_
          ->run({"listener", std::to_string(kFirstPort), std::to_string(script_forms().size())})
          .ok());
  expect_each_told(script_forms(), kFirstPort);
}

const std::vector<std::string> kMachine = {"/usr", "/lib", "/lib64"};

TEST_F(Battery, Escapes) {
  ASSERT_NO_FATAL_FAILURE(start_node_process());
  const std::string bus = listen_as("system_bus_socket");
  std::vector<std::string> binds = kMachine;
  binds.push_back(bus);
  ASSERT_NO_FATAL_FAILURE(start({.privileged = true, .binds = binds, .host_pids = true}));
  words_ = {{"NODE", std::to_string(node_process_->pid())}, {"SOCKET", bus}};
  expect_each_told(escape_forms());
}

TEST_F(Battery, Secrets) {
  ASSERT_NO_FATAL_FAILURE(start({.privileged = true, .binds = kMachine}));
  from_outside(
      "cd /root && mkdir -p .ssh .aws .kube .docker .azure .config/gh .claude .cargo "
      "/srv/picket-decoy && for f in .ssh/id_ed25519 .ssh/id_rsa .aws/credentials .kube/config "
      ".netrc .git-credentials .docker/config.json .pgpass .azure/msal_token_cache.json "
      ".vault-token "
      ".config/gh/hosts.yml .claude/.credentials.json .cargo/credentials.toml .bash_history "
      "/srv/picket-decoy/key /etc/shadow; do echo secret >$f; done");
  const auto victim = container_->launch({"env", "TOKEN=1", "sleep", "1000"});
  ASSERT_TRUE(victim.ok()) << victim.status();
  words_ = {{"VICTIM", std::to_string(victim->vpid)}};
  expect_each_told(secret_forms());
}

TEST_F(Battery, Persistence) {
  ASSERT_NO_FATAL_FAILURE(start({.privileged = true, .binds = kMachine}));
  from_outside("mkdir -p /p /root /etc");
  expect_each_told(persistence_forms());
}

TEST_F(Battery, PrivilegesAndAgents) {
  ASSERT_NO_FATAL_FAILURE(start({.privileged = true, .binds = kMachine}));
  expect_each_told(other_forms());
}

}  // namespace
}  // namespace picket::test
