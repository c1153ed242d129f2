// The way from the store to an output: order, cursor, filter, failures, and what is told of it all.
#include "collector/export/runner.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "collector/store/sqlite_store.h"
#include "tests/support/receivers.h"
#include "tests/support/subprocess.h"
#include "tests/unit/metric_value.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Offered = std::vector<std::string>;  // ids, of one call

// Takes what `decide` says.
class FakeOutput final : public Output {
 public:
  using Decide = std::function<absl::StatusOr<Taken>(const Offered&)>;
  FakeOutput(Mailbox<Offered>& calls, Decide decide) : calls_(calls), decide_(std::move(decide)) {}

  absl::StatusOr<Taken> send(std::span<const StoredAlert> alerts, std::stop_token) override {
    Offered ids;
    for (const StoredAlert& one : alerts) ids.push_back(one.alert.id());
    auto taken = decide_(ids);
    calls_.put(std::move(ids));
    return taken;
  }

 private:
  Mailbox<Offered>& calls_;
  const Decide decide_;
};

class SharedClock final : public Clock {
 public:
  uint64_t boot_ns() const override { return now; }
  uint64_t wall_ns() const override { return now; }
  std::atomic<uint64_t> now = kTimeNs;
};

class Runner : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-run-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto opened = SqliteStore::open(folder_ / "collector.db", clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    writer_ = std::make_unique<Writer>(*store_, Writer::Options{}, metrics_);
    writer_->on_commit([this](const CommitOutcome& outcome) {
      const std::lock_guard lock(mutex_);
      if (runner_ && !outcome.new_alerts.empty()) runner_->wake(outcome.new_alerts.back().row);
    });
    writer_->start();
  }
  void TearDown() override {
    end();
    writer_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void begin(OutputRunner::Options options = {}, FakeOutput::Decide decide = take_all) {
    options.name = "siem";
    options.kind = "fake";
    options.first_backoff = milliseconds(1);
    options.last_backoff = milliseconds(4);
    options.commit_after = milliseconds(1);
    const std::lock_guard lock(mutex_);
    runner_ = std::make_unique<OutputRunner>(
        std::move(options), std::make_unique<FakeOutput>(calls_, std::move(decide)), *store_,
        *writer_, clock_, metrics_);
    runner_->start();
  }
  void end() {
    std::unique_ptr<OutputRunner> over;
    {
      const std::lock_guard lock(mutex_);
      over = std::move(runner_);
    }
  }
  // Until the store knows where this output begins.
  void wait_for_cursor(uint64_t row) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (cursor() != row && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    EXPECT_EQ(cursor(), row);
  }
  std::optional<uint64_t> cursor() { return *(*store_->reader())->output_cursor("siem"); }

  void store(NodeBatch batch) {
    std::promise<absl::Status> committed;
    ASSERT_TRUE(writer_->submit(std::move(batch),
                                [&](const auto& done) { committed.set_value(done.status()); }));
    const absl::Status status = committed.get_future().get();
    ASSERT_TRUE(status.ok()) << status;
  }
  // Alerts numbered by their sequence.
  void store(uint64_t first, uint64_t last) { store(alerts_batch(kNode, first, last)); }

  // What was offered first in each call, until there are so many calls.
  std::vector<Offered> calls(size_t count) { return calls_.wait_for(count, kDeadline); }
  // The ids of everything that a destination has which takes all; each once.
  Offered taken(size_t count) {
    const auto flat = [](const std::vector<Offered>& calls) {
      Offered ids;
      for (const Offered& call : calls) ids.insert(ids.end(), call.begin(), call.end());
      return ids;
    };
    return flat(calls_.wait_until([&](const auto& calls) { return flat(calls).size() >= count; },
                                  kDeadline));
  }
  static absl::StatusOr<Taken> take_all(const Offered& ids) { return Taken{ids.size()}; }
  static std::string id(uint64_t sequence) { return fmt::format("epoch-1-{}", sequence); }

  std::filesystem::path folder_;
  SharedClock clock_;
  MetricRegistry metrics_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Writer> writer_;
  std::mutex mutex_;  // of runner_
  std::unique_ptr<OutputRunner> runner_;
  Mailbox<Offered> calls_;
};

TEST_F(Runner, BeginsWithWhatComesAndGoesOnWhereItEnded) {
  store(1, 3);
  begin();
  wait_for_cursor(3);
  store(4, 5);
  EXPECT_THAT(taken(2), ElementsAre(id(4), id(5)));
  wait_for_cursor(5);
  end();
  store(6, 6);  // while nobody sends
  begin();
  EXPECT_THAT(taken(3), ElementsAre(id(4), id(5), id(6)));
}

TEST_F(Runner, BeginsWithTheOldestWhenAsked) {
  store(1, 3);
  begin({.from_oldest = true});
  EXPECT_THAT(taken(3), ElementsAre(id(1), id(2), id(3)));
}

TEST_F(Runner, NotesWhatWasTakenWhenItEnds) {
  begin({.look_again = kDeadline});
  wait_for_cursor(0);
  store(1, 2);
  EXPECT_EQ(taken(2).size(), 2U);
  end();
  EXPECT_EQ(cursor(), 2U);
}

TEST_F(Runner, OffersNoMoreThanAPage) {
  store(1, 10);
  begin({.from_oldest = true, .page_alerts = 4});
  const auto offered = calls(3);
  ASSERT_EQ(offered.size(), 3U);
  EXPECT_EQ(offered[0].size(), 4U);
  EXPECT_EQ(offered[2].size(), 2U);
  end();
  EXPECT_EQ(cursor(), 10U);
}

TEST_F(Runner, ReadsNoMoreBytesThanMayBeInMemory) {
  store(1, 3);
  begin({.from_oldest = true, .page_bytes = 1});
  const auto offered = calls(3);
  ASSERT_EQ(offered.size(), 3U);
  for (const Offered& call : offered) EXPECT_EQ(call.size(), 1U);
}

TEST_F(Runner, LeavesOutWhatTheFilterDoes) {
  std::vector<v1::Envelope> mixed;
  for (uint64_t i = 1; i <= 6; ++i) {
    v1::Alert alert = make_alert(id(i));
    alert.set_priority(i % 2 == 0 ? v1::PRIORITY_DEBUG : v1::PRIORITY_ERROR);
    mixed.push_back(envelope(i, std::move(alert)));
  }
  store(batch(kNode, std::move(mixed)));
  begin({.filter = {.least = v1::PRIORITY_WARNING}, .from_oldest = true});
  EXPECT_THAT(taken(3), ElementsAre(id(1), id(3), id(5)));
  wait_for_cursor(6);
  const v1::OutputHealth health = runner_->health();
  EXPECT_EQ(health.delivered(), 3U);
  EXPECT_EQ(health.lag_alerts(), 0U);
}

TEST_F(Runner, GoesOnBehindWhatWasTaken) {
  store(1, 5);
  begin({.from_oldest = true},
        [](const Offered& ids) { return Taken{std::min<size_t>(2, ids.size())}; });
  const auto offered = calls(3);
  ASSERT_EQ(offered.size(), 3U);
  EXPECT_EQ(offered[1].front(), id(3));
  EXPECT_THAT(offered[2], ElementsAre(id(5)));
}

TEST_F(Runner, TriesAgainInOrderAndIngestGoesOn) {
  std::atomic<bool> is_down = true;
  store(1, 1);
  begin({.from_oldest = true}, [&](const Offered& ids) -> absl::StatusOr<Taken> {
    if (is_down) return absl::UnavailableError("nobody listens");
    return Taken{ids.size()};
  });
  ASSERT_EQ(calls(3).size(), 3U);
  const uint64_t stored_ns = clock_.now;
  store(2, 4);
  clock_.now = stored_ns + 7'000'000'000;
  for (const Offered& call : calls(5)) EXPECT_EQ(call.front(), id(1));
  v1::OutputHealth health = runner_->health();
  EXPECT_TRUE(health.failing());
  EXPECT_EQ(health.last_error(), "nobody listens");
  EXPECT_EQ(health.lag_alerts(), 4U);
  EXPECT_EQ(health.lag_seconds(), 7U);
  EXPECT_FALSE(health.has_last_delivery());
  EXPECT_GE(metric_value(metrics_, "picket_output_failures_total{output=\"siem\"}"), 3);
  is_down = false;
  wait_for_cursor(4);
  health = runner_->health();
  EXPECT_FALSE(health.failing());
  EXPECT_EQ(health.lag_alerts(), 0U);
  EXPECT_EQ(health.lag_seconds(), 0U);
  EXPECT_EQ(health.last_error(), "nobody listens") << "what is over can still be read";
  EXPECT_TRUE(health.has_last_delivery());
}

TEST_F(Runner, CountsAndPassesWhatIsRefusedForGood) {
  store(1, 3);
  begin({.from_oldest = true}, [](const Offered& ids) {
    return ids.front() == id(2) ? Taken{1, 1, "HTTP 400"} : Taken{1};
  });
  wait_for_cursor(3);
  const v1::OutputHealth health = runner_->health();
  EXPECT_EQ(health.delivered(), 2U);
  EXPECT_EQ(health.refused(), 1U);
  EXPECT_EQ(health.last_error(), "HTTP 400");
  EXPECT_FALSE(health.failing());
  EXPECT_EQ(metric_value(metrics_, "picket_output_refused_total{output=\"siem\"}"), 1);
}

TEST_F(Runner, StopsWhileItWaitsToTryAgain) {
  store(1, 1);
  begin({.from_oldest = true},
        [](const Offered&) { return absl::UnavailableError("nobody listens"); });
  ASSERT_GE(calls(1).size(), 1U);
  end();
  EXPECT_EQ(cursor(), 0U);
}

TEST_F(Runner, FindsWhatAnotherReplicaHasStored) {
  begin({.look_again = milliseconds(1)});
  wait_for_cursor(0);
  // Without a word to this runner.
  ASSERT_TRUE(writer_
                  ->run_and_wait([](Store& store) {
                    const NodeBatch other = alerts_batch(kOtherNode, 1, 1);
                    return store.commit({&other, 1}).status();
                  })
                  .ok());
  EXPECT_THAT(taken(1), ElementsAre(id(1)));
}

TEST(OutputFilter, EveryConditionMustHold) {
  v1::Alert alert = make_alert("a");
  alert.set_rule("escape.core_pattern");
  alert.mutable_workspace()->mutable_pod()->set_namespace_("team-a");
  EXPECT_TRUE(OutputFilter{}.matches(alert));
  EXPECT_TRUE((OutputFilter{.rules = {"x", "escape.*"}}).matches(alert));
  EXPECT_FALSE((OutputFilter{.rules = {"escape"}}).matches(alert));
  EXPECT_TRUE((OutputFilter{.tags = {"T1059*"}}).matches(alert));
  EXPECT_FALSE((OutputFilter{.tags = {"T1611"}}).matches(alert));
  EXPECT_TRUE((OutputFilter{.namespaces = {"team-?"}}).matches(alert));
  EXPECT_FALSE((OutputFilter{.namespaces = {"team"}}).matches(alert));
  EXPECT_TRUE((OutputFilter{.workspaces = {"dev-*"}}).matches(alert));
  EXPECT_TRUE((OutputFilter{.workspaces = {"aabbccddeeff0011"}}).matches(alert));
  EXPECT_FALSE((OutputFilter{.rules = {"escape.*"}, .namespaces = {"b"}}).matches(alert));
  EXPECT_TRUE((OutputFilter{.least = v1::PRIORITY_CRITICAL}).matches(alert));
  EXPECT_FALSE((OutputFilter{.least = v1::PRIORITY_ALERT}).matches(alert));
  alert.set_priority(v1::PRIORITY_UNSPECIFIED);
  EXPECT_TRUE((OutputFilter{.least = v1::PRIORITY_ALERT}).matches(alert));
  alert.set_shadow(true);
  EXPECT_FALSE(OutputFilter{}.matches(alert)) << "a rule on trial claims nothing";
  EXPECT_TRUE((OutputFilter{.shadow = true}).matches(alert));
}

}  // namespace
}  // namespace picket::test
