// TR4: who changes or removes an entry of the audit log, or makes the chain anew behind a change,
// is found out: `picketctl audit verify` names the first broken entry. What it looks at are the
// calls that read or change evidence, each with who, what, when, from where and the outcome.
#include <sqlite3.h>

#include <filesystem>

#include "collector/audit/chain.h"
#include "tests/acceptance/acceptance_test.h"
#include "tests/support/stored.h"

namespace picket::test {
namespace {

using ::testing::HasSubstr;

class TR4 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy();
    if (HasFatalFailure()) return;
    container_ = make_container({.id = "tr4-workspace"});
    ASSERT_TRUE(container_);
    alerts_so_far(*container_);
    run({"workspace", "freeze", container_->id(), "--reason", "an incident"});
    run({"workspace", "thaw", container_->id(), "--reason", "a false alarm"});
    run({"alerts", "list", "--rule", "test.mark", "--limit", "1"});
    run({"workspace", "kill", "nowhere", "--reason", "a mistake"}, 1);
  }
  ProgramResult run(std::vector<std::string> arguments, int exit_code = 0) {
    auto result = deployment().picketctl(std::move(arguments));
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return {};
    EXPECT_EQ(result->exit_code, exit_code) << result->out << result->err;
    return *result;
  }
  std::string memory() { return sandbox().path("audit.seen"); }
  std::string verify(int exit_code = 0) {
    const auto done = run({"audit", "verify", "--remember", memory()}, exit_code);
    return exit_code == 0 ? done.out : done.err;
  }
  std::vector<Alert> entries() {
    std::vector<Alert> all;
    std::istringstream lines(run({"audit", "list", "--limit", "1000", "-o", "json"}).out);
    for (std::string line; std::getline(lines, line);) all.push_back(Alert::parse(line));
    return all;
  }
  uint64_t sequence_of(const std::string& action) {
    for (const Alert& entry : entries())
      if (entry["action"] == action) return entry["sequence"];
    ADD_FAILURE() << "no entry of " << action;
    return 0;
  }
  // With the collector away, and over the triggers that keep everybody else from it.
  void alter(const std::string& sql) {
    ASSERT_TRUE(deployment().stop_collector().ok());
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(deployment().database().c_str(), &db), SQLITE_OK);
    const std::string all =
        "DROP TRIGGER audit_is_append_only_update;"
        "DROP TRIGGER audit_is_append_only_delete;" +
        sql;
    char* why = nullptr;
    EXPECT_EQ(sqlite3_exec(db, all.c_str(), nullptr, nullptr, &why), SQLITE_OK)
        << (why != nullptr ? why : "");
    sqlite3_free(why);
    sqlite3_close(db);
    ASSERT_TRUE(deployment().start_collector().ok());
  }
  static std::string blob(const std::string& bytes) {
    std::string hex = "x'";
    for (const unsigned char byte : bytes) hex += fmt::format("{:02x}", byte);
    return hex + "'";
  }

  std::unique_ptr<Container> container_;
};

TEST_F(TR4, EveryCallIsThereAndTheChainHolds) {
  EXPECT_THAT(verify(), HasSubstr("the chain holds"));
  std::map<std::string, Alert> by_action;
  for (const Alert& entry : entries()) {
    EXPECT_EQ(entry["actor"], "spiffe://picket/operator/admin/alice") << entry;
    EXPECT_THAT(entry["source"].get<std::string>(), HasSubstr("127.0.0.1:")) << entry;
    EXPECT_EQ(entry["signature"].get<std::string>().size(), 128U) << entry;
    by_action[entry["action"]] = entry;
  }
  EXPECT_THAT(by_action["alerts.watch"]["outcome"], "allowed");
  EXPECT_THAT(by_action["alerts.list"]["object"], "rule test.mark");
  EXPECT_THAT(by_action["workspace.freeze"]["reason"], "an incident");
  EXPECT_THAT(by_action["workspace.freeze"]["object"].get<std::string>(),
              HasSubstr("tr4-workspace"));
  EXPECT_THAT(by_action["workspace.kill"]["outcome"].get<std::string>(), HasSubstr("refused"));
  EXPECT_THAT(by_action["audit.list"]["outcome"], "allowed");
  EXPECT_THAT(verify(), HasSubstr("the chain holds"));
}

TEST_F(TR4, AnAlteredEntryIsNamed) {
  const uint64_t entry = sequence_of("workspace.thaw");
  alter(fmt::format("UPDATE audit SET reason = 'maintenance' WHERE sequence = {};", entry));
  EXPECT_THAT(verify(3), HasSubstr(fmt::format("broken at entry {}: its content", entry)));
}

TEST_F(TR4, ARemovedEntryIsNamed) {
  const uint64_t entry = sequence_of("workspace.freeze");
  alter(fmt::format("DELETE FROM audit WHERE sequence = {};", entry));
  EXPECT_THAT(verify(3),
              HasSubstr(fmt::format("broken at entry {}: entry {} is missing", entry, entry)));
}

// Whoever has the database has no key.
TEST_F(TR4, AChainMadeAnewBehindAChangeIsNamed) {
  const uint64_t first = sequence_of("workspace.freeze");
  std::string sql, hash = audit_genesis();
  for (const Alert& entry : entries()) {
    v1::AuditEntry made;
    uint64_t seconds = 0, nanos = 0;
    const uint64_t sequence = entry["sequence"];
    const auto row = stored_rows(
        deployment().database(),
        fmt::format("SELECT time_ns / 1000000000, time_ns % 1000000000 FROM audit WHERE sequence = "
                    "{}",
                    sequence));
    ASSERT_TRUE(row.ok() && row->size() == 1);
    std::istringstream(row->front()) >> seconds >> nanos;
    made.mutable_time()->set_seconds(static_cast<int64_t>(seconds));
    made.mutable_time()->set_nanos(static_cast<int32_t>(nanos));
    made.set_actor(entry["actor"]);
    made.set_action(entry["action"]);
    made.set_object(entry["object"]);
    made.set_reason(sequence == first ? "maintenance" : entry["reason"].get<std::string>());
    made.set_outcome(entry["outcome"]);
    made.set_source(entry["source"]);
    seal_audit_entry(made, sequence - 1, hash);
    hash = made.hash();
    sql += fmt::format(
        "UPDATE audit SET reason = '{}', previous_hash = {}, hash = {} WHERE "
        "sequence = {};",
        made.reason(), blob(made.previous_hash()), blob(hash), sequence);
  }
  alter(sql);
  EXPECT_THAT(verify(3), HasSubstr(fmt::format("broken at entry {}: its signature", first)));
}

TEST_F(TR4, RemovedLastEntriesAreNamedToWhoRemembers) {
  const uint64_t first = sequence_of("workspace.kill");
  verify();
  alter(fmt::format("DELETE FROM audit WHERE sequence >= {};", first));
  EXPECT_THAT(verify(3), HasSubstr("there before"));
}

}  // namespace
}  // namespace picket::test
