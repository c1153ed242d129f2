// PO11: Falco's rule files load unmodified, and each rule that something harmless can trigger here
// fires on it in a real container and is silent on what is close to it. The files are no part of
// this project: PICKET_UPSTREAM_RULES is their folder. Our own file that has all their constructs
// is always tried.
#include "tests/acceptance/po11_triggers.h"

#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

// Says which trigger an alert comes from: it stands in the command line of the shell that ran it.
std::string mark_of(const Trigger& trigger, bool fires) {
  std::string mark;
  for (const char c : trigger.rule) mark += isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return fmt::format("{}-of-{}", fires ? "trigger" : "nothing", mark);
}

bool comes_from(const Alert& alert, const std::string& mark) {
  const auto has = [&](const Alert& process) {
    const std::string cmdline = process.value("cmdline", "");
    return cmdline.ends_with(" " + mark);
  };
  if (has(alert["process"])) return true;
  for (const Alert& ancestor : alert["lineage"])
    if (has(ancestor)) return true;
  return false;
}

class PO11 : public AcceptanceTest {
 protected:
  // What the triggers find there: addresses, names, files.
  std::unique_ptr<Container> furnished() {
    auto container = make_container({.privileged = true});
    if (!container) return nullptr;
    const auto done = container->run({"sh", "-ec", R"(
for address in 203.0.113.9 203.0.113.80 203.0.113.81 169.254.169.254; do
  ip address add $address/32 dev lo
done
for name in cat pkexec python3 sh ssh sudoedit tool; do ln -s /opt/picket-test/triggers /tmp/$name; done
mkdir -p /s /root/.ssh /etc/cron.d /etc/apt/sources.list.d /etc/x /var/log /var/lib/rpm /usr/bin /usr/lib /host \
  /srv /tmp/a/mount
for name in apt conmon debugfs kubectl make mysqld nginx nmap npm passwd scp shred ssh sshd tool xmrig; do
  printf '#!/bin/sh\neval "$*"\n:\n' > /s/$name
  chmod 755 /s/$name
done
for file in /root/.profile /root/.bash_history /root/notes /root/.ssh/id_rsa /var/log/syslog /usr/bin/old \
    /usr/lib/liblzma.so.5.6.1 /usr/lib/liblzma.so.5.6.2 /host/x /tmp/a/old /tmp/a/other /tmp/a/script \
    /tmp/a/release_agent /etc/shadow /etc/cron.d/other /dev/sdx9 /dev/shm/script; do
  echo : > $file
done
chmod 777 /tmp/a
dns serve 203.0.113.80)"});
    EXPECT_TRUE(done.ok()) << done.status();
    if (!done.ok()) return nullptr;
    EXPECT_EQ(done->exit_code, 0) << done->out;
    return container;
  }

  void run(Container& container, const Trigger& trigger, bool fires) {
    const std::string script = fmt::format("T=/opt/picket-test/triggers\nexport PATH\n{}\n:",
                                           fires ? trigger.fires : trigger.silent);
    const auto done = container.run({"sh", "-c", script, mark_of(trigger, fires)});
    ASSERT_TRUE(done.ok()) << trigger.rule << ": " << done.status();
    EXPECT_EQ(done->exit_code, 0) << trigger.rule << ": " << script << ": " << done->out;
  }

  void expect_each(Container& container, const std::vector<Trigger>& triggers) {
    for (const Trigger& trigger : triggers) {
      run(container, trigger, true);
      run(container, trigger, false);
    }
    const auto alerts = distinct(alerts_so_far(container));
    for (const Trigger& trigger : triggers) {
      const auto of_rule = by_rule(alerts, trigger.rule);
      const auto from = [&](bool fires) {
        const std::string mark = mark_of(trigger, fires);
        return std::count_if(of_rule.begin(), of_rule.end(),
                             [&](const Alert& alert) { return comes_from(alert, mark); });
      };
      EXPECT_GT(from(true), 0) << "silent: " << trigger.rule << " on " << trigger.fires;
      EXPECT_EQ(from(false), 0) << "fired: " << trigger.rule << " on " << trigger.silent;
    }
  }
};

std::vector<std::string> upstream_files() {
  const char* folder = std::getenv("PICKET_UPSTREAM_RULES");
  std::vector<std::string> files;
  if (folder == nullptr || *folder == '\0') return files;
  for (const char* name : {"falco_rules", "falco-incubating_rules", "falco-sandbox_rules"})
    files.push_back(fmt::format("{}/{}.yaml", folder, name));
  return files;
}

std::set<std::string> rules_in(const std::vector<std::string>& files) {
  static const std::regex kRule("^- rule: (.*[^ ]) *$");
  std::set<std::string> names;
  for (const std::string& file : files) {
    std::ifstream lines(file);
    std::smatch match;
    for (std::string line; std::getline(lines, line);)
      if (std::regex_match(line, match, kRule)) names.insert(match[1]);
  }
  return names;
}

TEST_F(PO11, EveryUpstreamRuleWithATriggerFiresAndIsSilentOnWhatIsClose) {
  const std::vector<std::string> files = upstream_files();
  if (files.empty())
    GTEST_SKIP() << "PICKET_UPSTREAM_RULES names no folder with the upstream rule files";
  const std::set<std::string> loaded = rules_in(files);
  EXPECT_EQ(loaded.size(), 93u);
  std::set<std::string> known{std::string(kOfFirstProcess)};
  for (const auto* triggers : {&kStableTriggers, &kIncubatingTriggers, &kSandboxTriggers})
    for (const Trigger& trigger : *triggers)
      EXPECT_TRUE(known.emplace(trigger.rule).second) << trigger.rule;
  for (const std::string_view rule : kOfContainer) EXPECT_TRUE(known.emplace(rule).second) << rule;
  for (const Untriggered& rule : kUntriggered)
    EXPECT_TRUE(known.emplace(rule.rule).second) << rule.rule << " is said not to: " << rule.why;
  EXPECT_EQ(known, loaded);

  std::string enabled;  // those that are shipped switched off
  for (const std::string& rule : loaded)
    enabled += fmt::format("- rule: {}\n  enabled: true\n", rule);
  deploy({.rules = enabled, .shipped_rules = false, .rule_paths = files});
  if (HasFatalFailure()) return;
  auto plain = make_container();
  auto special = make_container({.privileged = true, .binds = {"/etc"}});
  auto privileged = furnished();
  ASSERT_TRUE(plain && special && privileged);
  for (Container* container : {plain.get(), special.get()})
    ASSERT_TRUE(
        container->run({"sh", "-c", "cp /bin/busybox /tmp/debugfs; /tmp/debugfs true; :"}).ok());
  const auto in_plain = distinct(alerts_so_far(*plain));
  const auto in_special = distinct(alerts_so_far(*special));
  for (const std::string_view rule : kOfContainer) {
    EXPECT_EQ(by_rule(in_special, rule).size(), 1u) << rule << Alert(in_special).dump(1);
    EXPECT_TRUE(by_rule(in_plain, rule).empty()) << rule;
  }
  EXPECT_EQ(by_rule(in_plain, kOfFirstProcess).size(), 1u);

  for (const auto* triggers : {&kStableTriggers, &kIncubatingTriggers, &kSandboxTriggers})
    expect_each(*privileged, *triggers);
}

const std::vector<Trigger> kLanguageTriggers = {
    {"lang.file", "cd /tmp/a; $T create ../../etc/x/a.conf", "cd /tmp/a; $T create /etc/x/b.conf"},
    {"lang.refused", "$T as 1000 /bin/cat /etc/secret 2>&1 || :", "/bin/cat /etc/secret"},
    {"lang.change", "/bin/mkdir /srv/made", "/bin/mkdir /tmp/made"},
    {"lang.network", "dns ask udp peer.example; $T talk 203.0.113.80 443",
     "$T talk 203.0.113.81 443"},
    {"lang.call", "$T call unshare", "$T call map"},
};

// lang.start asks for everything that an exec has at once: its unit test has it. lang.off is off.
TEST_F(PO11, OurOwnFileWithEveryConstructFiresAndIsSilentOnWhatIsClose) {
  deploy({.shipped_rules = false,
          .rule_paths = {PICKET_SOURCE_DIR "/tests/records/falco/language.yaml"}});
  if (HasFatalFailure()) return;
  auto container = furnished();
  ASSERT_TRUE(container);
  ASSERT_EQ(container->run({"sh", "-c", "echo x > /etc/secret; chmod 600 /etc/secret"})->exit_code,
            0);
  expect_each(*container, kLanguageTriggers);
  const auto alerts = alerts_so_far(*container);
  EXPECT_TRUE(by_rule(alerts, "lang.start").empty());
  EXPECT_TRUE(by_rule(alerts, "lang.off").empty());
}

}  // namespace
}  // namespace picket::test
