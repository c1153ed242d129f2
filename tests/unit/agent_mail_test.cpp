// Mail to the pipeline while its mailbox is full: nothing is lost without a word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "agent/app/collector_mail.h"
#include "agent/app/responder_thread.h"

namespace picket {
namespace {

struct SetClock final : Clock {
  uint64_t boot_ns() const override { return now_ns; }
  uint64_t wall_ns() const override { return 1'000'000 + now_ns; }
  uint64_t now_ns = 100;
};

class CollectorMailTest : public ::testing::Test {
 protected:
  const DeliveryLoss& loss(size_t at) const { return std::get<DeliveryLoss>(posted_.at(at)); }

  SetClock clock_;
  bool full_ = false;
  std::vector<Mail> posted_;
  std::vector<v1::Envelope> published_;
  CollectorMail mail_{
      clock_, "/no/such/spool",
      [this](Mail mail) {
        if (!full_) posted_.push_back(std::move(mail));
        return !full_;
      },
      [this](v1::Envelope envelope, Priority) { published_.push_back(std::move(envelope)); }};
};

TEST_F(CollectorMailTest, AnOrderThatFindsNoRoomIsAnswered) {
  v1::Command order;
  order.set_id("c-1");
  order.set_action(v1::ACTION_FREEZE);
  order.set_workspace_id("one");
  mail_.on_command(order);
  EXPECT_EQ(posted_.size(), 1u);
  EXPECT_TRUE(published_.empty());
  full_ = true;
  mail_.on_command(order);
  ASSERT_EQ(published_.size(), 1u);
  const v1::CommandResult& result = published_[0].result();
  EXPECT_EQ(result.command_id(), "c-1");
  EXPECT_EQ(result.action(), v1::ACTION_FREEZE);
  EXPECT_EQ(result.workspace_id(), "one");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.detail(), "too many messages wait in the agent");
}

TEST_F(CollectorMailTest, ALossThatFindsNoRoomIsKept) {
  full_ = true;
  EXPECT_TRUE(mail_.settle(200));
  clock_.now_ns = 300;
  mail_.on_loss({2, "outbox", 0, 0});
  clock_.now_ns = 400;
  mail_.on_loss({3, "outbox", 0, 0});
  mail_.on_loss({4, "spool", 10, 13});
  EXPECT_FALSE(mail_.settle(500)) << "an agent that died now would never tell it";
  full_ = false;
  EXPECT_TRUE(mail_.settle(600));
  ASSERT_EQ(posted_.size(), 2u);
  EXPECT_EQ(loss(0).count, 5u);
  EXPECT_EQ(loss(0).from_ns, 200u) << "all before was committed";
  EXPECT_EQ(loss(0).to_ns, 400u);
  EXPECT_EQ(loss(1).first_sequence, 10u);
  EXPECT_EQ(loss(1).last_sequence, 13u);
}

TEST_F(CollectorMailTest, ADamagedSpoolHoldsNothingOlderThanItself) {
  const auto file =
      std::filesystem::temp_directory_path() / ("picket-damaged-" + std::to_string(getpid()));
  const auto wall_ns = [] {
    return static_cast<uint64_t>(
        std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
  };
  constexpr uint64_t kCoarse = 20'000'000;  // a file's times are those of the last tick
  const uint64_t before = wall_ns();
  std::ofstream(file) << "x";
  const uint64_t after = wall_ns();
  mail_.on_loss({0, "damaged spool " + file.string(), 0, 0});
  std::filesystem::remove(file);
  ASSERT_EQ(posted_.size(), 1u);
  EXPECT_EQ(loss(0).count, 0u);
  const uint64_t from_wall_ns = loss(0).from_ns + 1'000'000;
  if (loss(0).from_ns == 100) GTEST_SKIP() << "this file system does not tell when a file was made";
  EXPECT_GE(from_wall_ns + kCoarse, before);
  EXPECT_LE(from_wall_ns, after);
}

TEST(ResponderThread, AnAnswerIsOfferedUntilItIsTaken) {
  struct Done final : Responder {
    Response carry_out(const Verdict& verdict) override {
      return {verdict, absl::OkStatus(), "done", {}};
    }
  } done;
  BoundedQueue<Response> taken(1);
  std::atomic<int> offered = 0;
  ResponderThread thread(
      done, [&](const Response& response) { return ++offered > 3 && taken.push(response); });
  thread.start();
  EXPECT_TRUE(thread.order({}));
  const auto response = taken.pop(std::chrono::seconds(10));
  thread.stop();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->detail, "done");
}

TEST(ResponderThread, NobodyWaitsForAnAnswerAtTheEnd) {
  struct Done final : Responder {
    Response carry_out(const Verdict& verdict) override {
      return {verdict, absl::OkStatus(), "done", {}};
    }
  } done;
  ResponderThread thread(done, [](const Response&) { return false; });
  thread.start();
  EXPECT_TRUE(thread.order({}));
  thread.stop();
}

}  // namespace
}  // namespace picket
