#include "agent/uplink/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace picket {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

Outgoing outgoing(const std::string& id, uint8_t priority) {
  Outgoing item;
  item.envelope.mutable_alert()->set_id(id);
  item.priority = priority;
  return item;
}

std::vector<std::string> ids(const Outbox::Taken& taken) {
  std::vector<std::string> ids;
  for (const Outgoing& item : taken.items) ids.push_back(item.envelope.alert().id());
  return ids;
}

v1::Ack ack(uint64_t sequence) {
  v1::Ack ack;
  ack.set_sequence(sequence);
  return ack;
}

TEST(Outbox, KeepsTheOrderOfPublishingAcrossPriorities) {
  Outbox outbox(10);
  for (const auto& [id, priority] :
       std::vector<std::pair<std::string, uint8_t>>{{"a", 6}, {"b", 1}, {"c", 200}, {"d", 6}}) {
    EXPECT_TRUE(outbox.publish(outgoing(id, priority)));
  }
  EXPECT_THAT(ids(outbox.take(milliseconds(0), 3)), ElementsAre("a", "b", "c"));
  EXPECT_EQ(outbox.depth(), 1U);
  EXPECT_THAT(ids(outbox.take(milliseconds(0), 3)), ElementsAre("d"));
}

TEST(Outbox, FullMeansTheOldestOfTheLeastSevereGoes) {
  Outbox outbox(3);
  outbox.publish(outgoing("notice.1", 6));
  outbox.publish(outgoing("notice.2", 6));
  outbox.publish(outgoing("critical.3", 3));
  EXPECT_TRUE(outbox.publish(outgoing("critical.4", 3)));
  EXPECT_FALSE(outbox.publish(outgoing("notice.5", 6)));
  EXPECT_TRUE(outbox.publish(outgoing("alert.6", 2)));
  EXPECT_FALSE(outbox.publish(outgoing("critical.7", 3)));
  EXPECT_EQ(outbox.lost(), 4U);
  EXPECT_THAT(ids(outbox.take(milliseconds(0), 10)),
              ElementsAre("critical.3", "critical.4", "alert.6"));
}

TEST(Outbox, WaitsForWhatItMayTakeOnly) {
  Outbox outbox(3);
  outbox.publish(outgoing("a", 6));
  // Were the item enough to end the wait, this would come back with nothing.
  std::thread stream([&] { outbox.report(StreamWritten{}); });
  const Outbox::Taken taken = outbox.take(std::chrono::hours(1), 0);
  stream.join();
  EXPECT_EQ(taken.reports.size(), 1U);
  EXPECT_TRUE(taken.items.empty());
  EXPECT_EQ(outbox.depth(), 1U);
}

TEST(Outbox, AnAcknowledgementReplacesTheOneBefore) {
  Outbox outbox(3);
  outbox.report(ack(1));
  outbox.report(ack(5));
  outbox.report(StreamWritten{});
  outbox.report(ack(9));
  const auto reports = outbox.take(milliseconds(0), 0).reports;
  ASSERT_EQ(reports.size(), 3U);
  EXPECT_EQ(std::get<v1::Ack>(reports[0]).sequence(), 5U);
  EXPECT_EQ(std::get<v1::Ack>(reports[2]).sequence(), 9U);
}

TEST(Outbox, RefusesAFloodOfCommandsButNotWhatEndsTheStream) {
  Outbox outbox(3);
  size_t accepted = 0;
  while (outbox.report(v1::Command())) ++accepted;
  EXPECT_GT(accepted, 100U);
  EXPECT_EQ(outbox.commands_refused(), 1U);
  EXPECT_TRUE(outbox.report(StreamDone{"end"}));
  EXPECT_EQ(outbox.take(milliseconds(0), 0).reports.size(), accepted + 1);
  EXPECT_TRUE(outbox.report(v1::Command()));
}

TEST(Outbox, ACheckpointComesBackBehindEverythingPublishedBefore) {
  Outbox outbox(3);
  outbox.publish(outgoing("a", 6));
  outbox.publish(outgoing("b", 1));
  outbox.checkpoint(100);
  outbox.publish(outgoing("c", 1));
  outbox.checkpoint(200);
  outbox.checkpoint(300);
  EXPECT_EQ(outbox.take(milliseconds(0), 0).checkpoint, std::nullopt);
  EXPECT_EQ(outbox.take(milliseconds(0), 1).checkpoint, std::nullopt);
  EXPECT_EQ(outbox.take(milliseconds(0), 1).checkpoint, 100U);
  EXPECT_EQ(outbox.take(milliseconds(0), 1).checkpoint, 300U) << "the last one says it all";
  EXPECT_EQ(outbox.take(milliseconds(0), 1).checkpoint, std::nullopt) << "once";
  outbox.checkpoint(400);
  EXPECT_EQ(outbox.take(std::chrono::hours(1), 1).checkpoint, 400U) << "ends the wait by itself";
}

TEST(Outbox, WhatWasDisplacedHoldsNoCheckpointBack) {
  Outbox outbox(1);
  outbox.publish(outgoing("notice", 6));
  outbox.checkpoint(100);
  outbox.publish(outgoing("critical", 3));
  EXPECT_EQ(outbox.take(milliseconds(0), 0).checkpoint, 100U);
  EXPECT_EQ(outbox.lost(), 1U);
}

TEST(Outbox, TooManyCheckpointsKeepTheLatest) {
  Outbox outbox(1);
  outbox.publish(outgoing("a", 6));
  for (uint64_t value = 1; value <= 1000; ++value) outbox.checkpoint(value);
  EXPECT_EQ(outbox.take(milliseconds(0), 1).checkpoint, 1000U);
}

TEST(Outbox, RefusesEverythingOnceClosed) {
  Outbox outbox(3);
  outbox.publish(outgoing("a", 6));
  outbox.close();
  EXPECT_FALSE(outbox.publish(outgoing("b", 0)));
  EXPECT_EQ(outbox.lost(), 1U);
  EXPECT_THAT(ids(outbox.take(milliseconds(0), 10)), ElementsAre("a"));
}

TEST(Outbox, OnlyTheNewestBundleOfRulesWaits) {
  Outbox outbox(1);
  for (const char* id : {"a", "b"}) outbox.report(OfferedRules{id, "bytes"});
  outbox.report(StreamWritten{});
  const Outbox::Taken taken = outbox.take(std::chrono::milliseconds(0), 0);
  ASSERT_EQ(taken.reports.size(), 2U);
  EXPECT_EQ(std::get<OfferedRules>(taken.reports[0]).bundle_id, "b");
}

}  // namespace
}  // namespace picket
