// Rows of several collectors as one sequence: the order, the newest of all, who fails, who waits.
#include "collector/cli/merge.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <future>

namespace picket {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// As a source that has all at once.
RowSource source(std::vector<std::pair<std::string, uint64_t>> rows,
                 absl::Status status = absl::OkStatus()) {
  return {[rows, status](RowSink& sink) {
            for (const auto& [text, time_ns] : rows)
              if (!sink.add(Row(text, time_ns))) return absl::OkStatus();
            return status;
          },
          [] {}};
}

struct Seen {
  std::vector<std::string> rows;  // "SOURCE TEXT"
  std::vector<std::string> notes;
  std::vector<std::pair<size_t, absl::Status>> ended;
};

Seen merged(const std::vector<RowSource>& sources, const MergeOptions& options = {},
            size_t enough = SIZE_MAX) {
  Seen seen;
  merge_rows(sources, options,
             {[&](size_t i, Row& row) {
                seen.rows.push_back(fmt::format("{} {}", i, std::get<std::string>(row.content)));
                return seen.rows.size() < enough;
              },
              [&](size_t i, const std::string& words) {
                seen.notes.push_back(fmt::format("{} {}", i, words));
              },
              [&](size_t i, const absl::Status& status) { seen.ended.emplace_back(i, status); }});
  return seen;
}

TEST(Merge, GoesByTimeAndThenByTheSourcesOrder) {
  const Seen seen = merged({source({{"a", 1}, {"c", 3}, {"e", 5}, {"f", 5}}),
                            source({{"b", 2}, {"d", 4}, {"g", 5}, {"h", 9}}), source({})});
  EXPECT_THAT(seen.rows, ElementsAre("0 a", "1 b", "0 c", "1 d", "0 e", "0 f", "1 g", "1 h"));
  EXPECT_EQ(seen.ended.size(), 3U);
}

TEST(Merge, RowsOfNoTimeComeSourceBySource) {
  EXPECT_THAT(merged({source({{"z", 0}, {"a", 0}}), source({{"m", 0}})}).rows,
              ElementsAre("0 z", "0 a", "1 m"));
  EXPECT_THAT(merged({}).rows, IsEmpty());
}

// What comes late from one source belongs before what the other has had for long.
TEST(Merge, WaitsForWhoMayHaveSomethingOlder) {
  std::promise<void> other_is_done;
  const RowSource late{[&](RowSink& rows) {
                         other_is_done.get_future().wait();
                         rows.add(Row(std::string("old"), 1));
                         return absl::OkStatus();
                       },
                       [] {}};
  const RowSource early{[&](RowSink& rows) {
                          rows.add(Row(std::string("new"), 2));
                          other_is_done.set_value();
                          return absl::OkStatus();
                        },
                        [] {}};
  EXPECT_THAT(merged({early, late}).rows, ElementsAre("1 old", "0 new"));
}

TEST(Merge, TheNewestAreThoseOfAll) {
  const std::vector<RowSource> sources{source({{"a", 1}, {"c", 3}, {"e", 5}}),
                                       source({{"b", 2}, {"d", 4}, {"f", 6}})};
  EXPECT_THAT(merged(sources, {.newest = 3}).rows, ElementsAre("1 d", "0 e", "1 f"));
  EXPECT_THAT(merged(sources, {.newest = 100}).rows.size(), 6U);
  EXPECT_THAT(merged({source({{"a", 1}, {"b", 2}}), source({})}, {.newest = 1}).rows,
              ElementsAre("0 b"));
}

TEST(Merge, AFailureHidesNobody) {
  const Seen seen = merged({source({{"a", 1}}, absl::UnavailableError("gone")),
                            source({{"b", 2}, {"c", 3}}), source({}, absl::NotFoundError("no"))});
  EXPECT_THAT(seen.rows, ElementsAre("0 a", "1 b", "1 c"));
  ASSERT_EQ(seen.ended.size(), 3U);
  for (const auto& [i, status] : seen.ended)
    EXPECT_EQ(status.code(), i == 0   ? absl::StatusCode::kUnavailable
                             : i == 1 ? absl::StatusCode::kOk
                                      : absl::StatusCode::kNotFound);
}

// As they come: one that has nothing holds nobody up, and an end is told while others go on.
TEST(Merge, AWatchWaitsForNobody) {
  std::promise<void> silent_may_end, talker_may_end;
  const RowSource silent{[&](RowSink& rows) {
                           rows.note("watching");
                           silent_may_end.get_future().wait();
                           return absl::UnavailableError("gone");
                         },
                         [] {}};
  const RowSource talker{[&](RowSink& rows) {
                           rows.add(Row(std::string("second"), 2));
                           rows.add(Row(std::string("first"), 1));
                           talker_may_end.get_future().wait();
                           rows.add(Row(std::string("last"), 0));
                           return absl::OkStatus();
                         },
                         [] {}};
  std::vector<std::string> seen;
  merge_rows({silent, talker}, {.by_time = false},
             {[&](size_t, Row& row) {
                seen.push_back(std::get<std::string>(row.content));
                if (seen.back() == "first") silent_may_end.set_value();
                return true;
              },
              [&](size_t i, const std::string& words) {
                EXPECT_EQ(fmt::format("{} {}", i, words), "0 watching");
              },
              [&](size_t i, const absl::Status& status) {
                seen.push_back(fmt::format("{} ended: {}", i, std::string(status.message())));
                if (i == 0) talker_may_end.set_value();
              }});
  EXPECT_THAT(seen, ElementsAre("second", "first", "0 ended: gone", "last", "1 ended: "));
}

TEST(Merge, WhoHasEnoughEndsTheSources) {
  std::promise<void> cancelled;
  std::atomic<uint64_t> added = 0;
  const RowSource endless{[&](RowSink& rows) {
                            while (rows.add(Row(std::string("x"), ++added))) {
                            }
                            return absl::OkStatus();
                          },
                          [] {}};
  const RowSource waiting{[&](RowSink& rows) {
                            rows.add(Row(std::string("w"), 1000));
                            cancelled.get_future().wait();
                            EXPECT_FALSE(rows.add(Row(std::string("w"), 1001)));
                            return absl::CancelledError("");
                          },
                          [&] { cancelled.set_value(); }};
  const Seen seen = merged({endless, waiting}, {}, 10);
  EXPECT_EQ(seen.rows.size(), 10U);
  EXPECT_THAT(seen.ended, IsEmpty());
}

// A source waits for the reader instead of filling the memory.
TEST(Merge, NobodyRunsFarAhead) {
  constexpr uint64_t kRows = 5000, kMost = 1000;
  std::atomic<uint64_t> added = 0, read = 0;
  const RowSource many{[&](RowSink& rows) {
                         for (uint64_t i = 1; i <= kRows; ++i) {
                           added = i;
                           rows.add(Row(std::string("x"), i));
                           EXPECT_LE(added - read, kMost);
                         }
                         return absl::OkStatus();
                       },
                       [] {}};
  merge_rows({many}, {},
             {[&](size_t, Row&) { return ++read != 0; }, [](size_t, const std::string&) {},
              [](size_t, const absl::Status&) {}});
  EXPECT_EQ(read, kRows);
}

}  // namespace
}  // namespace picket
