// What is told of canaries that come back, stay away, and come again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "agent/app/canary.h"
#include "agent/app/sight_reports.h"
#include "common/alert_json.h"
#include "tests/unit/pipeline_fixture.h"

namespace picket {
namespace {

class SightTest : public ::testing::Test {
 protected:
  SetClock clock_;
  MetricRegistry registry_;
  HealthServer health_{registry_};
  std::vector<v1::Envelope> told_;
  SightReports reports_{health_, clock_, registry_, "boot-1",
                        [this](v1::Envelope envelope, Priority) { told_.push_back(envelope); }};
  SightChange change_{
      [this](const Sight& now, const std::optional<Sight>& before) { reports_.tell(now, before); }};
};

TEST_F(SightTest, TheFirstCanaryIsToldAndThoseThatFollowAreNot) {
  change_.on_outcome("", 10 * kSecond);
  change_.on_outcome("", 15 * kSecond);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].sight().sees());
}

TEST_F(SightTest, OneThatStaysAwayIsAnAlertFromTheLastThatCameAndItsReturnTheSameAlert) {
  change_.on_outcome("", 10 * kSecond);
  told_.clear();
  clock_.now_ns = 20 * kSecond;
  change_.on_outcome("it did not come back", 15 * kSecond);
  change_.on_outcome("nor did this one", 20 * kSecond);
  ASSERT_EQ(told_.size(), 2u);
  const v1::Alert blind = told_[0].alert();
  EXPECT_EQ(blind.output(), "the agent of this node is blind: it did not come back");
  EXPECT_EQ(wall_ns(blind.first()), kBootWallNs + 10 * kSecond);
  EXPECT_EQ(wall_ns(blind.last()), kBootWallNs + 20 * kSecond);
  EXPECT_FALSE(told_[1].sight().sees());
  EXPECT_EQ(told_[1].sight().why(), "it did not come back");
  EXPECT_EQ(wall_ns(told_[1].sight().since()), kBootWallNs + 15 * kSecond);

  told_.clear();
  clock_.now_ns = 31 * kSecond;
  change_.on_outcome("", 30 * kSecond);
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[0].alert().id(), blind.id());
  EXPECT_EQ(told_[0].alert().count(), 2u);
  EXPECT_EQ(wall_ns(told_[0].alert().last()), kBootWallNs + 30 * kSecond);
  EXPECT_TRUE(told_[1].sight().sees());

  told_.clear();
  change_.on_outcome("again", 35 * kSecond);
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_NE(told_[0].alert().id(), blind.id());
}

TEST_F(SightTest, AnAgentThatNeverSawIsBlindFromItsFirstCanary) {
  change_.on_outcome("no cgroup could be made", 10 * kSecond);
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(wall_ns(told_[0].alert().first()), kBootWallNs + 10 * kSecond);
}

}  // namespace
}  // namespace picket
