// Operators against a real collector: picketctl as a program, the watch, commands and their trail.
#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <thread>

#include "common/tls.h"
#include "picket/v1/operator.grpc.pb.h"
#include "tests/fleet/collector_fixture.h"
#include "tests/support/json_schema.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Operator : public CollectorTest {
 protected:
  // A node with two workspaces, w1... and w2..., connected.
  std::unique_ptr<SimulatedAgent> node_with_workspaces() {
    auto node = agent();
    EXPECT_EQ(node->hello(), 0U);
    EXPECT_TRUE(node->send(
        batch(kNode, {workspace_envelope(1, "aa11", "alpha"), workspace_envelope(2, "aa22", "beta"),
                      workspace_envelope(3, "bb33", "gone", v1::WORKSPACE_STATE_GONE)})));
    EXPECT_TRUE(node->wait_for_ack(3));
    return node;
  }
  static v1::CommandResult done(const v1::Command& command, bool ok, const std::string& detail) {
    v1::CommandResult result;
    result.set_command_id(command.id());
    result.set_action(command.action());
    result.set_workspace_id(command.workspace_id());
    result.set_ok(ok);
    result.set_detail(detail);
    return result;
  }
  std::vector<std::string> outcomes() {
    std::vector<std::string> outcomes;
    for (const nlohmann::json& entry : orders()) {
      outcomes.push_back(entry["outcome"].get<std::string>());
    }
    return outcomes;
  }
};

TEST_F(Operator, SeesAlertsInTheDocumentedForm) {
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  ASSERT_TRUE(node->send(
      batch(kNode, {envelope(1, make_alert("a1")), envelope(2, make_alert("a2", 1, "other"))})));
  ASSERT_TRUE(node->wait_for_ack(2));
  auto schema = JsonSchema::read(PICKET_SOURCE_DIR "/docs/alert.schema.json");
  ASSERT_TRUE(schema.ok()) << schema.status();
  const auto alerts = json("vic", {"alerts", "list"});
  ASSERT_EQ(alerts.size(), 2U);
  for (const nlohmann::json& alert : alerts) {
    const absl::Status status = (*schema)->check(alert);
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(json("vic", {"alerts", "show", "a2"})[0]["workspace"]["id"], "other");
  EXPECT_EQ(json("vic", {"alerts", "list", "--workspace", "aabb"}).size(), 1U);
  EXPECT_EQ(json("vic", {"alerts", "list", "--rule", "none"}).size(), 0U);
  EXPECT_EQ(json("vic", {"alerts", "list", "--since", "10m"}).size(), 0U);  // they are from 2025
  EXPECT_EQ(picketctl("vic", {"alerts", "show", "a"}).exit_code, 1);        // ambiguous
  const ProgramResult text = picketctl("vic", {"alerts", "show", "a1"});
  EXPECT_THAT(text.out, AllOf(HasSubstr("CRITICAL  shell.reverse"), HasSubstr("42 bash -i"),
                              HasSubstr("└ 1 init"), HasSubstr("T1059.004"),
                              HasSubstr("image debian:12"), HasSubstr("aabbccddeeff")));
}

TEST_F(Operator, CannotBeFooledByControlCharacters) {
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  v1::Alert alert = make_alert("a1");
  alert.mutable_process()->set_cmdline("\x1b[2Jx\ny\u009bz");
  ASSERT_TRUE(node->send(batch(kNode, {envelope(1, alert)})));
  ASSERT_TRUE(node->wait_for_ack(1));
  const ProgramResult shown = picketctl("vic", {"alerts", "show", "a1"});
  EXPECT_THAT(shown.out, HasSubstr("\\x1b[2Jx\\x0ay\\u009bz"));
}

TEST_F(Operator, ExitCodesTellWhatWentWrong) {
  EXPECT_EQ(picketctl("vic", {"status"}).exit_code, 0);
  EXPECT_EQ(picketctl("vic", {"alerts", "show", "none"}).exit_code, 1);
  EXPECT_EQ(picketctl("vic", {"alerts", "list", "--since", "soon"}).exit_code, 2);
  EXPECT_EQ(picketctl("vic", {"alarms"}).exit_code, 2);
  EXPECT_EQ(picketctl("ada", {"workspace", "kill", "w1"}).exit_code, 2);  // no reason
  for (const char* blank : {"", " ", " \t\n"}) {
    const ProgramResult result = picketctl("ada", {"workspace", "kill", "w1", "--reason", blank});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("a reason is required"));
  }
  EXPECT_EQ(picketctl("n1", {"alerts", "list"}).exit_code, 5);
  EXPECT_EQ(picketctl("n1", {"status"}).exit_code, 5);
  EXPECT_EQ(picketctl("vic", {"workspace", "kill", "w1", "--reason", "r"}).exit_code, 5);
  EXPECT_EQ(refused(*this, "not_an_operator"), 2);
  EXPECT_EQ(refused(*this, "role_denied"), 1);
  stop();
  EXPECT_EQ(picketctl("vic", {"status"}).exit_code, 4);
  EXPECT_EQ(picketctl("vic", {"alerts", "watch"}).exit_code, 4);
}

TEST_F(Operator, ExitCodesTellWhoseCertificateIsWrong) {
  const ProgramResult expired = picketctl("old", {"status"});
  EXPECT_EQ(expired.exit_code, 2);
  EXPECT_THAT(expired.err, AllOf(HasSubstr("old.crt expired on"), HasSubstr("issue a new one")));
  const ProgramResult missing = picketctl("nobody", {"status"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr("cannot read the certificate"));
  const DevPki foreign;
  foreign.issue("operator admin eve");
  const std::vector<std::string> command = picketctl_command("eve", {"status"});
  std::ofstream(folder_ / "eve.yaml") << fmt::format(
      "collector: 127.0.0.1:{}\nca: {}\ncert: {}\nkey: {}\n"
      "server_id: spiffe://picket/collector/collector\n",
      port(), certificate("vic").ca.string(), foreign.files("eve").cert.string(),
      foreign.files("eve").key.string());
  const auto untrusted = run_program({.argv = command});
  ASSERT_TRUE(untrusted.ok()) << untrusted.status();
  EXPECT_EQ(untrusted->exit_code, 4);
  EXPECT_THAT(untrusted->err, HasSubstr("do not trust each other's certificates"));
}

TEST_F(Operator, EveryAttemptToCommandIsOnRecord) {
  EXPECT_EQ(picketctl("n1", {"workspace", "kill", "w1", "--reason", "mine"}).exit_code, 5);
  EXPECT_EQ(picketctl("vic", {"workspace", "thaw", "w1", "--reason", "please"}).exit_code, 5);
  const auto audit = orders();
  ASSERT_EQ(audit.size(), 2U);
  EXPECT_EQ(audit[0]["actor"], kNode);
  EXPECT_EQ(audit[0]["action"], "workspace.kill");
  EXPECT_EQ(audit[0]["object"], "w1");
  EXPECT_EQ(audit[0]["reason"], "mine");
  EXPECT_EQ(audit[0]["outcome"], std::string("refused: ") + kNode + " is not an operator");
  EXPECT_EQ(audit[1]["actor"], "spiffe://picket/operator/viewer/vic");
  EXPECT_THAT(audit[1]["outcome"].get<std::string>(), HasSubstr("may not command"));
}

TEST_F(Operator, IsTheOnlyUriNameOfTheCertificate) {
  const auto node = node_with_workspaces();
  for (const char* who : {"dns-admin", "two-admin"}) {
    const ProgramResult refusal =
        picketctl(who, {"workspace", "thaw", "aa11", "--reason", "let me in"});
    EXPECT_EQ(refusal.exit_code, 5) << who;
    EXPECT_THAT(refusal.err, HasSubstr("not exactly one URI name")) << who;
  }
  EXPECT_EQ(refused(*this, "no_identity"), 2);
}

TEST_F(Operator, OrdersAndGetsTheNodesAnswer) {
  const auto node = node_with_workspaces();
  std::thread answer([&] {
    const auto command = node->wait_for_command();
    ASSERT_TRUE(command.has_value());
    EXPECT_EQ(command->action(), v1::ACTION_FREEZE);
    EXPECT_EQ(command->workspace_id(), "aa11");
    EXPECT_EQ(command->reason(), "looks odd");
    EXPECT_EQ(command->issued_by(), "spiffe://picket/operator/responder/rob");
    EXPECT_GT(wall_ns(command->not_after()), clock_.wall_ns());
    EXPECT_TRUE(node->send(batch(kNode, {envelope(4, done(*command, true, "froze 3 processes"))})));
  });
  const auto result = json("rob", {"workspace", "freeze", "alpha", "--reason", "looks odd"});
  answer.join();
  ASSERT_EQ(result.size(), 1U);
  EXPECT_EQ(result[0]["ok"], true);
  EXPECT_EQ(result[0]["action"], "freeze");
  EXPECT_EQ(result[0]["detail"], "froze 3 processes");
  EXPECT_EQ(result[0]["audit"], "1");
  const auto audit = orders();
  ASSERT_EQ(audit.size(), 2U);
  for (const nlohmann::json& entry : audit) {
    EXPECT_EQ(entry["actor"], "spiffe://picket/operator/responder/rob");
    EXPECT_EQ(entry["action"], "workspace.freeze");
    EXPECT_EQ(entry["object"], std::string(kNode) + " aa11");
    EXPECT_EQ(entry["reason"], "looks odd");
  }
  EXPECT_THAT(audit[0]["outcome"].get<std::string>(), HasSubstr("requested"));
  EXPECT_THAT(audit[1]["outcome"].get<std::string>(), HasSubstr("done: froze 3 processes"));
  EXPECT_EQ(audit_entries(), 3U);  // and who read it
}

TEST_F(Operator, HearsWhenTheNodeCouldNot) {
  const auto node = node_with_workspaces();
  std::thread answer([&] {
    const auto command = node->wait_for_command();
    ASSERT_TRUE(command.has_value());
    EXPECT_TRUE(node->send(batch(kNode, {envelope(4, done(*command, false, "guard: not now"))})));
  });
  const ProgramResult result = picketctl("ada", {"workspace", "kill", "aa22", "--reason", "r"});
  answer.join();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("guard: not now"));
  EXPECT_THAT(outcomes(), ElementsAre(HasSubstr("requested"), HasSubstr("failed: guard")));
}

TEST_F(Operator, AnotherNodesAnswerDoesNotCount) {
  const auto node = node_with_workspaces();
  const auto liar = agent("n2");
  ASSERT_EQ(liar->hello(), 0U);
  std::thread answer([&] {
    const auto command = node->wait_for_command();
    ASSERT_TRUE(command.has_value());
    EXPECT_TRUE(liar->send(batch(kOtherNode, {envelope(1, done(*command, true, "a lie"))})));
    EXPECT_TRUE(liar->wait_for_ack(1));
    EXPECT_TRUE(node->send(batch(kNode, {envelope(4, done(*command, true, "the truth"))})));
  });
  const auto result = json("ada", {"workspace", "thaw", "aa11", "--reason", "r"});
  answer.join();
  EXPECT_EQ(result.at(0)["detail"], "the truth");
}

TEST_F(Operator, LearnsWhyAnOrderIsNotSent) {
  {
    const auto node = node_with_workspaces();
    const auto refusal = [&](const char* workspace) {
      const ProgramResult result =
          picketctl("ada", {"workspace", "freeze", workspace, "--reason", "r"});
      EXPECT_EQ(result.exit_code, 1) << workspace;
      return result.err;
    };
    EXPECT_THAT(refusal("nowhere"), HasSubstr("no workspace \"nowhere\""));
    EXPECT_THAT(refusal("aa"), AllOf(HasSubstr("ambiguous"), HasSubstr("aa11"), HasSubstr("aa22")));
    EXPECT_THAT(refusal("bb33"), HasSubstr("it is gone"));
  }
  stop();  // the node is not connected to the next one
  start();
  const ProgramResult away = picketctl("ada", {"workspace", "freeze", "aa11", "--reason", "r"});
  EXPECT_EQ(away.exit_code, 1);
  EXPECT_THAT(away.err, HasSubstr("is not connected"));
  EXPECT_THAT(outcomes(),
              ElementsAre(HasSubstr("refused"), HasSubstr("refused"), HasSubstr("refused"),
                          HasSubstr("requested"), HasSubstr("not connected")));
}

TEST_F(Operator, WaitsOnlySoLongAndHearsOfALateAnswer) {
  const auto node = node_with_workspaces();
  const ProgramResult result =
      picketctl("ada", {"workspace", "kill", "aa11", "--reason", "r", "--timeout", "1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("did not answer in time"));
  const auto command = node->wait_for_command();
  ASSERT_TRUE(command.has_value());
  ASSERT_TRUE(node->send(batch(kNode, {envelope(4, done(*command, true, "killed"))})));
  ASSERT_TRUE(node->wait_for_ack(4));
  // The next order's entries come after the late answer's: the commands' thread works in order.
  picketctl("ada", {"workspace", "kill", "nowhere", "--reason", "r"});
  EXPECT_THAT(outcomes(), ElementsAre(HasSubstr("requested"), HasSubstr("no answer"),
                                      HasSubstr("late: done: killed"), HasSubstr("refused")));
}

TEST_F(Operator, AnOrderCutOffByARestartIsOnRecord) {
  const auto node = node_with_workspaces();
  std::thread order([&] {
    EXPECT_EQ(picketctl("ada", {"workspace", "kill", "aa11", "--reason", "r"}).exit_code, 4);
  });
  EXPECT_TRUE(node->wait_for_command().has_value());
  stop();
  order.join();
  start();
  EXPECT_THAT(outcomes(), ElementsAre(HasSubstr("requested"), HasSubstr("interrupted")));
}

TEST_F(Operator, SeesWorkspacesNodesAndCoverage) {
  const auto node = node_with_workspaces();
  ASSERT_TRUE(node->send(batch(kNode, {coverage_envelope(4)})));
  ASSERT_TRUE(node->wait_for_ack(4));
  EXPECT_EQ(json("vic", {"workspace", "list"}).size(), 2U);
  EXPECT_EQ(json("vic", {"workspace", "list", "--all"}).size(), 3U);
  EXPECT_EQ(json("vic", {"workspace", "show", "beta"}).at(0)["id"], "aa22");
  EXPECT_EQ(picketctl("vic", {"workspace", "show", "nowhere"}).exit_code, 1);
  const auto lines = json("vic", {"coverage", "--node", "n1"});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["state"], "refused");
  EXPECT_EQ(lines[0]["effect"], "opens are seen, not prevented");
  EXPECT_EQ(picketctl("vic", {"coverage", "--node", "n9"}).exit_code, 1);
  const auto status = json("vic", {"status"});
  EXPECT_EQ(status.at(0)["nodes_connected"], 1);
}

TEST_F(Operator, WatchesOnlyWhenTheCollectorSaysSo) {
  const ProgramResult refusal = picketctl("n1", {"alerts", "watch"});
  EXPECT_EQ(refusal.exit_code, 5);
  EXPECT_THAT(refusal.err, AllOf(HasSubstr("is not an operator"), Not(HasSubstr("watching"))));
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe.ok());
  const auto watch = Subprocess::start(
      {.argv = picketctl_command("vic", {"alerts", "watch"}), .err = pipe->write.get()});
  ASSERT_TRUE(watch.ok()) << watch.status();
  pipe->write.reset();
  LineReader words(std::move(pipe->read));
  EXPECT_THAT(words.next(std::chrono::steady_clock::now() + kDeadline).value_or("nothing"),
              HasSubstr("watching"));
}

TEST_F(Operator, PrintsItsVersion) {
  const auto version = json("vic", {"version"});
  ASSERT_EQ(version.size(), 1U);
  EXPECT_EQ(picketctl("vic", {"version"}).out, version[0]["version"].get<std::string>() + "\n");
}

// Watchers that begin while alerts stream in see each one once, from the store or live.
TEST_F(Operator, WatchLosesAndRepeatsNothingAtTheSeam) {
  constexpr uint64_t kAlerts = 600, kWatchers = 4;
  std::vector<std::unique_ptr<Subprocess>> programs;
  std::vector<LineReader> outputs;
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  uint64_t sent = 0;
  const auto send_to = [&](uint64_t end) {
    while (sent < end) {
      ASSERT_TRUE(node->send(alerts_batch(kNode, sent + 1, sent + 5)));
      sent += 5;
    }
    ASSERT_TRUE(node->wait_for_ack(end));
  };
  send_to(100);
  for (uint64_t i = 1; i <= kWatchers; ++i) {
    auto pipe = make_pipe();
    ASSERT_TRUE(pipe.ok());
    auto program = Subprocess::start(
        {.argv = picketctl_command("vic", {"alerts", "watch", "--since", "3650d", "-o", "json"}),
         .out = pipe->write.get(),
         .err = STDERR_FILENO});
    ASSERT_TRUE(program.ok()) << program.status();
    programs.push_back(*std::move(program));
    outputs.emplace_back(std::move(pipe->read));
    send_to(100 + i * 100);
  }
  send_to(kAlerts);
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  for (LineReader& output : outputs) {
    std::set<std::string> seen;
    for (uint64_t i = 0; i < kAlerts; ++i) {
      const auto line = output.next(deadline);
      ASSERT_TRUE(line.has_value()) << "after " << i;
      const auto id = nlohmann::json::parse(*line)["id"].get<std::string>();
      EXPECT_TRUE(seen.insert(id).second) << id << " came twice";
    }
    EXPECT_EQ(seen.size(), kAlerts);
  }
}

TEST_F(Operator, AWatcherThatDoesNotReadIsCutOff) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  const auto channel = grpc::CreateCustomChannel(
      fmt::format("127.0.0.1:{}", port()),
      channel_credentials(certificate("vic"), "spiffe://picket/collector/collector"), arguments);
  const auto stub = v1::OperatorService::NewStub(channel);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  const auto watch = stub->WatchAlerts(&context, {});
  watch->WaitForInitialMetadata();
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  uint64_t sent = 0;
  while (sent < 30'000) {  // far beyond what network and queue hold
    ASSERT_TRUE(node->send(alerts_batch(kNode, sent + 1, sent + 1000)));
    sent += 1000;
    ASSERT_TRUE(node->wait_for_ack(sent));
  }
  uint64_t received = 0;
  v1::WatchAlertsResponse response;
  while (watch->Read(&response)) ++received;
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_LT(received, sent);
}

TEST_F(Operator, ChecksTheConfigurationBeforeAStart) {
  std::ofstream(folder_ / "bad.yaml") << "listen: 127.0.0.1:0\nlistn: x\n";
  const auto bad = run_program({.argv = {PICKET_BINARY_DIR "/picket-collector", "--validate",
                                         "--config", (folder_ / "bad.yaml").string()}});
  ASSERT_TRUE(bad.ok()) << bad.status();
  EXPECT_EQ(bad->exit_code, 3);
  EXPECT_THAT(bad->err, HasSubstr("bad.yaml:2:1: unknown key \"listn\""));
  const TlsFiles tls = certificate("collector");
  std::ofstream(folder_ / "good.yaml")
      << fmt::format("database: x.db\ntls: {{ca: {}, cert: {}, key: {}}}\n", tls.ca.string(),
                     tls.cert.string(), tls.key.string());
  const auto good = run_program({.argv = {PICKET_BINARY_DIR "/picket-collector", "--validate",
                                          "--config", (folder_ / "good.yaml").string()}});
  EXPECT_EQ(good->exit_code, 0) << good->err;
  const auto version = run_program({.argv = {PICKET_BINARY_DIR "/picket-collector", "--version"}});
  EXPECT_EQ(version->exit_code, 0);
}

}  // namespace
}  // namespace picket::test
