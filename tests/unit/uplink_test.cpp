// Delivery to a collector that is away, lies, or breaks off.
#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>

#include <fstream>

#include "tests/unit/uplink_fixture.h"

namespace picket {
namespace {

// The process-wide TLS setting comes before everything of gRPC; the authority goes at the end.
class Process : public testing::Environment {
  void SetUp() override { require_tls13(); }
  void TearDown() override { std::filesystem::remove_all(pki().folder()); }
};
[[maybe_unused]] const auto* const process = testing::AddGlobalTestEnvironment(new Process);

TEST_F(UplinkTest, DeliversInOrderAndForgetsWhatIsAcknowledged) {
  collector_.start();
  start();
  publish(1, 2000);
  uplink_->stop(seconds(60));
  expect_exactly_once(2000, epoch_);
  const auto state = collector_.state();
  EXPECT_EQ(state.received.size(), 2000U) << "nothing was sent twice";
  EXPECT_EQ(state.peers.front(), "spiffe://picket/node/n1");
  EXPECT_EQ(state.hellos.front().agent_version(), "test");
  EXPECT_EQ(spooled_.size(), 2000U);
  EXPECT_EQ(spooled_.back(), (std::pair<uint64_t, std::string>(2000, "2000")));
  EXPECT_EQ(metric("picket_uplink_sent_total"), 2000);
  EXPECT_EQ(left_in_spool(), 0U);
}

TEST_F(UplinkTest, DeliversTextOfAnyBytes) {
  collector_.start();
  start();
  v1::Envelope envelope;
  envelope.mutable_alert()->set_id("1");
  envelope.mutable_alert()->mutable_process()->set_cmdline("sh -c \xff");
  ASSERT_TRUE(uplink_->publish(std::move(envelope), 0));
  uplink_->stop(seconds(60));
  expect_exactly_once(1, epoch_);
  EXPECT_EQ(collector_.state().committed.at(epoch_)[0].alert().process().cmdline(),
            "sh -c \xef\xbf\xbd");
}

TEST_F(UplinkTest, SendsAgainWhatWasNotCommittedWhenTheStreamBroke) {
  collector_.set({.commit = false, .drop_after = 300});
  collector_.start();
  start();
  publish(1, 500);
  ASSERT_TRUE(collector_.wait_until(hellos(2)));
  collector_.set({});
  collector_.stop();  // the second stream too may have begun with commit off
  collector_.start();
  ASSERT_TRUE(collector_.wait_until(committed(500)));
  uplink_->stop(seconds(60));
  expect_exactly_once(500, epoch_);
  EXPECT_GE(collector_.state().received.size(), 800U);
}

TEST_F(UplinkTest, DoesNotSendAgainWhatWasCommittedButNeverAcknowledged) {
  collector_.set({.acknowledge = false, .drop_after = 300});
  collector_.start();
  start();
  publish(1, 500);
  ASSERT_TRUE(collector_.wait_until(committed(500)));
  expect_exactly_once(500, epoch_);
  EXPECT_EQ(collector_.state().hellos.size(), 2U);
  // Only what was on the way in the batch that was cut off came twice.
  EXPECT_LE(collector_.state().received.size(), 500U + options_.batch_items);
}

TEST_F(UplinkTest, DeliversWhatWasPublishedWhileTheCollectorWasAway) {
  collector_.start();
  start();
  publish(1, 10);
  ASSERT_TRUE(collector_.wait_until(committed(10)));
  collector_.stop();
  publish(11, 200);
  ASSERT_TRUE(wait([&] { return spooled_.size() == 200; }));
  collector_.start();
  uplink_->stop(seconds(60));
  expect_exactly_once(200, epoch_);
}

TEST_F(UplinkTest, ACheckpointIsSettledByTheSpoolNotByTheCollector) {
  collector_.start();
  collector_.stop();  // nobody listens
  start();
  publish(1, 1000);  // several appends
  uplink_->checkpoint(77);
  publish(1001, 1100);
  ASSERT_TRUE(wait([&] { return !settled_.empty(); }));
  EXPECT_EQ(settled_.front().first, 77U);
  EXPECT_GE(settled_.front().second, 1000U);
  uplink_->checkpoint(88);
  uplink_->stop(milliseconds(0));
  EXPECT_EQ(settled_.back(), (std::pair<uint64_t, size_t>(88, 1100)));
}

TEST_F(UplinkTest, DeliversAfterARestartWhatTheAgentBeforeCouldNot) {
  collector_.start();
  collector_.stop();  // nobody listens, but the port is known
  start();
  const std::string epoch = epoch_;
  publish(1, 100);
  uplink_->stop(milliseconds(0));
  EXPECT_EQ(left_in_spool(), 100U);
  collector_.start();
  start();
  EXPECT_EQ(epoch_, epoch);
  publish(101, 120);
  uplink_->stop(seconds(60));
  expect_exactly_once(120, epoch);
  EXPECT_EQ(collector_.state().hellos.front().first_sequence(), 1U);
}

TEST_F(UplinkTest, RefusesWhatIsPublishedAfterTheStop) {
  collector_.start();
  start();
  uplink_->stop(seconds(60));
  EXPECT_FALSE(uplink_->publish({}, 0));
}

TEST_F(UplinkTest, HandsOverCommands) {
  collector_.start();
  start();
  v1::Command command;
  command.set_action(v1::ACTION_KILL);
  for (const char* id : {"c1", "c2"}) {
    command.set_id(id);
    ASSERT_TRUE(collector_.send(command));
  }
  ASSERT_TRUE(wait([&] { return commands_.size() == 2; }));
  EXPECT_EQ(commands_[0].id(), "c1");
  EXPECT_EQ(commands_[1].id(), "c2");
  EXPECT_EQ(commands_[1].action(), v1::ACTION_KILL);
}

TEST_F(UplinkTest, GivesUpAStreamThatAcknowledgesWhatWasNeverSent) {
  collector_.set({.commit = false, .lie = 1'000'000});
  collector_.start();
  start();
  publish(1, 50);
  ASSERT_TRUE(collector_.wait_until(hellos(2)));
  collector_.set({});
  collector_.stop();
  collector_.start();
  ASSERT_TRUE(collector_.wait_until(committed(50)));
  expect_exactly_once(50, epoch_);
}

TEST_F(UplinkTest, BeginsANewEpochWhenTheCollectorKnowsMoreThanTheSpool) {
  collector_.set({.lie_in_greeting = 777});
  collector_.start();
  start();
  publish(1, 50);
  ASSERT_TRUE(collector_.wait_until(committed(50)));
  const auto state = collector_.state();
  ASSERT_GE(state.hellos.size(), 2U);
  EXPECT_NE(state.hellos.back().epoch(), epoch_);
  expect_exactly_once(50, state.hellos.back().epoch());
}

TEST_F(UplinkTest, TellsWhatAFullSpoolDropped) {
  collector_.start();
  collector_.stop();
  spool_options_.max_bytes = 1000;
  start();
  publish(1, 1000, 7);
  publish(1001, 1010, 2);
  ASSERT_TRUE(wait([&] { return spooled_.size() == 1010; }));
  collector_.start();
  ASSERT_TRUE(collector_.wait_until([](const FakeCollector::State& state) {
    return !state.received.empty() && state.received.back().alert().id() == "1010";
  }));
  ASSERT_TRUE(wait([&] {
    uint64_t lost = 0;
    for (const UplinkLoss& loss : losses_) lost += loss.where == "spool" ? loss.count : 0;
    return lost + collector_.state().received.size() == 1010;
  })) << "what is neither told nor delivered vanished";
  const std::lock_guard lock(mutex_);
  EXPECT_GE(losses_.front().first_sequence, 1U);
  EXPECT_LE(losses_.back().last_sequence, 1000U) << "the severe ones stay";
}

TEST_F(UplinkTest, TellsOfADamagedSpoolAtStart) {
  std::ofstream(folder_ / "spool.db") << "this is no database, however long you look at it";
  collector_.start();
  start();
  ASSERT_TRUE(wait([&] { return !losses_.empty(); }));
  EXPECT_THAT(losses_.front().where, testing::StartsWith("damaged spool /"));
  publish(1, 5);
  uplink_->stop(seconds(60));
  expect_exactly_once(5, epoch_);
}

// Answers every call with bytes that are no message.
class Garbage final : public grpc::CallbackGenericService {
 public:
  std::atomic<int> calls{0};

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor() {
      const grpc::Slice slice(std::string("\xff\xff\xff\xff no message", 15));
      garbage_ = grpc::ByteBuffer(&slice, 1);
      StartWrite(&garbage_);
    }
    void OnWriteDone(bool) override { Finish(grpc::Status::OK); }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer garbage_;
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    ++calls;
    return new Reactor;
  }
};

TEST_F(UplinkTest, CountsGarbageFromTheCollectorAndTriesAgain) {
  collector_.start();
  collector_.stop();
  Garbage garbage;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(collector_.address(), server_credentials(pki().files("collector")));
  builder.RegisterCallbackGenericService(&garbage);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  start();
  publish(1, 20);
  while (metric("picket_uplink_failures_total") < 3) std::this_thread::yield();
  EXPECT_GE(garbage.calls, 3);
  EXPECT_FALSE(uplink_->connected());
  server->Shutdown(std::chrono::system_clock::now());
  server.reset();
  collector_.start();
  uplink_->stop(seconds(60));
  expect_exactly_once(20, epoch_);
}

TEST_F(UplinkTest, AnOperatorsCertificateIsNoAgents) {
  collector_.start();
  start("alice");
  publish(1, 1);
  while (metric("picket_uplink_failures_total") < 2) std::this_thread::yield();
  EXPECT_FALSE(uplink_->connected());
  EXPECT_TRUE(collector_.state().hellos.empty());
  EXPECT_EQ(left_in_spool(), 1U);
}

}  // namespace
}  // namespace picket
