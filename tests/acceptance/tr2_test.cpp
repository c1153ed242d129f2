// TR2: what is lost on the way, at whatever hop, shows at the collector as the exact range of
// missing sequences: what a full spool dropped, what somebody took out of the spool, and what a
// collector forgot that was set back to an older copy of its database.
#include <sqlite3.h>

#include <filesystem>

#include "agent/spool/spool.h"
#include "tests/acceptance/load.h"
#include "tests/support/stored.h"

namespace picket::test {
namespace {

using Range = std::pair<uint64_t, uint64_t>;

class TR2 : public AcceptanceTest {
 protected:
  void begin(const std::string& settings = "") {
    deploy({.rules = kLoadRule, .shipped_rules = false, .agent_settings = settings});
    if (HasFatalFailure()) return;
    container_ = make_container();
    ASSERT_TRUE(container_);
    alerts_so_far(*container_);
  }
  void run_load(int count) {
    auto load = launch_load(*container_, count, 0);
    ASSERT_TRUE(load.ok()) << load.status();
    ASSERT_EQ(container_->wait_for(*load).value_or(-1), 0);
    std::filesystem::remove_all(container_->written(kLoadFolder));
  }
  std::string spool_file() { return sandbox().path("agent/spool.db"); }

  // The sequences that the agent, which does not run, still has.
  std::vector<uint64_t> spooled(uint64_t& last) {
    std::vector<uint64_t> sequences;
    auto spool = Spool::open(spool_file(), {});
    EXPECT_TRUE(spool.ok()) << spool.status();
    if (!spool.ok()) return sequences;
    last = (*spool)->last_sequence();
    const auto items = (*spool)->read_from(1, SIZE_MAX, SIZE_MAX);
    EXPECT_TRUE(items.ok()) << items.status();
    for (const SpoolItem& item : *items) sequences.push_back(item.sequence);
    return sequences;
  }
  // The last sequence that the collector, which does not run, has.
  uint64_t stored() {
    const auto rows = stored_rows(deployment().database(), "SELECT last_sequence FROM streams");
    EXPECT_TRUE(rows.ok() && rows->size() == 1);
    return rows.ok() && rows->size() == 1 ? std::stoull(rows->front()) : 0;
  }
  static std::vector<Range> holes(const std::vector<uint64_t>& sequences, uint64_t above,
                                  uint64_t last) {
    std::vector<Range> missing;
    uint64_t next = above + 1;
    for (const uint64_t sequence : sequences) {
      if (sequence > next) missing.emplace_back(next, sequence - 1);
      if (sequence >= next) next = sequence + 1;
    }
    if (next <= last) missing.emplace_back(next, last);
    return missing;
  }

  void stop_both() {
    ASSERT_TRUE(deployment().stop_agent().ok());
    ASSERT_TRUE(deployment().stop_collector().ok());
  }
  // Both run again, and what comes now is behind everything that was there.
  void start_both() {
    absl::Status started = deployment().start_collector();
    if (started.ok()) started = deployment().start_agent();
    ASSERT_TRUE(started.ok()) << started;
    alerts_so_far(*container_);
  }
  void expect_missing(const std::vector<Range>& expected) {
    const auto nodes = deployment().picketctl({"nodes", "--gaps", "10000", "-o", "json"});
    ASSERT_TRUE(nodes.ok() && nodes->exit_code == 0);
    const Alert node = Alert::parse(nodes->out);
    std::vector<Range> told;
    for (const Alert& gap : node["gaps"]) told.emplace_back(gap["first"], gap["last"]);
    std::ranges::sort(told);
    EXPECT_EQ(told, expected);
    uint64_t count = 0;
    for (const auto& [first, last] : expected) count += last - first + 1;
    EXPECT_EQ(node["missing"], count);
  }

  std::unique_ptr<Container> container_;
};

TEST_F(TR2, WhatAFullSpoolDropped) {
  const std::string small = "spool_bytes: 1048576\n";
  begin(small);
  if (HasFatalFailure()) return;
  ASSERT_TRUE(deployment().stop_collector().ok());
  run_load(4000);  // of some five hundred bytes each
  ASSERT_TRUE(deployment().stop_agent().ok());
  uint64_t last = 0;
  const auto kept = spooled(last);
  const auto missing = holes(kept, stored(), last);
  ASSERT_FALSE(missing.empty()) << kept.size() << " envelopes fitted";
  ASSERT_FALSE(kept.empty());
  // What the next agent begins with is not to displace anything more.
  std::string settings = read_file(deployment().agent_configuration()).value_or("");
  ASSERT_NE(settings.find(small), std::string::npos);
  settings.erase(settings.find(small), small.size());
  ASSERT_TRUE(write_file(deployment().agent_configuration(), settings).ok());
  start_both();
  expect_missing(missing);
  EXPECT_FALSE(blind_spots(deployment().alerts().seen()).empty());
}

TEST_F(TR2, WhatWasTakenOutOfTheSpool) {
  begin();
  if (HasFatalFailure()) return;
  ASSERT_TRUE(deployment().stop_collector().ok());
  run_load(200);
  ASSERT_TRUE(deployment().stop_agent().ok());
  uint64_t last = 0;
  const auto kept = spooled(last);
  ASSERT_GE(kept.size(), 200U);
  const Range taken{kept[50], kept[59]}, also{kept[100], kept[100]};
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(spool_file().c_str(), &db), SQLITE_OK);
  const std::string take =
      fmt::format("DELETE FROM item WHERE sequence BETWEEN {} AND {} OR sequence = {}", taken.first,
                  taken.second, also.first);
  EXPECT_EQ(sqlite3_exec(db, take.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  start_both();
  expect_missing({taken, also});
}

TEST_F(TR2, WhatACollectorForgot) {
  begin();
  if (HasFatalFailure()) return;
  stop_both();
  const std::string copy = sandbox().path("older.db");
  std::filesystem::copy_file(deployment().database(), copy);
  const uint64_t before = stored();
  start_both();
  run_load(50);
  alerts_so_far(*container_);
  stop_both();
  uint64_t last = 0;
  ASSERT_THAT(spooled(last), ::testing::IsEmpty()) << "everything was acknowledged";
  ASSERT_EQ(stored(), last);
  ASSERT_GT(last, before + 50);
  for (const char* side : {"-wal", "-shm"}) std::filesystem::remove(deployment().database() + side);
  std::filesystem::rename(copy, deployment().database());
  start_both();
  expect_missing({{before + 1, last}});
}

}  // namespace
}  // namespace picket::test
