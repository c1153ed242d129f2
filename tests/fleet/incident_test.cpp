// Incidents at the collector: alerts of one story are found together, shown together and counted as
// one; analysts acknowledge, assign, resolve and reopen them, each where he may.
#include <gmock/gmock.h>

#include "common/signed_waiver.h"
#include "tests/fleet/policy_fixture.h"
#include "tests/support/json_schema.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kAmy[] = "spiffe://picket/operator/analyst/amy";

class Incident : public PolicyTest {
 protected:
  static v1::Alert alert_of(const std::string& id, const std::string& incident, uint32_t position,
                            const std::string& stage, const std::string& name_space = "") {
    v1::Alert alert = make_alert(id);
    alert.set_rule("rule." + id);
    for (auto* time : {alert.mutable_time(), alert.mutable_first(), alert.mutable_last()})
      set_wall_ns(*time, kTimeNs + position * 1'000'000'000ULL);
    alert.mutable_workspace()->mutable_pod()->set_namespace_(name_space);
    alert.mutable_incident()->set_id(incident);
    alert.mutable_incident()->set_position(position);
    alert.mutable_incident()->set_stage(stage);
    return alert;
  }
  // Two alerts of one story, one of another, one of none.
  std::unique_ptr<SimulatedAgent> node_with_incidents() {
    auto node = agent();
    EXPECT_EQ(node->hello(), 0U);
    v1::Alert escape = alert_of("a2", "a1", 2, "privilege_escalation");
    escape.mutable_incident()->set_parent("a1");
    escape.set_count(1000);
    escape.set_priority(v1::PRIORITY_EMERGENCY);
    EXPECT_TRUE(node->send(batch(
        kNode, {envelope(1, alert_of("a1", "a1", 1, "execution")), envelope(2, std::move(escape)),
                envelope(3, alert_of("b1", "b1", 1, "impact", "blue-ns")),
                envelope(4, make_alert("c1"))})));
    EXPECT_TRUE(node->wait_for_ack(4));
    return node;
  }
  ProgramResult incidents(const std::string& who, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "incidents");
    return picketctl(who, std::move(arguments));
  }
  nlohmann::json get(const std::string& id) const {
    return json("vic", {"incidents", "get", id}).at(0);
  }
  std::vector<std::string> listed(const std::string& who,
                                  std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.begin(), {"incidents", "list"});
    std::vector<std::string> ids;
    for (const nlohmann::json& incident : json(who, arguments)) ids.push_back(incident["incident"]);
    return ids;
  }
  std::vector<std::string> trail() const {
    std::vector<std::string> lines;
    for (const nlohmann::json& entry : orders())
      lines.push_back(fmt::format(
          "{} {} {}: {}", entry["actor"].get<std::string>(), entry["action"].get<std::string>(),
          entry["object"].get<std::string>(), entry["outcome"].get<std::string>()));
    return lines;
  }
};

TEST_F(Incident, IsOneLineWithItsStages) {
  const auto node = node_with_incidents();
  const auto all = json("vic", {"incidents", "list"});
  ASSERT_EQ(all.size(), 2U);
  const nlohmann::json& first = all[1];  // the newest first
  EXPECT_EQ(first["incident"], "a1");
  EXPECT_EQ(first["alerts"], 2);
  EXPECT_EQ(first["count"], 1001);
  EXPECT_EQ(first["priority"], "EMERGENCY");
  EXPECT_THAT(first["stages"], ElementsAre("execution", "privilege_escalation"));
  EXPECT_THAT(first["rules"], ElementsAre("rule.a1", "rule.a2"));
  EXPECT_EQ(first["state"], "open");
  EXPECT_THAT(incidents("vic", {"get", "a1"}).out,
              AllOf(HasSubstr("2 alerts, 1001 findings"),
                    HasSubstr("execution ▸ privilege_escalation"), HasSubstr("rule.a2  (")));
  EXPECT_THAT(incidents("vic", {"list"}).out,
              AllOf(HasSubstr("INCIDENT  LAST"), HasSubstr("b1        2025-11-25T20:29:13Z")));
  EXPECT_THAT(listed("vic", {"--limit", "1"}), ElementsAre("b1"));
  EXPECT_THAT(incidents("vic", {"list", "--limit", "1"}).err, HasSubstr("there are older ones"));
  EXPECT_THAT(listed("vic", {"--namespace", "blue-ns"}), ElementsAre("b1"));
  EXPECT_THAT(listed("vic", {"--since", "1h"}), testing::IsEmpty()) << "they are from 2025";
  EXPECT_EQ(get("a")["story"].size(), 2U);
}

TEST_F(Incident, ListsAndShowsWhatCameBeforeAndAfter) {
  const auto node = node_with_incidents();
  auto schema = JsonSchema::read(PICKET_SOURCE_DIR "/docs/alert.schema.json");
  ASSERT_TRUE(schema.ok()) << schema.status();
  const auto story = json("vic", {"alerts", "list", "--incident", "a1"});
  ASSERT_EQ(story.size(), 2U);
  for (const nlohmann::json& alert : story) EXPECT_TRUE((*schema)->check(alert).ok()) << alert;
  EXPECT_EQ(story[1]["incident"]["parent"], "a1");
  EXPECT_EQ(story[1]["incident"]["stage"], "privilege_escalation");
  EXPECT_FALSE(json("vic", {"alerts", "show", "c1"})[0].contains("incident"));
  const std::string shown = picketctl("vic", {"alerts", "show", "a1"}).out;
  EXPECT_THAT(shown, AllOf(HasSubstr("2 alerts"), HasSubstr(">   1  "),
                           HasSubstr("rule.a2  (privilege_escalation)  1000 times"),
                           Not(HasSubstr("rule.b1"))));
  EXPECT_THAT(picketctl("vic", {"alerts", "show", "b1"}).out, Not(HasSubstr("  incident  ")))
      << "alone";
  stop();
  start();
  EXPECT_EQ(json("vic", {"alerts", "list", "--incident", "a1"}).size(), 2U);
}

TEST_F(Incident, IsHandledFromItsFirstLookToItsEndAndOnRecord) {
  const auto node = node_with_incidents();
  EXPECT_EQ(incidents("amy", {"ack", "a1"}).exit_code, 0);
  EXPECT_EQ(incidents("amy", {"assign", "a1", "bob"}).exit_code, 0);
  EXPECT_THAT(listed("vic", {"--assignee", "bob", "--state", "acknowledged"}), ElementsAre("a1"));
  EXPECT_EQ(incidents("amy", {"resolve", "a1", "--benign"}).exit_code, 2) << "why?";
  EXPECT_EQ(incidents("amy", {"resolve", "a1", "--reason", "r"}).exit_code, 2) << "as what?";
  const ProgramResult resolved =
      incidents("amy", {"resolve", "a1", "--benign", "--reason", "a drill"});
  EXPECT_EQ(resolved.exit_code, 0) << resolved.err;
  EXPECT_THAT(resolved.out, HasSubstr("incident a1 is resolved, assigned to bob (revision 3"));
  EXPECT_THAT(listed("vic"), ElementsAre("b1"));
  EXPECT_THAT(listed("vic", {"--all"}), ElementsAre("b1", "a1"));
  stop();
  start();
  const nlohmann::json kept = get("a1");
  EXPECT_EQ(kept["verdict"], "benign");
  ASSERT_EQ(kept["history"].size(), 3U);
  EXPECT_EQ(kept["history"][0]["actor"], kAmy);
  EXPECT_EQ(kept["history"][2]["reason"], "a drill");
  const ProgramResult again = incidents("amy", {"ack", "a1"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("the incident is resolved already"));
  EXPECT_EQ(incidents("amy", {"reopen", "a1", "--reason", "no drill"}).exit_code, 0);
  EXPECT_EQ(get("a1")["state"], "open");
  const std::string amy = kAmy, a1 = std::string(kNode) + " a1";
  EXPECT_THAT(trail(), ElementsAre(amy + " incident.acknowledge " + a1 + ": accepted",
                                   amy + " incident.assign " + a1 + " to bob: accepted",
                                   amy + " incident.resolve " + a1 + " as benign: accepted",
                                   amy + " incident.acknowledge " + a1 +
                                       ": refused: the incident is resolved already",
                                   amy + " incident.reopen " + a1 + ": accepted"));
}

TEST_F(Incident, OpensAgainWhenAnotherAlertComes) {
  const auto node = node_with_incidents();
  ASSERT_EQ(incidents("amy", {"resolve", "a1", "--true-positive", "--reason", "over"}).exit_code,
            0);
  ASSERT_TRUE(node->send(batch(kNode, {envelope(5, alert_of("a3", "a1", 3, "impact"))})));
  ASSERT_TRUE(node->wait_for_ack(5));
  const nlohmann::json incident = get("a1");
  EXPECT_EQ(incident["state"], "open");
  EXPECT_EQ(incident["history"][1]["actor"], "collector");
  EXPECT_EQ(incident["history"][1]["reason"], "a new alert of rule.a3: a3");
  EXPECT_EQ(trail().back(), "collector incident.reopen " + std::string(kNode) +
                                " a1: accepted: a new alert of it came");
}

TEST_F(Incident, IsNotChangedOnAStateThatHasPassed) {
  const auto node = node_with_incidents();
  ASSERT_EQ(incidents("amy", {"ack", "a1", "--revision", "0"}).exit_code, 0);
  const ProgramResult late =
      incidents("rob", {"resolve", "a1", "--benign", "--reason", "nothing", "--revision", "0"});
  EXPECT_EQ(late.exit_code, 1);
  EXPECT_THAT(late.err, AllOf(HasSubstr(std::string(kAmy) + " has acknowledged the incident"),
                              HasSubstr("with revision 1: look at it again")));
  EXPECT_EQ(get("a1")["state"], "acknowledged");
}

TEST_F(Incident, IsForRolesAndNamespaces) {
  const auto node = node_with_incidents();
  using Calls = std::vector<std::vector<std::string>>;
  const Calls changes{{"ack", "a1"},
                      {"assign", "a1", "bob"},
                      {"resolve", "a1", "--benign", "--reason", "r"},
                      {"reopen", "a1", "--reason", "r"}};
  for (const char* who : {"vic", "ann"}) {
    EXPECT_EQ(incidents(who, {"get", "a1"}).exit_code, 0) << who;
    for (const auto& change : changes) {
      const ProgramResult refused = incidents(who, change);
      EXPECT_EQ(refused.exit_code, 5) << who << " " << change[0];
      EXPECT_THAT(refused.err, HasSubstr("may not change incidents"));
    }
  }
  EXPECT_THAT(listed("blue"), ElementsAre("b1"));
  EXPECT_EQ(incidents("blue", {"list", "--namespace", "red-ns"}).exit_code, 5);
  for (const auto& call : Calls{{"get", "a1"}, {"ack", "a1"}, {"ack", "a1", "--revision", "0"}})
    EXPECT_EQ(incidents("blue", call).exit_code, 5) << call[0];
  EXPECT_EQ(incidents("blue", {"ack", "b1"}).exit_code, 0);
  EXPECT_EQ(refused(*this, "role_denied"), 8);
  EXPECT_EQ(refused(*this, "scope_denied"), 4);
  EXPECT_EQ(trail().size(), 10U) << "each attempt to change one is on record";
}

TEST_F(Incident, AFalseAlarmBecomesAWaiver) {
  const auto node = node_with_incidents();
  ProgramResult resolved =
      incidents("amy", {"resolve", "b1", "--false-alarm", "--reason", "ann's builds"});
  EXPECT_EQ(resolved.exit_code, 0) << resolved.err;
  EXPECT_THAT(resolved.out,
              HasSubstr("picketctl waivers add 'incident-b1' --rule 'rule.b1' --scope "
                        "'workspace=dev-aabbccddeeff0011' --scope 'namespace=blue-ns' --owner "
                        "OWNER --reason 'ann'\\''s builds' --expires DAY --key KEY"));
  const std::vector<std::string> with_waiver{
      "resolve", "a1",    "--false-alarm",       "--reason",  "the build does that", "--owner",
      "ann",     "--key", folder_ / "rules.key", "--expires", "2099-12-31"};
  EXPECT_EQ(incidents("amy", with_waiver).exit_code, 5) << "an analyst waives nothing";
  EXPECT_EQ(get("a1")["state"], "open") << "and nothing was closed";
  resolved = incidents("ada", with_waiver);
  EXPECT_EQ(resolved.exit_code, 0) << resolved.err;
  EXPECT_EQ(get("a1")["verdict"], "false alarm");
  // The node has it.
  std::optional<v1::ConnectResponse> message;
  do message = node->receive();
  while (message && !(message->has_waivers() && message->waivers().waivers_size() > 0));
  ASSERT_TRUE(message);
  v1::Waiver waiver;
  ASSERT_TRUE(waiver.ParseFromString(message->waivers().waivers(0).waiver()));
  EXPECT_EQ(waiver.name(), "incident-a1");
  EXPECT_EQ(waiver.owner(), "ann");
  EXPECT_EQ(waiver.reason(), "the build does that");
  EXPECT_THAT(waiver.rules(), ElementsAre("rule.a1", "rule.a2"));
  ASSERT_EQ(waiver.scope_size(), 1);
  EXPECT_EQ(waiver.scope(0).key(), "workspace");
  EXPECT_THAT(waiver.scope(0).values(), ElementsAre("dev-aabbccddeeff0011"));
}

TEST_F(Incident, APatternForANameIsWaivedByHandOnly) {
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  v1::Alert wide = alert_of("w1", "w1", 1, "");
  wide.mutable_workspace()->set_name("*");
  ASSERT_TRUE(node->send(batch(kNode, {envelope(1, wide)})));
  ASSERT_TRUE(node->wait_for_ack(1));
  const ProgramResult made =
      incidents("ada", {"resolve", "w1", "--false-alarm", "--reason", "r", "--owner", "ann",
                        "--key", folder_ / "rules.key", "--expires", "2099-12-31"});
  EXPECT_EQ(made.exit_code, 1);
  EXPECT_THAT(made.err, HasSubstr("workspace \"*\" would read as a pattern"));
  EXPECT_EQ(get("w1")["state"], "open");
}

}  // namespace
}  // namespace picket::test
