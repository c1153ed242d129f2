#include "tests/unit/store_conformance.h"

#include <gmock/gmock.h>

#include "collector/audit/chain.h"
#include "tests/unit/wire.h"

namespace picket::test {

using testing::ElementsAre;
using testing::HasSubstr;

void StoreConformance::SetUp() {
  under_test_ = GetParam().make();
  reopen();
}

void StoreConformance::reopen() {
  store_.reset();
  auto opened = under_test_->open(clock_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  store_ = *std::move(opened);
}

CommitOutcome StoreConformance::commit(const NodeBatch& batch) {
  auto outcome = store_->commit({&batch, 1});
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  return outcome.ok() ? *std::move(outcome) : CommitOutcome{};
}

std::unique_ptr<StoreReader> StoreConformance::reader() {
  auto reader = store_->reader();
  EXPECT_TRUE(reader.ok()) << reader.status();
  return *std::move(reader);
}

std::vector<std::string> StoreConformance::alert_ids(AlertQuery query) {
  const auto reader = this->reader();
  EXPECT_TRUE(reader->resolve(query).ok());
  auto cursor = reader->first_page(query);
  EXPECT_TRUE(cursor.ok()) << cursor.status();
  std::vector<std::string> ids;
  while (cursor.ok()) {
    const auto page = reader->page(query, *cursor, 2);  // small, so that every test turns pages
    EXPECT_TRUE(page.ok()) << page.status();
    for (const StoredAlert& stored : *page) ids.push_back(stored.alert.id());
    if (page->size() < 2) break;
  }
  return ids;
}

TEST_P(StoreConformance, KeepsAWholeAlertAndAddsWhatOnlyTheCollectorKnows) {
  v1::Alert alert = make_alert("a1");
  alert.set_node("spiffe://picket/node/somebody-else");
  EXPECT_THAT(commit(batch(kNode, {envelope(1, alert)})).committed, ElementsAre(1));
  reopen();
  auto stored = reader()->alert("a1");
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->node(), kNode);
  EXPECT_EQ(wall_ns(stored->stored()), clock_.now);
  alert.set_node(kNode);
  *alert.mutable_stored() = stored->stored();
  EXPECT_EQ(stored->SerializeAsString(), alert.SerializeAsString());
}

TEST_P(StoreConformance, StoresAnEnvelopeOnce) {
  EXPECT_EQ(commit(alerts_batch(kNode, 1, 3)).new_alerts.size(), 3U);
  reopen();
  const CommitOutcome again = commit(alerts_batch(kNode, 2, 5));
  EXPECT_THAT(again.committed, ElementsAre(5));
  EXPECT_EQ(again.duplicates, 2U);
  EXPECT_EQ(again.new_alerts.size(), 2U);
  EXPECT_EQ(alert_ids().size(), 5U);
}

TEST_P(StoreConformance, CountsSequencesByNodeAndEpoch) {
  EXPECT_THAT(commit(alerts_batch(kNode, 1, 3)).committed, ElementsAre(3));
  EXPECT_THAT(commit(alerts_batch(kOtherNode, 1, 2)).committed, ElementsAre(2));
  EXPECT_THAT(commit(alerts_batch(kNode, 1, 1, "epoch-2")).committed, ElementsAre(1));
  v1::Hello hello;
  hello.set_epoch("epoch-1");
  EXPECT_EQ(store_->greet({kNode, hello})->last_sequence, 3U);
  EXPECT_EQ(store_->greet({kOtherNode, hello})->last_sequence, 2U);
  hello.set_epoch("epoch-2");
  EXPECT_EQ(store_->greet({kNode, hello})->last_sequence, 1U);
  hello.set_epoch("epoch-3");
  EXPECT_EQ(store_->greet({kNode, hello})->last_sequence, 0U);
}

TEST_P(StoreConformance, MergesARepeatAndNeverCountsBack) {
  const CommitOutcome first = commit(batch(kNode, {envelope(1, make_alert("a1", 1))}));
  const uint64_t stored_ns = clock_.now;
  clock_.now += 1'000'000'000;
  const CommitOutcome second = commit(batch(kNode, {envelope(2, make_alert("a1", 7))}));
  EXPECT_EQ(second.repeats, 1U);
  EXPECT_TRUE(second.new_alerts.empty());
  commit(batch(kNode, {envelope(3, make_alert("a1", 4))}));
  auto alert = reader()->alert("a1");
  ASSERT_TRUE(alert.ok());
  EXPECT_EQ(alert->count(), 7U);
  EXPECT_EQ(wall_ns(alert->last()), kTimeNs + 7);
  EXPECT_EQ(wall_ns(alert->stored()), stored_ns);
  EXPECT_EQ(*reader()->newest_row(), first.new_alerts.at(0).row);
}

TEST_P(StoreConformance, MergesRepeatsOfOneCommit) {
  commit(batch(kNode, {envelope(1, make_alert("old", 1))}));
  const CommitOutcome outcome =
      commit(batch(kNode, {envelope(2, make_alert("a1", 1)), envelope(3, make_alert("old", 2)),
                           envelope(4, make_alert("a2", 1)), envelope(5, make_alert("a1", 3)),
                           envelope(6, make_alert("a1", 2)), envelope(7, make_alert("old", 5))}));
  EXPECT_EQ(outcome.new_alerts.size(), 2U);
  EXPECT_EQ(outcome.repeats, 3U);
  EXPECT_EQ(outcome.stored, 6U);
  EXPECT_EQ(reader()->alert("a1")->count(), 3U);
  EXPECT_EQ(reader()->alert("old")->count(), 5U);
  EXPECT_THAT(alert_ids(), ElementsAre("old", "a1", "a2"));
}

// What programs and workspaces are called must not hold up a node's stream.
TEST_P(StoreConformance, TakesNamesOfEveryKindAndLength) {
  const std::string long_name(100'000, 'n');
  v1::Alert alert = make_alert(std::string("a\0b", 3), 1, long_name + "1");
  alert.mutable_workspace()->set_name(std::string("w\0\n\x7f'\"\\\u00e9", 9));
  alert.set_rule(long_name);
  v1::Alert other = make_alert(long_name + "x", 1, long_name + "2");
  commit(batch(kNode, {envelope(1, alert), envelope(2, other)}));
  const auto stored = reader()->alert(alert.id());
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->workspace().name(), alert.workspace().name());
  EXPECT_EQ(reader()->alert(other.id())->id(), other.id());
  EXPECT_EQ(reader()->alert("nnn")->id(), other.id());
  EXPECT_THAT(alert_ids({.workspace = alert.workspace().name()}), ElementsAre(alert.id()));
  EXPECT_THAT(alert_ids({.workspace = long_name + "2"}), ElementsAre(other.id()));
  EXPECT_THAT(alert_ids({.rule = long_name}), ElementsAre(alert.id()));
  EXPECT_EQ(commit(batch(kNode, {envelope(3, alert)})).repeats, 0U);
  EXPECT_EQ(*reader()->alert_count(), 2U);
}

TEST_P(StoreConformance, AddsWhatBecameKnownLater) {
  v1::Alert alert = make_alert("a1", 1);
  commit(batch(kNode, {envelope(1, alert)}));
  (*alert.mutable_fields())["proc.exe_sha256"] = "ab";
  EXPECT_EQ(commit(batch(kNode, {envelope(2, alert)})).repeats, 1U);
  EXPECT_EQ(commit(batch(kNode, {envelope(3, make_alert("a1", 1))})).repeats, 0U);
  const auto stored = reader()->alert("a1");
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(stored->fields().at("proc.exe_sha256"), "ab");
}

TEST_P(StoreConformance, KeepsEachNodesAlertOfTheSameId) {
  commit(batch(kNode, {envelope(1, make_alert("same", 1))}));
  commit(batch(kOtherNode, {envelope(1, make_alert("same", 9))}));
  EXPECT_EQ(alert_ids().size(), 2U);
  EXPECT_EQ(reader()->alert("same").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StoreConformance, ShowsTheExactSequencesThatNeverCame) {
  v1::Hello hello;
  hello.set_epoch("epoch-1");
  ASSERT_TRUE(store_->greet({kNode, hello}).ok());
  commit(alerts_batch(kNode, 1, 2));
  EXPECT_EQ(commit(alerts_batch(kNode, 6, 6)).missing, 3U);
  auto nodes = reader()->nodes();
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_EQ(nodes->size(), 1U);
  EXPECT_EQ(nodes->front().last_sequence(), 6U);
  EXPECT_EQ(nodes->front().missing(), 3U);
  ASSERT_EQ(nodes->front().gaps_size(), 1);
  EXPECT_EQ(nodes->front().gaps(0).first(), 3U);
  EXPECT_EQ(nodes->front().gaps(0).last(), 5U);
}

TEST_P(StoreConformance, TakesALateSequenceThatFillsAGapOnce) {
  commit(alerts_batch(kNode, 1, 1));
  commit(alerts_batch(kNode, 5, 5));
  const CommitOutcome late = commit(alerts_batch(kNode, 3, 3));
  EXPECT_EQ(late.new_alerts.size(), 1U);
  EXPECT_THAT(late.committed, ElementsAre(5));
  EXPECT_EQ(commit(alerts_batch(kNode, 3, 3)).duplicates, 1U);
  const auto nodes = reader()->nodes();
  ASSERT_EQ(nodes->size(), 1U);
  EXPECT_EQ(nodes->front().missing(), 2U);
  ASSERT_EQ(nodes->front().gaps_size(), 2);
}

TEST_P(StoreConformance, SkipsWhatItCannotStoreAndGoesOn) {
  v1::Envelope empty;
  empty.set_sequence(1);
  v1::Alert nameless = make_alert("");
  const CommitOutcome outcome =
      commit(batch(kNode, {empty, envelope(2, nameless), envelope(3, make_alert("a3"))}));
  EXPECT_EQ(outcome.skipped, 2U);
  EXPECT_EQ(outcome.new_alerts.size(), 1U);
  EXPECT_THAT(outcome.committed, ElementsAre(3));
}

TEST_P(StoreConformance, CommitsSeveralBatchesAtOnce) {
  const std::vector<NodeBatch> batches{alerts_batch(kNode, 1, 2), alerts_batch(kOtherNode, 1, 1),
                                       alerts_batch(kNode, 3, 3)};
  auto outcome = store_->commit(batches);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_THAT(outcome->committed, ElementsAre(2, 1, 3));
  EXPECT_EQ(outcome->new_alerts.size(), 4U);
}

TEST_P(StoreConformance, RowsAscendInTheOrderOfCommits) {
  const uint64_t first = commit(alerts_batch(kNode, 1, 1)).new_alerts.at(0).row;
  const uint64_t second = commit(alerts_batch(kNode, 2, 2)).new_alerts.at(0).row;
  EXPECT_LT(first, second);
  EXPECT_EQ(*reader()->newest_row(), second);
  EXPECT_EQ(*reader()->alert_count(), 2U);
  EXPECT_EQ(reader()->alerts_after(0, 1, 1U << 20)->at(0).row, first);
  ASSERT_EQ(reader()->alerts_after(first, 10, 1U << 20)->size(), 1U);
  EXPECT_EQ(reader()->alerts_after(first, 10, 1U << 20)->at(0).alert.id(), "epoch-1-2");
}

TEST_P(StoreConformance, FindsAlertsByTimeWorkspaceAndRule) {
  v1::Alert late = make_alert("late", 1, "ffee000000000001");
  set_wall_ns(*late.mutable_time(), kTimeNs + 1000);
  late.set_rule("other.rule");
  commit(batch(kNode, {envelope(1, late), envelope(2, make_alert("early")),
                       envelope(3, make_alert("neighbour", 1, "ffee000000000002"))}));
  EXPECT_THAT(alert_ids(), ElementsAre("early", "neighbour", "late"));
  EXPECT_THAT(alert_ids({.since_ns = kTimeNs + 1}), ElementsAre("late"));
  EXPECT_THAT(alert_ids({.rule = "other.rule"}), ElementsAre("late"));
  EXPECT_THAT(alert_ids({.workspace = "ffee000000000001"}), ElementsAre("late"));
  EXPECT_THAT(alert_ids({.workspace = "aabb"}), ElementsAre("early"));
  EXPECT_THAT(alert_ids({.workspace = "dev-ffee000000000002"}), ElementsAre("neighbour"));
  EXPECT_THAT(alert_ids({.workspace = "unknown"}), ElementsAre());
  AlertQuery ambiguous{.workspace = "ffee"};
  EXPECT_EQ(reader()->resolve(ambiguous).code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StoreConformance, LimitsToTheNewestAndStopsAtARow) {
  const CommitOutcome first = commit(alerts_batch(kNode, 1, 3));
  EXPECT_THAT(alert_ids({.limit = 2}), ElementsAre("epoch-1-2", "epoch-1-3"));
  EXPECT_THAT(alert_ids({.limit = 5}), ElementsAre("epoch-1-1", "epoch-1-2", "epoch-1-3"));
  commit(alerts_batch(kNode, 4, 4));
  EXPECT_EQ(alert_ids({.up_to_row = first.new_alerts.back().row}).size(), 3U);
}

TEST_P(StoreConformance, FindsOneAlertByItsBeginning) {
  commit(batch(kNode, {envelope(1, make_alert("abc1")), envelope(2, make_alert("abc12")),
                       envelope(3, make_alert("b1"))}));
  EXPECT_EQ(reader()->alert("b")->id(), "b1");
  EXPECT_EQ(reader()->alert("abc1")->id(), "abc1");  // whole, although it begins another
  EXPECT_EQ(reader()->alert("abc").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reader()->alert("c").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(reader()->alert("").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StoreConformance, KnowsTheLastStateOfEachWorkspace) {
  commit(batch(kNode, {workspace_envelope(1, "w1", "alpha"), workspace_envelope(2, "w12", "beta"),
                       workspace_envelope(3, "w1", "alpha", v1::WORKSPACE_STATE_FROZEN)}));
  commit(batch(kOtherNode, {workspace_envelope(1, "x1", "alpha")}));
  const auto read = reader();
  EXPECT_EQ(read->workspaces("")->size(), 3U);
  const auto exact = read->workspaces("w1");
  ASSERT_EQ(exact->size(), 1U);
  EXPECT_EQ(exact->front().node(), kNode);
  EXPECT_EQ(exact->front().status().state(), v1::WORKSPACE_STATE_FROZEN);
  EXPECT_EQ(read->workspaces("w")->size(), 2U);
  EXPECT_EQ(read->workspaces("alpha")->size(), 2U);  // one on each node
  EXPECT_TRUE(read->workspaces("nothing")->empty());
}

TEST_P(StoreConformance, KeepsTheLastStateOfEachPartOfAnAgentsSession) {
  uint64_t sequence = 0;
  const auto session = [&](const char* id, uint64_t part, uint64_t last_ns, const char* command) {
    v1::Envelope envelope;
    envelope.set_sequence(++sequence);
    v1::AgentSession& told = *envelope.mutable_session();
    told.set_id(id);
    told.set_part(part);
    set_wall_ns(*told.mutable_last(), clock_.now + last_ns);
    told.mutable_commands()->add_entries()->set_text(command);
    return envelope;
  };
  commit(batch(kNode, {session("12-5", 5, 10, "ls"), session("12-5", 5, 20, "make"),
                       session("12-5", 9, 30, "git"), session("128-7", 7, 40, "cat"),
                       session("", 1, 1, "none")}));
  reopen();
  const auto read = reader();
  const auto commands = [&](const char* id) {
    std::vector<std::string> texts;
    const auto sessions = read->agent_sessions(id, 10);
    for (const v1::NodeAgentSession& one : *sessions)
      texts.push_back(one.session().commands().entries(0).text());
    return texts;
  };
  EXPECT_THAT(commands("12-5"), ElementsAre("make", "git"));
  EXPECT_THAT(commands("128"), ElementsAre("cat"));
  EXPECT_THAT(commands(""), ElementsAre("make", "git", "cat"));
  EXPECT_EQ(read->agent_sessions("", 1)->front().session().id(), "128-7");
  EXPECT_EQ(read->agent_sessions("12-5", 10)->front().node(), kNode);
  EXPECT_TRUE(read->agent_sessions("13", 10)->empty());
  const auto ambiguous = read->agent_sessions("12", 10);
  EXPECT_EQ(ambiguous.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StoreConformance, EndsTheWorkspacesThatAnInventoryDoesNotName) {
  commit(batch(kNode, {workspace_envelope(1, "w1", "alpha"), workspace_envelope(2, "w2", "beta"),
                       workspace_envelope(3, "w3", "gamma", v1::WORKSPACE_STATE_FROZEN)}));
  commit(batch(kOtherNode, {workspace_envelope(1, "x1", "alpha")}));
  v1::Envelope inventory;
  inventory.set_sequence(4);
  inventory.mutable_inventory()->add_workspace_ids("w1");
  commit(batch(kNode, {inventory}));
  const auto state = [&](const char* id) {
    return reader()->workspaces(id)->front().status().state();
  };
  EXPECT_EQ(state("w1"), v1::WORKSPACE_STATE_RUNNING);
  EXPECT_EQ(state("w2"), v1::WORKSPACE_STATE_GONE);
  EXPECT_EQ(state("w3"), v1::WORKSPACE_STATE_GONE);
  EXPECT_EQ(state("x1"), v1::WORKSPACE_STATE_RUNNING) << "another node's";
}

TEST_P(StoreConformance, KnowsItsNodes) {
  v1::Hello hello;
  hello.set_epoch("epoch-1");
  hello.set_agent_version("0.1.0");
  hello.set_kernel("6.12.0");
  ASSERT_TRUE(store_->greet({kNode, hello}).ok());
  v1::Envelope blind;
  blind.set_sequence(2);
  blind.mutable_sight()->set_why("nothing came back");
  commit(batch(kNode, {coverage_envelope(1), blind}));
  clock_.now += 5;
  ASSERT_TRUE(store_->node_left(kNode).ok());
  hello.set_agent_version("0.2.0");
  ASSERT_TRUE(store_->greet({kNode, hello}).ok());
  const auto nodes = reader()->nodes();
  ASSERT_EQ(nodes->size(), 1U);
  const v1::Node& node = nodes->front();
  EXPECT_EQ(node.node(), kNode);
  EXPECT_EQ(node.agent_version(), "0.2.0");
  EXPECT_EQ(node.kernel(), "6.12.0");
  EXPECT_EQ(wall_ns(node.last_seen()), clock_.now);
  ASSERT_EQ(node.coverage().lines_size(), 1);
  EXPECT_EQ(node.coverage().lines(0).hook(), "lsm/file_open");
  EXPECT_TRUE(node.has_sight());
  EXPECT_FALSE(node.sight().sees());
  EXPECT_EQ(node.sight().why(), "nothing came back");
}

TEST_P(StoreConformance, OpenCommandsEndWithTheNodesAnswerOnly) {
  v1::Command command;
  command.set_id("c1");
  command.set_workspace_id("w1");
  ASSERT_TRUE(store_->add_command(kNode, command).ok());
  EXPECT_FALSE(store_->add_command(kNode, command).ok());  // an id is used once
  reopen();
  v1::CommandResult result;
  result.set_command_id("c1");
  result.set_ok(true);
  commit(batch(kOtherNode, {envelope(1, result)}));  // not the one that was asked
  auto open = store_->open_commands();
  ASSERT_EQ(open->size(), 1U);
  EXPECT_EQ(open->front().node, kNode);
  EXPECT_EQ(open->front().command.workspace_id(), "w1");
  const CommitOutcome outcome = commit(batch(kNode, {envelope(1, result)}));
  ASSERT_EQ(outcome.results.size(), 1U);
  EXPECT_EQ(outcome.results[0].node, kNode);
  EXPECT_TRUE(store_->open_commands()->empty());
  const auto results = reader()->results({"other", "c1"});
  ASSERT_EQ(results->size(), 2U) << "also the one of somebody who was not asked";
  EXPECT_EQ(results->at(0).node, kOtherNode);
  EXPECT_EQ(results->at(1).node, kNode);
  EXPECT_TRUE(results->at(1).result.ok());
}

TEST_P(StoreConformance, ACommandCanBeClosedWithoutAnAnswer) {
  v1::Command command;
  command.set_id("c1");
  ASSERT_TRUE(store_->add_command(kNode, command).ok());
  ASSERT_TRUE(store_->close_command("c1", CommandState::expired).ok());
  EXPECT_TRUE(store_->open_commands()->empty());
}

TEST_P(StoreConformance, ChainsAuditEntriesOverReopening) {
  for (int i = 0; i < 3; ++i) {
    v1::AuditEntry entry;
    entry.set_actor("spiffe://picket/operator/admin/ada");
    entry.set_action("workspace.kill");
    entry.set_object("w1");
    entry.set_reason("a reason");
    ASSERT_TRUE(store_->append_audit(entry).ok());
    reopen();
  }
  const auto entries = reader()->audit(0, 10);
  ASSERT_EQ(entries->size(), 3U);
  AuditVerifier verifier;
  for (const v1::AuditEntry& entry : *entries) {
    const auto& broken = verifier.next(entry);
    EXPECT_FALSE(broken) << broken->reason;
  }
  EXPECT_EQ(*reader()->last_audit_sequence(), 3U);
  EXPECT_EQ(reader()->audit(1, 1)->front().sequence(), 2U);
}

TEST_P(StoreConformance, ANamespaceHidesTheOthers) {
  std::vector<v1::Envelope> envelopes;
  for (const char* name : {"blue", "red", ""}) {
    v1::Alert alert = make_alert(fmt::format("a-{}", name), 1, fmt::format("aa{}", name));
    alert.mutable_workspace()->mutable_pod()->set_namespace_(name);
    envelopes.push_back(envelope(envelopes.size() + 1, alert));
  }
  commit(batch(kNode, std::move(envelopes)));
  EXPECT_THAT(alert_ids({.namespaces = {"blue"}}), ElementsAre("a-blue"));
  EXPECT_THAT(alert_ids({.namespaces = {"blue", "red"}}), ElementsAre("a-blue", "a-red"));
  EXPECT_THAT(alert_ids({.workspace = "aared", .namespaces = {"blue"}}), ElementsAre());
  // A prefix is of those that may be seen: not ambiguous.
  EXPECT_THAT(alert_ids({.workspace = "aa", .namespaces = {"red"}}), ElementsAre("a-red"));
}

TEST_P(StoreConformance, AReaderSeesWhatWasCommittedAfterItOpened) {
  const auto read = reader();
  EXPECT_EQ(*read->alert_count(), 0U);
  commit(alerts_batch(kNode, 1, 1));
  EXPECT_EQ(*read->alert_count(), 1U);
}

}  // namespace picket::test
