// The PostgreSQL store: the common behaviour, and what only a server can do that several collectors
// share and that may go away.
#include "collector/store/postgres_store.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "collector/app/collector.h"
#include "tests/support/postgres.h"
#include "tests/unit/store_conformance.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using testing::HasSubstr;

constexpr uint64_t kDay = 86'400'000'000'000U;

// One for all tests.
class Server : public testing::Environment {
 public:
  void SetUp() override {
    auto started = PostgresServer::start();
    if (!started.ok()) why_not_ = started.status();
    if (started.ok()) server_ = *std::move(started);
  }
  void TearDown() override { server_.reset(); }
  PostgresServer* get() { return server_.get(); }
  const absl::Status& why_not() const { return why_not_; }

 private:
  std::unique_ptr<PostgresServer> server_;
  absl::Status why_not_;
};
auto* const server = static_cast<Server*>(testing::AddGlobalTestEnvironment(new Server));

// All rows, also those that the database protects, and all days but the first test's; the numbers
// begin again.
constexpr char kEmpty[] = R"(DO $$ DECLARE name TEXT; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'picket'::regnamespace AND
      relkind = 'r' AND relname ~ '^alerts_' AND relname > 'alerts_20251126' LOOP
    EXECUTE 'DROP TABLE ' || name;
  END LOOP;
  FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'picket'::regnamespace AND
      relkind = 'r' AND relname <> 'picket_schema' LOOP
    EXECUTE 'DELETE FROM ' || name;
  END LOOP;
  ALTER SEQUENCE alert_numbers RESTART; ALTER SEQUENCE replicas RESTART;
END $$)";

// Whether a test left more than rows behind.
bool is_altered = true;

// Empty again; making one for each test would take most of the tests' time.
std::string new_database() {
  static const auto where = server->get()->create_database();
  EXPECT_TRUE(where.ok()) << where.status();
  if (!where.ok()) return "";
  auto connection = postgres::Connection::open(*where, "");
  EXPECT_TRUE(connection.ok()) << connection.status();
  const absl::Status emptied =
      connection->script(is_altered ? "DROP SCHEMA IF EXISTS picket CASCADE" : kEmpty);
  EXPECT_TRUE(emptied.ok()) << emptied;
  is_altered = false;
  return *where;
}

class PostgresUnderTest final : public StoreUnderTest {
 public:
  absl::StatusOr<std::unique_ptr<Store>> open(const Clock& clock) override {
    if (server->get() == nullptr) return server->why_not();
    if (where_.empty()) where_ = new_database();
    return PostgresStore::open({.where = where_}, clock);
  }

 private:
  std::string where_;
};

INSTANTIATE_TEST_SUITE_P(Postgres, StoreConformance,
                         testing::Values(StoreKind{
                             "postgres", [] { return std::make_unique<PostgresUnderTest>(); }}),
                         [](const auto& kind) { return kind.param.name; });

class Postgres : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(server->get(), nullptr) << server->why_not();
    options_.where = new_database();
  }
  std::unique_ptr<PostgresStore> open(const AuditSigner* signer = nullptr) {
    auto store = PostgresStore::open(options_, clock_, signer);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  absl::Status refusal(const AuditSigner* signer = nullptr) {
    return PostgresStore::open(options_, clock_, signer).status();
  }
  absl::Status execute(const std::string& sql) {
    is_altered = true;
    auto connection = postgres::Connection::open(options_.where, "");
    return connection.ok() ? connection->script(sql) : connection.status();
  }
  std::vector<std::string> texts(const char* sql) {
    auto connection = postgres::Connection::open(options_.where, "");
    EXPECT_TRUE(connection.ok()) << connection.status();
    const auto result = connection->run(sql);
    EXPECT_TRUE(result.ok()) << result.status();
    std::vector<std::string> texts;
    for (int row = 0; row < result->rows(); ++row) texts.push_back(result->text(row, 0));
    return texts;
  }
  static void audit(Store& store, int entries) {
    for (int i = 0; i < entries; ++i) {
      v1::AuditEntry entry;
      entry.set_actor("ada");
      ASSERT_TRUE(store.append_audit(entry).ok());
    }
  }
  static absl::StatusOr<uint64_t> verify(const Store& store) {
    const auto reader = store.reader();
    return reader.ok() ? verify_audit(**reader) : reader.status();
  }
  static uint64_t alerts(const Store& store) { return *(*store.reader())->alert_count(); }

  TestClock clock_;
  PostgresOptions options_;
};

TEST_F(Postgres, RefusesAnotherProgramsSchema) {
  ASSERT_TRUE(execute("CREATE SCHEMA picket; CREATE TABLE picket.foreign_table (x INT)").ok());
  const absl::Status status = refusal();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another program"));
}

TEST_F(Postgres, RefusesANewerSchema) {
  open();
  ASSERT_TRUE(execute("UPDATE picket_schema SET version = 999").ok());
  const absl::Status status = refusal();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("newer"));
}

TEST_F(Postgres, LetsNobodyRewriteTheAuditLog) {
  const auto store = open();
  audit(*store, 2);
  for (const char* sql : {"UPDATE audit SET entry = ''", "DELETE FROM audit", "TRUNCATE audit"})
    EXPECT_FALSE(execute(sql).ok()) << sql;
  EXPECT_EQ(*verify(*store), 2U);
}

TEST_F(Postgres, NamesTheAuditEntryThatWasAlteredOrRemoved) {
  const auto store = open();
  audit(*store, 4);
  ASSERT_TRUE(execute("DROP TRIGGER audit_is_append_only ON audit").ok());
  ASSERT_TRUE(execute("DELETE FROM audit WHERE sequence = 3").ok());
  EXPECT_THAT(std::string(verify(*store).status().message()), HasSubstr("entry 3 is missing"));
  ASSERT_TRUE(execute("UPDATE audit SET entry = substr(entry, 1, 5) WHERE sequence = 2").ok());
  EXPECT_THAT(std::string(verify(*store).status().message()), HasSubstr("entry 2"));
}

TEST_F(Postgres, IsSignedWithOneKey) {
  std::string pattern = (std::filesystem::temp_directory_path() / "picket-key-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const std::filesystem::path folder = pattern;
  const auto first = AuditSigner::open(folder / "first.key", true);
  const auto second = AuditSigner::open(folder / "second.key", true);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_TRUE(execute("DROP SCHEMA IF EXISTS picket CASCADE").ok());
  EXPECT_FALSE(*PostgresStore::has_audit_key(options_));
  open(&*first);
  EXPECT_TRUE(*PostgresStore::has_audit_key(options_));
  EXPECT_THAT(std::string(refusal(&*second).message()), HasSubstr("another key"));
  EXPECT_TRUE(refusal(&*first).ok());
}

TEST_F(Postgres, GoesOnAfterTheServerWasAway) {
  const auto store = open();
  const NodeBatch first = alerts_batch(kNode, 1, 3), second = alerts_batch(kNode, 3, 5);
  ASSERT_TRUE(store->commit({&first, 1}).ok());
  EXPECT_EQ(alerts(*store), 3U);
  ASSERT_TRUE(server->get()->stop().ok());
  const absl::Status away = store->commit({&second, 1}).status();
  EXPECT_TRUE(absl::IsUnavailable(away)) << away;
  EXPECT_TRUE(absl::IsUnavailable((*store->reader())->alert_count().status()));
  ASSERT_TRUE(server->get()->launch().ok());
  absl::StatusOr<CommitOutcome> outcome = store->commit({&second, 1});
  while (absl::IsUnavailable(outcome.status()))  // until it looks for the server again
    outcome = store->commit({&second, 1});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->duplicates, 1U);
  EXPECT_EQ(alerts(*store), 5U);
}

TEST_F(Postgres, TakesALostConnectionForNothing) {
  const auto store = open();
  ASSERT_TRUE(server->get()->restart().ok());
  const NodeBatch batch = alerts_batch(kNode, 1, 3);
  EXPECT_TRUE(store->commit({&batch, 1}).ok());
  EXPECT_EQ(alerts(*store), 3U);
}

TEST_F(Postgres, DropsTheDaysWhoseTimeIsOver) {
  options_.retention_days = 2;
  const auto store = open();
  for (uint64_t day = 0; day < 5; ++day, clock_.now += kDay) {
    const NodeBatch batch = alerts_batch(kNode, day + 1, day + 1);
    ASSERT_TRUE(store->commit({&batch, 1}).ok());
  }
  EXPECT_EQ(alerts(*store), 3U) << "of the last day and of the two before";
  EXPECT_THAT(texts("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname LIKE "
                    "'alerts_%' ORDER BY relname"),
              testing::ElementsAre("alerts_20251127", "alerts_20251128", "alerts_20251129",
                                   "alerts_20251130"));
}

TEST_F(Postgres, MergesARepeatOfAnotherDay) {
  const auto store = open();
  const NodeBatch first = batch(kNode, {envelope(1, make_alert("a1", 1))});
  ASSERT_TRUE(store->commit({&first, 1}).ok());
  clock_.now += 3 * kDay;
  const NodeBatch again = batch(kNode, {envelope(2, make_alert("a1", 9))});
  EXPECT_EQ(store->commit({&again, 1})->repeats, 1U);
  EXPECT_EQ((*store->reader())->alert("a1")->count(), 9U);
  EXPECT_EQ(alerts(*store), 1U);
}

// Two collectors hear the same node, as when its stream to one of them was lost and it does not
// know yet.
TEST_F(Postgres, CollectorsTakeTurns) {
  constexpr uint64_t kBatches = 40;
  std::array<std::vector<CommitOutcome>, 2> outcomes;
  std::array<std::thread, 2> collectors;
  for (size_t i = 0; i < collectors.size(); ++i) {
    collectors[i] = std::thread([&, i] {
      const auto store = open();
      for (uint64_t first = 1; first <= 5 * kBatches; first += 5) {
        const NodeBatch both = alerts_batch(kNode, first, first + 4);
        auto outcome = store->commit({&both, 1});
        ASSERT_TRUE(outcome.ok()) << outcome.status();
        outcomes[i].push_back(*std::move(outcome));
        audit(*store, 1);
      }
    });
  }
  for (std::thread& collector : collectors) collector.join();
  const auto store = open();
  EXPECT_EQ(alerts(*store), 5 * kBatches);
  EXPECT_EQ(*verify(*store), 2 * kBatches);
  uint64_t stored = 0, duplicates = 0;
  for (const auto& of_one : outcomes) {
    uint64_t last = 0;
    for (const CommitOutcome& outcome : of_one) {
      stored += outcome.new_alerts.size();
      duplicates += outcome.duplicates;
      for (const StoredAlert& alert : outcome.new_alerts) {
        EXPECT_GT(alert.row, last);
        last = alert.row;
      }
    }
  }
  EXPECT_EQ(stored, 5 * kBatches);
  EXPECT_EQ(duplicates, 5 * kBatches);
}

// Two collectors that hear each other.
class Replicas : public Postgres {
 protected:
  struct Collector {
    std::unique_ptr<PostgresStore> store;
    std::unique_ptr<NewsWire> wire;
  };
  void SetUp() override {
    Postgres::SetUp();
    if (HasFatalFailure()) return;
    for (Collector* collector : {&a_, &b_}) {
      collector->store = open();
      collector->wire = *collector->store->wire();
      const auto everything = collector->wire->wait(kDeadline);
      ASSERT_TRUE(everything.ok()) << everything.status();
      EXPECT_TRUE(everything->policy);
    }
  }
  static void greet(const Collector& collector) {
    v1::Hello hello;
    hello.set_epoch("epoch-1");
    ASSERT_TRUE(collector.store->greet({kNode, hello}).ok());
  }
  bool connected() const { return (*a_.store->reader())->nodes()->front().connected(); }
  v1::Command order(const Collector& by, const std::string& id) {
    v1::Command command;
    command.set_id(id);
    set_wall_ns(*command.mutable_not_after(), clock_.now + 1'000'000'000);
    EXPECT_TRUE(by.store->add_command(kNode, command).ok());
    return command;
  }

  std::optional<uint64_t> cursor(const std::string& output) const {
    return *(*a_.store->reader())->output_cursor(output);
  }
  // The server notices by itself that a session is over, and tells nobody.
  static void wait_for_turn(OutputTurn& turn) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    absl::StatusOr<bool> held = false;
    while (!(held.ok() && *held) && std::chrono::steady_clock::now() < deadline) held = turn.hold();
    EXPECT_TRUE(held.ok() && *held) << held.status();
  }

  Collector a_, b_;
};

TEST_F(Replicas, PassAnOrderOnToWhereTheNodeIs) {
  order(a_, "early");
  EXPECT_FALSE(*a_.store->pass_on("early")) << "nobody has the node";
  greet(b_);
  order(a_, "c1");
  EXPECT_TRUE(*a_.store->pass_on("c1"));
  while (!b_.wire->wait(kDeadline)->commands) {
  }
  EXPECT_TRUE(a_.store->take()->empty());
  const auto taken = b_.store->take();
  ASSERT_EQ(taken->size(), 1U);
  EXPECT_EQ(taken->front().node, kNode);
  EXPECT_EQ(taken->front().command.id(), "c1");
  EXPECT_TRUE(b_.store->take()->empty()) << "once";
  ASSERT_TRUE(b_.store->give_back("c1").ok());
  EXPECT_EQ(b_.store->take()->size(), 1U);
  v1::CommandResult result;
  result.set_command_id("c1");
  const NodeBatch answer = batch(kNode, {envelope(1, result), envelope(2, make_alert("a1"))});
  ASSERT_TRUE(b_.store->commit({&answer, 1}).ok());
  for (News news; !news.results || !news.alerts;) {
    const News more = *a_.wire->wait(kDeadline);
    news.results = news.results || more.results;
    news.alerts = news.alerts || more.alerts;
  }
  const auto reader = a_.store->reader();
  EXPECT_EQ((*reader)->results({"c1", "early"})->size(), 1U);
  EXPECT_EQ((*reader)->alerts_after(0, 10, 1U << 20)->front().alert.id(), "a1");
}

TEST_F(Replicas, ANodeIsWhereItGreetedLast) {
  greet(a_);
  EXPECT_TRUE(connected());
  greet(b_);
  while (!a_.wire->wait(kDeadline)->nodes) {
  }
  EXPECT_THAT(*a_.store->moved({"other", kNode}), testing::ElementsAre(kNode));
  EXPECT_THAT(*b_.store->moved({"other", kNode}), testing::ElementsAre());
  ASSERT_TRUE(a_.store->node_left(kNode).ok());
  EXPECT_TRUE(connected()) << "with the other one";
  ASSERT_TRUE(b_.store->node_left(kNode).ok());
  EXPECT_FALSE(connected());
}

TEST_F(Replicas, ACollectorThatIsGoneHasNoNodesAndNoOrders) {
  greet(b_);
  order(b_, "c1");
  clock_.now += 7'000'000'000;
  EXPECT_TRUE(a_.store->open_commands()->empty()) << "its issuer lives";
  b_.wire.reset();
  // The server has to notice it, and tells nobody.
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (connected() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_FALSE(connected());
  ASSERT_EQ(a_.store->open_commands()->size(), 1U);
  EXPECT_EQ(a_.store->open_commands()->front().command.id(), "c1");
}

TEST_F(Replicas, HearOfAChangedPolicyWhichOneOfThemMade) {
  v1::FleetPolicy policy;
  policy.set_revision(1);
  ASSERT_TRUE(a_.store->set_policy(policy).ok());
  while (!b_.wire->wait(kDeadline)->policy) {
  }
  policy.set_revision(2);
  ASSERT_TRUE(b_.store->set_policy(policy).ok());
  EXPECT_TRUE(absl::IsAborted(a_.store->set_policy(policy)));
}

TEST_F(Replicas, RunAnOutputOneAtATime) {
  auto first = a_.store->output_turn("siem");
  const auto second = b_.store->output_turn("siem"), other = b_.store->output_turn("bus");
  EXPECT_TRUE(absl::IsFailedPrecondition(first->set_cursor(5))) << "not held yet";
  EXPECT_TRUE(*first->hold());
  EXPECT_FALSE(*second->hold());
  EXPECT_TRUE(*other->hold()) << "each by its name";
  ASSERT_TRUE(first->set_cursor(7).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(second->set_cursor(9)));
  EXPECT_EQ(*cursor("siem"), 7U);
  first.reset();
  wait_for_turn(*second);
  ASSERT_TRUE(second->set_cursor(9).ok());
  EXPECT_EQ(*cursor("siem"), 9U);
}

// What the one does that has not noticed yet.
TEST_F(Replicas, NobodyMovesACursorWithoutTheTurn) {
  const auto first = a_.store->output_turn("siem"), second = b_.store->output_turn("siem");
  EXPECT_TRUE(*first->hold());
  ASSERT_TRUE(first->set_cursor(7).ok());
  EXPECT_EQ(texts("SELECT pg_terminate_backend(pid)::text FROM pg_locks WHERE locktype = "
                  "'advisory' AND objsubid = 1")
                .size(),
            1U);
  wait_for_turn(*second);
  ASSERT_TRUE(second->set_cursor(9).ok());
  EXPECT_TRUE(absl::IsUnavailable(first->set_cursor(8)));
  EXPECT_EQ(*cursor("siem"), 9U);
  const auto told = first->hold();
  EXPECT_TRUE(absl::IsUnavailable(told.status())) << "before anything else";
  EXPECT_TRUE(absl::IsFailedPrecondition(first->set_cursor(8)));
  EXPECT_FALSE(*first->hold());
  EXPECT_TRUE(*second->hold());
}

TEST_F(Replicas, NobodyHasATurnWhileTheServerIsAway) {
  const auto turn = a_.store->output_turn("siem");
  EXPECT_TRUE(*turn->hold());
  ASSERT_TRUE(server->get()->stop().ok());
  absl::StatusOr<bool> held = true;
  for (const auto begun = std::chrono::steady_clock::now();  // it is believed for a second
       held.ok() && std::chrono::steady_clock::now() - begun < kDeadline; held = turn->hold())
    ;
  for (int i = 0; i < 3; ++i, held = turn->hold()) EXPECT_TRUE(absl::IsUnavailable(held.status()));
  ASSERT_TRUE(server->get()->launch().ok());
  wait_for_turn(*turn);
}

TEST_F(Replicas, HearEverythingAfterTheServerWasAway) {
  ASSERT_TRUE(server->get()->restart().ok());
  absl::StatusOr<News> news = a_.wire->wait(kDeadline);
  EXPECT_TRUE(absl::IsUnavailable(news.status()));
  while (!news.ok()) news = a_.wire->wait(kDeadline);
  EXPECT_TRUE(news->alerts && news->commands && news->results && news->nodes && news->policy);
  a_.wire->interrupt();
  EXPECT_FALSE(a_.wire->wait(kDeadline)->alerts) << "interrupted";
}

}  // namespace
}  // namespace picket::test
