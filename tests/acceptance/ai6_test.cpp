// AI6: `picketctl agent report` tells of one session of an AI agent its commands, files, hosts and
// bytes, the credentials that it touched and what was refused; nothing of the person beside it, and
// the same after both daemons were started anew.
#include <sstream>

#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class AI6 : public EgressTest {
 protected:
  // One JSON object per line.
  std::vector<Alert> ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-o", "json", "agent"});
    const auto ran = deployment().picketctl(std::move(arguments));
    EXPECT_TRUE(ran.ok()) << ran.status();
    std::vector<Alert> objects;
    if (!ran.ok() || ran->exit_code != 0) return objects;
    std::istringstream lines(ran->out);
    for (std::string line; std::getline(lines, line);) objects.push_back(Alert::parse(line));
    return objects;
  }

  static std::vector<std::string> texts(const Alert& report, const char* list) {
    std::vector<std::string> texts;
    for (const Alert& entry : report[list]["entries"]) texts.push_back(entry["text"]);
    return texts;
  }
};

TEST_F(AI6, OneSessionIsReportedWithAllThatItsSubtreeDid) {
  deploy({.rules = rule("test.kill",
                        "evt.type in (execve, execveat) and lineage.agent exists and "
                        "proc.args = \"1000.25\"",
                        "  respond: kill\n"),
          .respond = true});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "ai6",
                                   .annotations = {{"picket/owner", "ann@example.org"}},
                                   .binds = {"/usr", "/lib", "/lib64"}});
  ASSERT_TRUE(container);
  add_address(*container, "198.51.100.7");
  run(*container, {"contact", "serve", "198.51.100.7", "443"});
  run(*container, {"/usr/bin/bash", "-c",
                   "mkdir -p /project/bin /root/.ssh && cp /usr/bin/bash /project/bin/claude && "
                   "echo x >/root/.ssh/id_ed25519 && chmod 600 /root/.ssh/id_ed25519 && echo x "
                   ">/project/person.txt && "
                   "/usr/bin/id of-the-person; true"});
  run(*container,
      {"/project/bin/claude", "-c",
       "/usr/bin/id of-the-agent; echo x >/project/agent.txt; cat /root/.ssh/id_ed25519; "
       "(/usr/bin/setsid /usr/bin/bash -c '/usr/bin/id of-a-daemon; true' >/dev/null &) ; "
       "/usr/bin/bash -c 'contact upload 198.51.100.7 443 100000 write; true'; "
       "/usr/bin/setpriv --reuid=1000 --clear-groups /usr/bin/cat /root/.ssh/id_ed25519; "
       "/usr/bin/sleep 1000.25; true"});

  std::vector<Alert> sessions;
  ASSERT_TRUE(until([&] {
    sessions = ask({"list", "--workspace", "ai6"});
    return sessions.size() == 1 && sessions[0]["ended"] == true && sessions[0]["bytes_out"] != 0;
  })) << Alert(sessions).dump(1);
  EXPECT_EQ(sessions[0]["agent"], "claude-code");
  EXPECT_EQ(sessions[0]["owner"], "ann@example.org");

  const std::string id = sessions[0]["session"];
  const auto reports = ask({"report", id});
  ASSERT_EQ(reports.size(), 1u);
  const Alert& report = reports[0];
  EXPECT_THAT(texts(report, "commands"),
              AllOf(Contains("/usr/bin/id of-the-agent"), Contains("/usr/bin/id of-a-daemon"),
                    Not(Contains("/usr/bin/id of-the-person"))));
  EXPECT_THAT(texts(report, "files"),
              AllOf(Contains("/project/agent.txt"), Not(Contains("/project/person.txt"))));
  EXPECT_THAT(texts(report, "credentials"), Contains("/root/.ssh/id_ed25519"));
  EXPECT_THAT(texts(report, "hosts"), Contains("198.51.100.7 port 443 tcp"));
  EXPECT_EQ(report["bytes_out"], 100000u);
  EXPECT_THAT(texts(report, "denials"),
              AllOf(Contains("open /root/.ssh/id_ed25519"),
                    Contains("kill by rule test.kill of /usr/bin/sleep 1000.25")));
  EXPECT_EQ(report["commands"]["left_out"], 0u);
  EXPECT_EQ(report["workspace"], "ai6");

  const auto text = deployment().picketctl({"agent", "report", id});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(text->out, AllOf(HasSubstr("session " + id + " of claude-code, ended"),
                               HasSubstr("credentials\n         1  /root/.ssh/id_ed25519"),
                               HasSubstr("0 bytes in, 100000 out")));
  EXPECT_NE(deployment().picketctl({"agent", "report", "none"})->exit_code, 0);

  // It is stored: neither daemon holds it any more.
  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().stop_collector().ok());
  ASSERT_TRUE(deployment().start_collector().ok());
  EXPECT_EQ(ask({"report", id}), reports);
}

}  // namespace
}  // namespace picket::test
