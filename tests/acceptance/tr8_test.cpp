// TR8: each role may make its own calls and no other; who is limited to namespaces or clusters sees
// and commands nothing else. Every call outside is refused and in the audit log, with who and why.
// Killing, freezing and thawing need a reason.
#include <filesystem>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/stored.h"

namespace picket::test {
namespace {

using ::testing::HasSubstr;

constexpr int kDenied = 5;

class TR8 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.shipped_rules = false,
            .collector_settings =
                "cluster: here\nscopes:\n"
                "  - {operator: spiffe://picket/operator/responder/blue, namespaces: [blue-ns]}\n"
                "  - {operator: spiffe://picket/operator/admin/near, clusters: [here, other]}\n"
                "  - {operator: spiffe://picket/operator/admin/far, clusters: [elsewhere]}\n"});
    if (HasFatalFailure()) return;
    for (const char* role : {"viewer", "analyst", "responder", "author", "admin"})
      issue(role, role);
    issue("responder", "blue");
    issue("admin", "near");
    issue("admin", "far");
    for (const std::string color : {"blue", "red"}) {
      containers_[color] =
          make_container({.id = "tr8-" + color,
                          .annotations = {{"io.kubernetes.cri.container-name", color},
                                          {"io.kubernetes.cri.sandbox-name", color + "-pod"},
                                          {"io.kubernetes.cri.sandbox-namespace", color + "-ns"},
                                          {"io.kubernetes.cri.sandbox-uid", color + "-uid"}}});
      ASSERT_TRUE(containers_[color]);
      alerts_so_far(*containers_[color]);
    }
  }
  void issue(const std::string& role, const std::string& name) {
    ASSERT_TRUE(deployment().pki({"issue", "operator", role, name}).ok());
  }
  ProgramResult run(const std::string& who, std::vector<std::string> arguments) {
    const std::string context = sandbox().path(who + ".yaml");
    EXPECT_TRUE(write_file(context, fmt::format("collector: 127.0.0.1:{}\nca: pki/ca.crt\n"
                                                "cert: pki/{}.crt\nkey: pki/{}.key\n"
                                                "server_id: spiffe://picket/collector/collector\n",
                                                deployment().collector_port(), who, who))
                    .ok());
    arguments.insert(arguments.begin(), {PICKET_BINARY_DIR "/picketctl", "--context", context});
    auto result = run_program({.argv = std::move(arguments)});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : ProgramResult{-1, {}, {}};
  }
  std::vector<Alert> seen_by(const std::string& who) {
    std::vector<Alert> alerts;
    std::istringstream lines(run(who, {"alerts", "list", "-o", "json"}).out);
    for (std::string line; std::getline(lines, line);) alerts.push_back(Alert::parse(line));
    return alerts;
  }
  bool is_on_record(const std::string& who, const std::string& action) {
    const auto rows = stored_audit(deployment().database());
    return rows.ok() && std::ranges::any_of(*rows, [&](const AuditRow& row) {
             return row.actor.ends_with("/" + who) && row.action == action &&
                    row.outcome.starts_with("refused: ");
           });
  }

  std::map<std::string, std::unique_ptr<Container>> containers_;
};

struct Call {
  std::vector<std::string> arguments;
  std::string action;
  std::vector<std::string> roles;  // that may
};

TEST_F(TR8, EachRoleMakesItsOwnCallsAndNoOther) {
  const std::vector<std::string> all = {"viewer", "analyst", "responder", "author", "admin"};
  const std::vector<Call> calls = {
      {{"alerts", "list"}, "alerts.list", all},
      {{"workspace", "list"}, "workspace.list", all},
      {{"nodes"}, "nodes.list", all},
      {{"status"}, "status.show", all},
      {{"policy", "status"}, "policy.status", all},
      {{"agent", "list"}, "agent.sessions", {"analyst", "responder", "admin"}},
      {{"audit", "list"}, "audit.list", {"analyst", "responder", "admin"}},
      {{"audit", "verify"}, "audit.list", {"analyst", "responder", "admin"}},
      {{"workspace", "freeze", "tr8-blue", "--reason", "a test"},
       "workspace.freeze",
       {"responder", "admin"}},
      {{"workspace", "thaw", "tr8-blue", "--reason", "a test"},
       "workspace.thaw",
       {"responder", "admin"}}};
  size_t refused = 0;
  for (const Call& call : calls)
    for (const std::string& role : all) {
      const bool may = std::ranges::find(call.roles, role) != call.roles.end();
      const ProgramResult done = run(role, call.arguments);
      EXPECT_EQ(done.exit_code, may ? 0 : kDenied)
          << role << " " << fmt::format("{}", fmt::join(call.arguments, " ")) << ": " << done.err;
      if (may) continue;
      ++refused;
      EXPECT_TRUE(is_on_record(role, call.action)) << role << " " << call.action;
    }
  EXPECT_EQ(refused, 12U);
  // Not even with a reason; and nobody without.
  EXPECT_EQ(run("admin", {"workspace", "kill", "tr8-blue", "--reason", " "}).exit_code, 2);
}

TEST_F(TR8, ANamespaceIsAllThatItsOperatorSees) {
  const auto alerts = seen_by("blue");
  ASSERT_FALSE(alerts.empty());
  for (const Alert& alert : alerts) EXPECT_EQ(alert["workspace"]["pod"]["namespace"], "blue-ns");
  std::string red;
  for (const Alert& alert : seen_by("viewer"))
    if (alert["workspace"]["id"] == "tr8-red") red = alert["id"];
  ASSERT_NE(red, "");
  EXPECT_EQ(run("blue", {"alerts", "show", red}).exit_code, kDenied);
  EXPECT_TRUE(is_on_record("blue", "alerts.show"));
  EXPECT_EQ(run("blue", {"alerts", "show", alerts.front()["id"]}).exit_code, 0);

  EXPECT_EQ(run("blue", {"workspace", "list"}).out.find("tr8-red"), std::string::npos);
  EXPECT_THAT(run("blue", {"workspace", "list"}).out, HasSubstr("tr8-blue"));
  EXPECT_EQ(run("blue", {"workspace", "show", "tr8-red"}).exit_code, kDenied);
  EXPECT_TRUE(is_on_record("blue", "workspace.list"));

  EXPECT_EQ(run("blue", {"workspace", "freeze", "tr8-red", "--reason", "mine"}).exit_code, kDenied);
  EXPECT_TRUE(is_on_record("blue", "workspace.freeze"));
  EXPECT_EQ(run("blue", {"workspace", "freeze", "tr8-blue", "--reason", "mine"}).exit_code, 0);
  EXPECT_EQ(run("blue", {"workspace", "thaw", "tr8-blue", "--reason", "mine"}).exit_code, 0);

  // What is of all namespaces.
  EXPECT_EQ(run("blue", {"audit", "list"}).exit_code, kDenied);
  EXPECT_TRUE(is_on_record("blue", "audit.list"));

  // What comes while somebody watches.
  auto watch =
      AlertStream::start({PICKET_BINARY_DIR "/picketctl", "--context", sandbox().path("blue.yaml"),
                          "alerts", "watch", "--since", "1h", "-o", "json"});
  ASSERT_TRUE(watch.ok()) << watch.status();
  ASSERT_TRUE((*watch)->wait_for("what was", [](const Alert&) { return true; }).ok());
  alerts_so_far(*containers_["red"]);
  alerts_so_far(*containers_["blue"]);
  const std::string last = deployment().alerts().seen().back()["id"];
  const auto came =
      (*watch)->all_until("the last", [&](const Alert& alert) { return alert["id"] == last; });
  ASSERT_TRUE(came.ok()) << came.status();
  for (const Alert& alert : *came) EXPECT_EQ(alert["workspace"]["pod"]["namespace"], "blue-ns");
}

TEST_F(TR8, AClusterIsAllThatItsOperatorSees) {
  EXPECT_EQ(run("near", {"alerts", "list"}).exit_code, 0);
  for (const auto& [arguments, action] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"alerts", "list"}, "alerts.list"},
           {{"status"}, "status.show"},
           {{"workspace", "thaw", "tr8-blue", "--reason", "r"}, "workspace.thaw"}}) {
    EXPECT_EQ(run("far", arguments).exit_code, kDenied) << action;
    EXPECT_TRUE(is_on_record("far", action)) << action;
  }
}

}  // namespace
}  // namespace picket::test
