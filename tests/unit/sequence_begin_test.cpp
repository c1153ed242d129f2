// Which beginnings of a sequence go on beside each other, and which subtrees they are of.
#include <gmock/gmock.h>

#include "tests/unit/sequence_stage.h"

namespace picket {
namespace {

using ::testing::IsEmpty;

std::string contacts(std::string_view then = "") {
  return sequence_of(R"(
    within: 60s
    steps:
      - step: run
        condition: evt.type = execve and proc.name = scan
      - step: contact
        condition: evt.type = connect
        count: 5
)" + std::string(then));
}

Stage& contact(Stage& stage, double seconds, uint32_t branch = 1) {
  return stage.event(seconds, "scan", branch, 77, "10.0.0.1");
}

TEST(SequenceBegin, AFirstStepThatComesAgainTakesNothingFromWhatIsCounted) {
  Stage stage(contacts());
  for (int i = 0; i < 50; ++i) {
    stage.event(100 + i, "scan");
    contact(stage, 100.5 + i);
    EXPECT_EQ(stage.found.size(), i < 4 ? 0u : 1u) << i;
  }
  EXPECT_EQ(stage.detector.sequences().open(), 1u);
  stage.tick(151);
  EXPECT_EQ(stage.found.back().steps.back().count, 50u) << "the same one has grown";
  stage.tick(300);
  EXPECT_EQ(stage.detector.sequences().open(), 0u);
  EXPECT_THAT(stage.detector.sequences().take_losses(), IsEmpty());
}

TEST(SequenceBegin, WhatIsCountedMustLieInTheTimeOfOneBeginning) {
  Stage stage(contacts());
  for (int i = 0; i < 8; ++i) {
    stage.event(100 + 20 * i, "scan");
    contact(stage, 101 + 20 * i);  // three of them, or four, within any minute
  }
  EXPECT_THAT(stage.found, IsEmpty());
  contact(contact(stage, 242), 243);
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(SequenceBegin, ManyBeginningsKeepTheFirstAndTheLast) {
  Stage stage(contacts());
  for (int i = 0; i <= 40; ++i) stage.event(100 + i, "scan");
  for (int i = 0; i < 4; ++i) contact(stage, 141 + i);
  contact(stage, 199);  // within the time of the last ones alone
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(SequenceBegin, WhereItIsEnoughForALaterOneThatOneGoesOn) {
  Stage stage(contacts("      - step: leave\n        condition: proc.name = payload\n"));
  stage.event(100, "scan").event(150, "scan");
  for (int i = 0; i < 5; ++i) contact(stage, 151 + i);
  stage.event(205, "payload");  // the first one's time is over
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(SequenceBegin, WhereItIsNotEnoughForALaterOneThatOneCountsOn) {
  Stage stage(contacts("      - step: leave\n        condition: proc.name = payload\n"));
  stage.event(100, "scan");
  for (int i = 0; i < 4; ++i) contact(stage, 101 + i);
  stage.event(150, "scan");
  for (int i = 0; i < 4; ++i) contact(stage, 151 + i);
  stage.event(158, "payload");
  ASSERT_EQ(stage.found.size(), 1u);
  contact(stage, 181);
  stage.event(205, "payload");
  EXPECT_EQ(stage.found.size(), 2u);
}

TEST(SequenceBegin, AnAbsenceEndsTheBeginningsOfItsOwnSubtree) {
  Stage stage(sequence_of(R"(
    within: 60s
    steps:
      - step: run
        condition: evt.type = execve and proc.name = scan
      - absent: consent
        condition: proc.name = consent
      - step: contact
        condition: evt.type = connect
        count: 2
)"));
  stage.session = 1;
  stage.event(100, "scan", 1).event(101, "scan", 2);
  stage.session = 2;
  stage.event(102, "consent", 2);
  contact(contact(stage, 103, 2), 104, 2);
  EXPECT_THAT(stage.found, IsEmpty());
  contact(contact(stage, 105, 1), 106, 1);
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(SequenceBegin, OneOfAnotherBranchTakesNobodysPlace) {
  Stage stage(kThreeSteps);
  stage.session = 1;
  stage.event(100, "curl", 1).event(101, "curl", 2);
  stage.session = 2;
  stage.event(102, "chmod", 1).event(103, "payload", 1);
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(SequenceBegin, OneEventIsTheEndOfOne) {
  Stage stage(kThreeSteps);
  stage.session = 1;
  stage.event(100, "curl", 1).event(101, "curl", 2).event(102, "chmod", 3).event(103, "payload", 3);
  EXPECT_EQ(stage.found.size(), 1u);
  stage.event(104, "payload", 1);
  EXPECT_EQ(stage.found.size(), 1u);
}

TEST(SequenceBegin, ASessionThatWasLeftIsStillTheFirstProcesses) {
  Stage stage(kThreeSteps);
  stage.session = stage.first_session = 1;
  stage.event(100, "curl", 1);
  stage.session = 2;
  stage.event(101, "chmod", 2);
  stage.session = 1;
  stage.event(102, "payload", 3);
  EXPECT_EQ(stage.found.size(), 1u);
  stage.session = 3;  // two that never were in the first one's
  stage.event(110, "curl", 4).event(111, "chmod", 4);
  stage.session = 4;
  stage.event(112, "payload", 5);
  EXPECT_EQ(stage.found.size(), 1u);
}

}  // namespace
}  // namespace picket
