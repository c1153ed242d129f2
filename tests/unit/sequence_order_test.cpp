// Which step of a sequence came first is a matter of the events' time, not of their arrival.
#include <gmock/gmock.h>

#include "tests/unit/sequence_stage.h"

namespace picket {
namespace {

using ::testing::IsEmpty;

TEST(Sequence, StepsAreOrderedByTheTimeOfTheirEvents) {
  Stage stage(kThreeSteps);
  stage.event(100, "curl").event(99, "chmod").event(101, "payload");
  EXPECT_THAT(stage.found, IsEmpty());  // chmod came first, and arrived second
  stage.event(102, "chmod").event(101, "payload");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.event(102, "payload");
  EXPECT_EQ(stage.found.size(), 1u);  // at the same time, in the order in which they are told
}

TEST(Sequence, ALaterStepMayArriveFirst) {
  Stage stage(kThreeSteps);
  stage.event(100.2, "payload").event(100.1, "chmod").event(100, "curl");
  ASSERT_EQ(stage.found.size(), 1u);
  EXPECT_EQ(stage.found[0].output, "payload ran");
  EXPECT_EQ(stage.found[0].process.name, "payload");
  EXPECT_EQ(stage.found[0].first_ns, 100 * kSecond);
  EXPECT_EQ(stage.found[0].time_ns, 100 * kSecond + kSecond / 5);
  ASSERT_EQ(stage.found[0].steps.size(), 3u);
  EXPECT_EQ(stage.found[0].steps[1].process.name, "chmod");
  stage.event(100, "curl");
  EXPECT_EQ(stage.found.size(), 1u);  // an event is one step of one sequence
  stage.event(110, "payload").event(110, "chmod", 2).tick(112).event(109.9, "curl");
  EXPECT_EQ(stage.found.size(), 1u);  // too late, and on another branch
  stage.tick(200);
  EXPECT_EQ(stage.detector.sequences().open(), 0u);
}

TEST(Sequence, AnAbsenceMayArriveBeforeWhatItEnds) {
  Stage stage(kUnreviewed);
  stage.event(100.1, "sha256sum").event(100, "curl").event(100.2, "payload");
  EXPECT_THAT(stage.found, IsEmpty());
  stage.event(110, "curl").event(110.2, "payload");
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(Sequence, AnAbsenceIsJudgedByTheTimeOfTheEvents) {
  Stage stage(kUnreviewed);
  stage.event(100, "curl").event(99, "sha256sum").event(101, "payload");
  EXPECT_EQ(stage.found.size(), 1u);  // checked before it was there
  stage.event(110, "curl").event(112, "sha256sum").event(111, "payload");
  EXPECT_EQ(stage.found.size(), 2u);  // checked after it ran, and told before
  stage.event(120, "curl").event(121, "sha256sum").tick(125);
  EXPECT_EQ(stage.detector.sequences().open(), 0u);
}

TEST(Sequence, WhatAnAbsenceEndedCostsNoOtherItsPlace) {
  Stage stage(kUnreviewed, {.open = 4});
  for (int i = 0; i < 20; ++i)
    stage.event(100 + 0.01 * i, "curl", 1).event(100.005 + 0.01 * i, "sha256sum", 1);
  for (uint32_t branch = 2; branch < 6; ++branch) stage.event(100.5, "curl", branch);
  for (uint32_t branch = 2; branch < 6; ++branch) stage.event(100.6, "payload", branch);
  EXPECT_EQ(stage.found.size(), 4u);
  stage.tick(101);
  EXPECT_THAT(stage.detector.sequences().take_losses(), IsEmpty());
}

}  // namespace
}  // namespace picket
