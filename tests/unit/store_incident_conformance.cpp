// What incidents need of every Store: their alerts summed up, what was done about them, and what a
// commit does to them by itself.
#include <gmock/gmock.h>

#include "collector/store/incident.h"
#include "tests/unit/store_conformance.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kSecond = 1'000'000'000;
const IncidentKey kFirst{"a1", kNode};

v1::Alert alert_of(const std::string& id, const std::string& incident, uint64_t second = 0,
                   const std::string& workspace = "w1") {
  v1::Alert alert = make_alert(id, 1, workspace);
  alert.set_rule("rule." + id);
  set_wall_ns(*alert.mutable_time(), kTimeNs + second * kSecond);
  set_wall_ns(*alert.mutable_last(), kTimeNs + second * kSecond);
  alert.mutable_incident()->set_id(incident);
  return alert;
}

v1::IncidentChange change(v1::IncidentAction action, const std::string& reason = "") {
  v1::IncidentChange change;
  change.set_actor("ada");
  change.set_action(action);
  change.set_reason(reason);
  set_wall_ns(*change.mutable_time(), kTimeNs + 60 * kSecond);
  if (action == v1::INCIDENT_ACTION_RESOLVE) change.set_verdict(v1::INCIDENT_VERDICT_BENIGN);
  return change;
}

v1::CommandResult result(v1::Action action, uint64_t second, const std::string& workspace = "w1") {
  v1::CommandResult result;
  result.set_action(action);
  result.set_workspace_id(workspace);
  result.set_ok(true);
  set_wall_ns(*result.mutable_time(), kTimeNs + second * kSecond);
  return result;
}

std::vector<std::string> ids(const absl::StatusOr<IncidentPage>& page) {
  EXPECT_TRUE(page.ok()) << page.status();
  std::vector<std::string> ids;
  if (page.ok())
    for (const v1::IncidentSummary& incident : page->incidents) ids.push_back(incident.id());
  return ids;
}

}  // namespace

TEST_P(StoreConformance, SumsUpTheAlertsOfAnIncident) {
  v1::Alert escape = alert_of("a2", "a1", 9);
  escape.mutable_incident()->set_stage("privilege_escalation");
  escape.set_priority(v1::PRIORITY_EMERGENCY);
  escape.set_count(1000);
  v1::Alert begun = alert_of("a1", "a1", 3);
  begun.mutable_incident()->set_stage("execution");
  begun.mutable_workspace()->mutable_pod()->set_namespace_("team-a");
  commit(batch(kNode, {envelope(1, begun), envelope(2, escape), envelope(3, make_alert("none")),
                       envelope(4, alert_of("a3", "a1", 5))}));
  commit(batch(kOtherNode, {envelope(1, alert_of("b1", "b1"))}));
  reopen();
  const auto incident = reader()->incident(kFirst);
  ASSERT_TRUE(incident.ok()) << incident.status();
  EXPECT_EQ(incident->alerts(), 3U);
  EXPECT_EQ(incident->count(), 1002U);
  EXPECT_EQ(wall_ns(incident->first()), kTimeNs + 3 * kSecond);
  EXPECT_EQ(wall_ns(incident->last()), kTimeNs + 9 * kSecond);
  EXPECT_EQ(incident->priority(), v1::PRIORITY_EMERGENCY);
  EXPECT_THAT(incident->stages(), ElementsAre("execution", "privilege_escalation"));
  EXPECT_THAT(incident->rules(), ElementsAre("rule.a1", "rule.a3", "rule.a2"));
  EXPECT_EQ(incident->workspace_id(), "w1");
  EXPECT_EQ(incident->namespace_(), "team-a");
  EXPECT_EQ(incident->handling().state(), v1::INCIDENT_STATE_OPEN);
  EXPECT_EQ(incident->handling().revision(), 0U);
  EXPECT_FALSE(incident->has_contained());
  EXPECT_THAT(alert_ids({.incident = "a1", .incident_node = kOtherNode}), IsEmpty());
  EXPECT_THAT(alert_ids({.incident = "a1", .incident_node = kNode}), ElementsAre("a1", "a3", "a2"));
}

TEST_P(StoreConformance, FindsAnIncidentByTheBeginningOfItsIdAndByItsNode) {
  commit(batch(kNode, {envelope(1, alert_of("x1", "x1")), envelope(2, alert_of("x11", "x11")),
                       envelope(3, alert_of("y1", "y1"))}));
  commit(batch(kOtherNode, {envelope(1, alert_of("x1", "x1"))}));
  EXPECT_EQ(reader()->incident({"y", ""})->id(), "y1");
  EXPECT_EQ(reader()->incident({"x1", kNode})->id(), "x1") << "whole ids are meant as such";
  const auto two = reader()->incident({"x1", ""});
  EXPECT_TRUE(absl::IsInvalidArgument(two.status())) << "of two nodes";
  EXPECT_THAT(std::string(two.status().message()), HasSubstr(kOtherNode));
  EXPECT_TRUE(absl::IsInvalidArgument(reader()->incident({"x", kNode}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(reader()->incident({"", kNode}).status()));
  EXPECT_TRUE(absl::IsNotFound(reader()->incident({"z", ""}).status()));
}

TEST_P(StoreConformance, ListsIncidentsNewestFirstByWhatIsAsked) {
  std::vector<v1::Envelope> envelopes;
  for (uint64_t i = 1; i <= 5; ++i) {
    const std::string id = "i" + std::to_string(i);
    v1::Alert alert = alert_of(id, id, i, "w" + std::to_string(i));
    alert.mutable_workspace()->mutable_pod()->set_namespace_(i % 2 == 0 ? "even" : "odd");
    envelopes.push_back(envelope(i, alert));
  }
  commit(batch(kNode, envelopes));
  const auto ask = [this](const IncidentQuery& query) { return ids(reader()->incidents(query)); };
  const auto first = reader()->incidents({.limit = 2});
  EXPECT_THAT(ids(first), ElementsAre("i5", "i4"));
  const auto second = reader()->incidents({.before = first->next, .limit = 2});
  EXPECT_THAT(ids(second), ElementsAre("i3", "i2"));
  const auto third = reader()->incidents({.before = second->next, .limit = 2});
  EXPECT_THAT(ids(third), ElementsAre("i1"));
  EXPECT_EQ(third->next, 0U);
  EXPECT_THAT(ask({.namespaces = {"even"}}), ElementsAre("i4", "i2"));
  EXPECT_THAT(ask({.workspace = "w3"}), ElementsAre("i3"));
  EXPECT_THAT(ask({.workspace = "dev-w3"}), ElementsAre("i3"));
  EXPECT_THAT(ask({.since_ns = kTimeNs + 4 * kSecond}), ElementsAre("i5", "i4"));
  v1::IncidentChange assign = change(v1::INCIDENT_ACTION_ASSIGN);
  assign.set_assignee("bob");
  ASSERT_TRUE(store_->change_incident({"i2", kNode}, 0, assign).ok());
  ASSERT_TRUE(
      store_->change_incident({"i2", kNode}, 1, change(v1::INCIDENT_ACTION_ACKNOWLEDGE)).ok());
  EXPECT_THAT(ask({.assignee = "bob"}), ElementsAre("i2"));
  EXPECT_THAT(ask({.states = {v1::INCIDENT_STATE_ACKNOWLEDGED}}), ElementsAre("i2"));
  EXPECT_THAT(ask({.states = {v1::INCIDENT_STATE_ACKNOWLEDGED, v1::INCIDENT_STATE_OPEN},
                   .namespaces = {"even"}}),
              ElementsAre("i4", "i2"));
  EXPECT_THAT(*reader()->incident_counts(),
              ElementsAre(testing::Pair(v1::INCIDENT_STATE_OPEN, 4U),
                          testing::Pair(v1::INCIDENT_STATE_ACKNOWLEDGED, 1U)));
}

TEST_P(StoreConformance, KeepsWhatWasDoneAboutAnIncident) {
  commit(batch(kNode, {envelope(1, alert_of("a1", "a1"))}));
  const auto resolved =
      store_->change_incident(kFirst, 0, change(v1::INCIDENT_ACTION_RESOLVE, "a drill"));
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const auto late = store_->change_incident(kFirst, 0, change(v1::INCIDENT_ACTION_ACKNOWLEDGE));
  EXPECT_TRUE(absl::IsAborted(late.status())) << late.status();
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("ada has resolved the incident"));
  for (const auto action :
       {v1::INCIDENT_ACTION_ACKNOWLEDGE, v1::INCIDENT_ACTION_ASSIGN, v1::INCIDENT_ACTION_RESOLVE})
    EXPECT_TRUE(
        absl::IsFailedPrecondition(store_->change_incident(kFirst, 1, change(action)).status()));
  EXPECT_TRUE(absl::IsNotFound(
      store_->change_incident({"a", kNode}, 0, change(v1::INCIDENT_ACTION_REOPEN)).status()));
  reopen();
  const v1::IncidentHandling kept = reader()->incident(kFirst)->handling();
  EXPECT_EQ(kept.SerializeAsString(), resolved->SerializeAsString());
  EXPECT_EQ(kept.state(), v1::INCIDENT_STATE_RESOLVED);
  EXPECT_EQ(kept.verdict(), v1::INCIDENT_VERDICT_BENIGN);
  EXPECT_EQ(wall_ns(kept.acknowledged()), kTimeNs + 60 * kSecond) << "who resolves has looked";
  ASSERT_EQ(kept.history_size(), 1);
  EXPECT_EQ(kept.history(0).reason(), "a drill");
  const auto again = store_->change_incident(kFirst, 1, change(v1::INCIDENT_ACTION_REOPEN, "no"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->verdict(), v1::INCIDENT_VERDICT_UNSPECIFIED);
  EXPECT_EQ(again->revision(), 2U);
  EXPECT_THAT(reader()->incidents({})->incidents.at(0).handling().history(), IsEmpty());
}

TEST_P(StoreConformance, ALaterAlertOpensAResolvedIncidentAgain) {
  commit(batch(kNode, {envelope(1, alert_of("a1", "a1")), envelope(2, alert_of("b1", "b1"))}));
  ASSERT_TRUE(store_->change_incident(kFirst, 0, change(v1::INCIDENT_ACTION_RESOLVE)).ok());
  v1::Alert trial = alert_of("a2", "a1");
  trial.set_shadow(true);
  v1::Alert record = alert_of("a3", "a1");
  record.set_priority(v1::PRIORITY_INFORMATIONAL);
  EXPECT_THAT(
      commit(batch(kNode, {envelope(3, trial), envelope(4, record),
                           envelope(5, make_alert("a1", 9)), envelope(6, alert_of("b2", "b1"))}))
          .reopened,
      IsEmpty());
  commit(batch(kOtherNode, {envelope(1, alert_of("a9", "a1"))}));
  EXPECT_EQ(reader()->incident(kFirst)->handling().state(), v1::INCIDENT_STATE_RESOLVED);
  const CommitOutcome outcome =
      commit(batch(kNode, {envelope(7, alert_of("a4", "a1")), envelope(8, alert_of("a5", "a1"))}));
  ASSERT_EQ(outcome.reopened.size(), 1U);
  EXPECT_EQ(outcome.reopened[0].id, "a1");
  EXPECT_EQ(outcome.reopened[0].node, kNode);
  const v1::IncidentHandling handling = reader()->incident(kFirst)->handling();
  EXPECT_EQ(handling.state(), v1::INCIDENT_STATE_OPEN);
  EXPECT_EQ(handling.revision(), 2U);
  EXPECT_EQ(handling.history(1).actor(), kByItself);
  EXPECT_THAT(handling.history(1).reason(), HasSubstr("rule.a4: a4"));
  EXPECT_EQ(reader()->incident({"b1", kNode})->handling().revision(), 0U);
}

TEST_P(StoreConformance, AnActionContainsTheIncidentsOfItsWorkspaceOnce) {
  v1::CommandResult failed = result(v1::ACTION_KILL, 20), rehearsed = failed;
  failed.set_ok(false);
  rehearsed.set_dry_run(true);
  EXPECT_THAT(commit(batch(kNode, {envelope(1, alert_of("a1", "a1", 10)), envelope(2, failed),
                                   envelope(3, rehearsed), envelope(4, result(v1::ACTION_THAW, 20)),
                                   envelope(5, result(v1::ACTION_KILL, 20, "w2")),
                                   envelope(6, result(v1::ACTION_KILL, 9))}))
                  .contained_after_ns,
              IsEmpty());
  commit(batch(kOtherNode, {envelope(1, result(v1::ACTION_KILL, 20))}));
  EXPECT_FALSE(reader()->incident(kFirst)->has_contained()) << "of another node";
  EXPECT_THAT(commit(batch(kNode, {envelope(7, alert_of("b1", "b1", 12)),
                                   envelope(8, result(v1::ACTION_FREEZE, 15)),
                                   envelope(9, result(v1::ACTION_KILL, 30))}))
                  .contained_after_ns,
              testing::UnorderedElementsAre(5 * kSecond, 3 * kSecond));
  reopen();
  EXPECT_EQ(wall_ns(reader()->incident(kFirst)->contained()), kTimeNs + 15 * kSecond);
}

}  // namespace picket::test
