// Incidents at the collector: alerts of one story are found together, shown together and counted as
// one.
#include <gmock/gmock.h>

#include "tests/fleet/collector_fixture.h"
#include "tests/support/json_schema.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Incident : public CollectorTest {
 protected:
  static v1::Alert alert_of(const std::string& id, const std::string& incident, uint32_t position,
                            const std::string& stage) {
    v1::Alert alert = make_alert(id);
    alert.set_rule("rule." + id);
    set_wall_ns(*alert.mutable_time(), kTimeNs + position * 1'000'000'000ULL);
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
                envelope(3, alert_of("b1", "b1", 1, "impact")), envelope(4, make_alert("c1"))})));
    EXPECT_TRUE(node->wait_for_ack(4));
    return node;
  }
};

TEST_F(Incident, IsOneLineWithItsStages) {
  const auto node = node_with_incidents();
  const auto incidents = json("vic", {"alerts", "incidents"});
  ASSERT_EQ(incidents.size(), 2U);
  EXPECT_EQ(incidents[0]["incident"], "a1");
  EXPECT_EQ(incidents[0]["alerts"], 2);
  EXPECT_EQ(incidents[0]["count"], 1001);
  EXPECT_EQ(incidents[0]["priority"], "EMERGENCY");
  EXPECT_THAT(incidents[0]["stages"], ElementsAre("execution", "privilege_escalation"));
  EXPECT_THAT(incidents[0]["rules"], ElementsAre("rule.a1", "rule.a2"));
  EXPECT_THAT(
      picketctl("vic", {"alerts", "incidents"}).out,
      AllOf(HasSubstr("2 alerts, 1001 findings"), HasSubstr("execution ▸ privilege_escalation")));
  EXPECT_EQ(json("vic", {"alerts", "incidents", "--rule", "rule.b1"}).size(), 1U);
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

}  // namespace
}  // namespace picket::test
