// The writer's promises: told after the commit, one bad batch harms no other, nothing accepted is
// left behind; and the feed's: who is slow is cut off.
#include "collector/store/writer.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>

#include "collector/query/alert_feed.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using testing::ElementsAre;

// Remembers, holds up or refuses commits as the test asks.
class ScriptedStore final : public Store {
 public:
  absl::StatusOr<CommitOutcome> commit(std::span<const NodeBatch> batches) override {
    std::unique_lock lock(mutex_);
    ++started_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    CommitOutcome outcome;
    size_t rows = 0;
    for (const NodeBatch& batch : batches) {
      if (batch.node == "bad") return absl::InternalError("cannot store this");
      rows += static_cast<size_t>(batch.batch.envelopes_size());
      outcome.committed.push_back(
          batch.batch.envelopes(batch.batch.envelopes_size() - 1).sequence());
    }
    sizes.push_back(rows);
    return outcome;
  }
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void wait_for_commit() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_ > 0; });
  }

  absl::StatusOr<Greeting> greet(const NodeHello&) override { return Greeting{}; }
  absl::Status node_left(const std::string&) override { return absl::OkStatus(); }
  absl::StatusOr<v1::AuditEntry> append_audit(v1::AuditEntry entry) override { return entry; }
  absl::Status add_command(const std::string&, const v1::Command&) override {
    return absl::OkStatus();
  }
  absl::Status close_command(const std::string&, CommandState) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<OpenCommand>> open_commands() override {
    return std::vector<OpenCommand>{};
  }
  absl::Status add_bundle(const RuleBundle&) override { return absl::OkStatus(); }
  absl::Status remove_bundle(const std::string&) override { return absl::OkStatus(); }
  absl::Status set_policy(const v1::FleetPolicy&) override { return absl::OkStatus(); }
  std::unique_ptr<OutputTurn> output_turn(const std::string&) override { return nullptr; }
  absl::StatusOr<std::unique_ptr<StoreReader>> reader() const override {
    return absl::UnimplementedError("a scripted store is not read");
  }

  std::vector<size_t> sizes;  // of the commits; to be read after the writer has stopped

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  int started_ = 0;
};

class WriterTest : public testing::Test {
 protected:
  Writer::Committed remember() {
    return [this](absl::StatusOr<uint64_t> last) { answers_.push_back(std::move(last)); };
  }
  MetricRegistry registry_;
  ScriptedStore store_;
  std::vector<absl::StatusOr<uint64_t>> answers_;
};

TEST_F(WriterTest, TellsTheSenderOnlyAfterTheCommit) {
  Writer writer(store_, {}, registry_);
  store_.hold();
  std::atomic<bool> released = false, told_early = false;
  ASSERT_TRUE(writer.submit(alerts_batch(kNode, 1, 1),
                            [&](const absl::StatusOr<uint64_t>&) { told_early = !released; }));
  writer.start();
  store_.wait_for_commit();
  released = true;
  store_.release();
  writer.stop();
  EXPECT_FALSE(told_early);
  EXPECT_THAT(store_.sizes, ElementsAre(1));
}

TEST_F(WriterTest, CommitsTogetherWhatWaitedTogether) {
  Writer writer(store_, {}, registry_);
  for (uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(writer.submit(alerts_batch(kNode, i, i), remember()));
  }
  writer.start();
  writer.stop();
  EXPECT_THAT(store_.sizes, ElementsAre(3));
  ASSERT_EQ(answers_.size(), 3U);
  EXPECT_EQ(*answers_[2], 3U);
}

TEST_F(WriterTest, ACommitEndsAtItsRows) {
  Writer writer(store_, {.max_rows = 4}, registry_);
  for (uint64_t i = 1; i <= 6; ++i) {
    ASSERT_TRUE(writer.submit(alerts_batch(kNode, 2 * i - 1, 2 * i), remember()));
  }
  writer.start();
  writer.stop();
  EXPECT_THAT(store_.sizes, ElementsAre(4, 4, 4));
}

TEST_F(WriterTest, WhatIsNotUrgentWaitsForMoreAndIsStoredAtTheEnd) {
  Writer writer(store_, {.max_wait = std::chrono::hours(1)}, registry_);
  ASSERT_TRUE(writer.submit(batch(kNode, {coverage_envelope(1)}), remember()));
  ASSERT_TRUE(writer.submit(batch(kNode, {coverage_envelope(2)}), remember()));
  writer.start();
  writer.stop();
  EXPECT_THAT(store_.sizes, ElementsAre(2));
  EXPECT_EQ(answers_.size(), 2U);
}

TEST_F(WriterTest, ABatchThatCannotBeStoredHarmsNoOther) {
  Writer writer(store_, {}, registry_);
  ASSERT_TRUE(writer.submit(alerts_batch(kNode, 1, 1), remember()));
  ASSERT_TRUE(writer.submit(alerts_batch("bad", 1, 1), remember()));
  ASSERT_TRUE(writer.submit(alerts_batch(kOtherNode, 1, 1), remember()));
  writer.start();
  writer.stop();
  ASSERT_EQ(answers_.size(), 3U);
  EXPECT_TRUE(answers_[0].ok());
  EXPECT_EQ(answers_[1].status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(answers_[2].ok());
}

TEST_F(WriterTest, TasksRunBetweenCommitsInTheirOrder) {
  Writer writer(store_, {}, registry_);
  size_t seen = 0;
  ASSERT_TRUE(writer.submit(alerts_batch(kNode, 1, 1), remember()));
  ASSERT_TRUE(writer.run([&](Store&) { seen = store_.sizes.size(); }));
  ASSERT_TRUE(writer.submit(alerts_batch(kNode, 2, 2), remember()));
  writer.start();
  writer.stop();
  EXPECT_EQ(seen, 1U);
  EXPECT_THAT(store_.sizes, ElementsAre(1, 1));
}

TEST_F(WriterTest, AFullQueueRefuses) {
  Writer writer(store_, {.queue = 1}, registry_);
  EXPECT_TRUE(writer.submit(alerts_batch(kNode, 1, 1), remember()));
  EXPECT_FALSE(writer.submit(alerts_batch(kNode, 2, 2), remember()));
  EXPECT_FALSE(writer.run([](Store&) {}));
  writer.start();
  writer.stop();
  EXPECT_FALSE(writer.submit(alerts_batch(kNode, 3, 3), remember()));
  EXPECT_EQ(answers_.size(), 1U);
}

CommitOutcome alerts(uint64_t first, uint64_t last) {
  CommitOutcome outcome;
  for (uint64_t row = first; row <= last; ++row) {
    outcome.new_alerts.push_back({row, make_alert(fmt::format("a{}", row))});
  }
  return outcome;
}

TEST(AlertFeedTest, CutsOffWhoDoesNotKeepUp) {
  AlertFeed feed;
  int woken = 0;
  const auto slow = std::make_shared<Subscription>(4, [&] { ++woken; });
  const auto fast = std::make_shared<Subscription>(4, [] {});
  ASSERT_TRUE(feed.subscribe(slow));
  ASSERT_TRUE(feed.subscribe(fast));
  feed.publish(alerts(1, 3));
  for (int i = 0; i < 3; ++i) EXPECT_NE(fast->take(), nullptr);
  feed.publish(alerts(4, 6));
  EXPECT_EQ(slow->state(), Subscription::State::overflowed);
  EXPECT_EQ(slow->take(), nullptr);  // what is left out must not look complete
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(fast->state(), Subscription::State::open);
  EXPECT_EQ(fast->take()->row, 4U);
}

TEST(AlertFeedTest, AnEmptyQueueTakesACommitOfAnySize) {
  AlertFeed feed;
  const auto one = std::make_shared<Subscription>(2, [] {});
  ASSERT_TRUE(feed.subscribe(one));
  feed.publish(alerts(1, 10));
  EXPECT_EQ(one->state(), Subscription::State::open);
}

TEST(AlertFeedTest, ClosingWakesEverybodyAndTakesNobodyNew) {
  AlertFeed feed;
  bool woken = false;
  const auto one = std::make_shared<Subscription>(2, [&] { woken = true; });
  ASSERT_TRUE(feed.subscribe(one));
  feed.close();
  EXPECT_TRUE(woken);
  EXPECT_EQ(one->state(), Subscription::State::closed);
  EXPECT_FALSE(feed.subscribe(one));
}

}  // namespace
}  // namespace picket::test
