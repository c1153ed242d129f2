// The form of an alert that the outside world relies on.
#include "common/alert_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/json_schema.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

class AlertJson : public testing::Test {
 protected:
  void SetUp() override {
    auto schema = JsonSchema::read(PICKET_SOURCE_DIR "/docs/alert.schema.json");
    ASSERT_TRUE(schema.ok()) << schema.status();
    schema_ = *std::move(schema);
  }
  nlohmann::json checked(const v1::Alert& alert) {
    const auto object = nlohmann::json::parse(alert_json(alert));
    const absl::Status status = schema_->check(object);
    EXPECT_TRUE(status.ok()) << status;
    return object;
  }
  std::unique_ptr<JsonSchema> schema_;
};

TEST_F(AlertJson, HasWhatTheInterfacePromises) {
  v1::Alert alert = make_alert("a1", 3);
  alert.set_node(kNode);
  const nlohmann::json object = checked(alert);
  EXPECT_EQ(object["id"], "a1");
  EXPECT_EQ(object["time"], "2025-11-25T20:29:12.123456789Z");
  EXPECT_EQ(object["rule"], "shell.reverse");
  EXPECT_EQ(object["priority"], "CRITICAL");
  EXPECT_EQ(object["tags"], nlohmann::json::array({"T1059.004"}));
  EXPECT_EQ(object["node"], kNode);
  EXPECT_EQ(object["workspace"]["labels"]["owner"], "ada");
  EXPECT_EQ(object["process"]["pid"], 42);
  EXPECT_EQ(object["process"]["start_ns"], 99);
  EXPECT_EQ(object["process"]["cwd"], "/work");
  EXPECT_FALSE(object["process"].contains("agent"));
  EXPECT_EQ(object["lineage"][0]["cmdline"], "init");
  EXPECT_EQ(object["count"], 3);
  EXPECT_EQ(object["last"], "2025-11-25T20:29:12.123456792Z");
}

TEST_F(AlertJson, TellsWhoDrivesTheProcess) {
  v1::Alert alert = make_alert("a1");
  alert.mutable_process()->set_origin("build");
  alert.mutable_process()->set_agent("claude-code");
  alert.mutable_lineage(0)->set_origin("ai_agent");
  const nlohmann::json object = checked(alert);
  EXPECT_EQ(object["process"]["origin"], "build");
  EXPECT_EQ(object["process"]["agent"], "claude-code");
  EXPECT_EQ(object["lineage"][0]["origin"], "ai_agent");
}

TEST_F(AlertJson, TellsThePodAndWhoseItIs) {
  v1::Alert alert = make_alert("a1");
  v1::Workspace& workspace = *alert.mutable_workspace();
  EXPECT_FALSE(checked(alert)["workspace"].contains("pod"));
  EXPECT_FALSE(checked(alert)["workspace"].contains("incomplete"));
  workspace.mutable_pod()->set_name("ws-1");
  workspace.mutable_pod()->set_namespace_("team");
  (*workspace.mutable_pod()->mutable_labels())["tier"] = "dev";
  workspace.set_image_digest("sha256:12");
  workspace.set_image_source("runtime");
  workspace.set_owner("ann");
  workspace.set_template_("cpp");
  workspace.set_repository("git.example/front");
  workspace.set_pull_request("7");
  workspace.set_incomplete("nobody answers");
  const nlohmann::json object = checked(alert)["workspace"];
  EXPECT_EQ(object["pod"]["name"], "ws-1");
  EXPECT_EQ(object["pod"]["namespace"], "team");
  EXPECT_EQ(object["pod"]["labels"]["tier"], "dev");
  EXPECT_EQ(object["image_digest"], "sha256:12");
  EXPECT_EQ(object["owner"], "ann");
  EXPECT_EQ(object["template"], "cpp");
  EXPECT_EQ(object["repository"], "git.example/front");
  EXPECT_EQ(object["pull_request"], "7");
  EXPECT_EQ(object["incomplete"], "nobody answers");
}

TEST_F(AlertJson, SparseAlertsKeepTheForm) {
  v1::Alert alert;
  alert.set_id("a1");
  alert.set_rule("agent.blind_spot");
  const nlohmann::json object = checked(alert);
  EXPECT_EQ(object["count"], 1);
  EXPECT_EQ(object["lineage"], nlohmann::json::array());
  EXPECT_EQ(object["workspace"]["labels"], nlohmann::json::object());
}

TEST_F(AlertJson, EveryPriorityHasFalcosName) {
  for (int priority = v1::PRIORITY_EMERGENCY; priority <= v1::PRIORITY_DEBUG; ++priority) {
    v1::Alert alert = make_alert("a1");
    alert.set_priority(static_cast<v1::Priority>(priority));
    EXPECT_EQ("PRIORITY_" + checked(alert)["priority"].get<std::string>(),
              v1::Priority_Name(alert.priority()));
  }
}

TEST_F(AlertJson, IsOneLineWhateverTheCommandLineHolds) {
  v1::Alert alert = make_alert("a1");
  alert.mutable_process()->set_cmdline("printf '\n\x1b[2J\"\\\xff\xfe'");
  EXPECT_EQ(alert_json(alert).find('\n'), std::string::npos);
  const auto cmdline = checked(alert)["process"]["cmdline"].get<std::string>();
  EXPECT_EQ(cmdline, "printf '\n\x1b[2J\"\\\xef\xbf\xbd\xef\xbf\xbd'");
}

TEST_F(AlertJson, TheSchemaRefusesWhatIsNoAlert) {
  const auto broken = [&](const char* member, nlohmann::json value) {
    auto object = nlohmann::json::parse(alert_json(make_alert("a1")));
    object[member] = std::move(value);
    return !schema_->check(object).ok();
  };
  EXPECT_TRUE(broken("time", "2026-11-25 20:29:12"));
  EXPECT_TRUE(broken("priority", "critical"));
  EXPECT_TRUE(broken("count", 0));
  EXPECT_TRUE(broken("lineage", nlohmann::json::array({nlohmann::json::object()})));
  EXPECT_TRUE(broken("process", nlohmann::json::object()));
  const auto known = nlohmann::json::parse(alert_json(make_alert("a1")));
  for (const char* member : {"id", "node", "workspace", "count", "last"}) {
    auto object = known;
    object.erase(member);
    EXPECT_FALSE(schema_->check(object).ok()) << member;
  }
  nlohmann::json guessed = known["workspace"];
  guessed["image_source"] = "guess";
  EXPECT_TRUE(broken("workspace", guessed));
  nlohmann::json homeless = known["process"];
  homeless.erase("cwd");
  EXPECT_TRUE(broken("process", homeless));
}

}  // namespace
}  // namespace picket::test
