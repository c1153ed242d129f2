#include "agent/app/blind_spots.h"

#include <gtest/gtest.h>

namespace picket {
namespace {

constexpr Timeline kTimeline{1'000'000'000'000};

TEST(BlindSpots, AnIntervalThatGrewIsAnotherAlert) {
  const Finding begun = unwatched_interval(5'000, 6'000, kTimeline);
  const Finding grown = unwatched_interval(5'000, 9'000, kTimeline);
  EXPECT_NE(alert_id(begun, "boot"), alert_id(grown, "boot"));
  EXPECT_EQ(alert_id(begun, "boot"), alert_id(unwatched_interval(5'000, 6'000, kTimeline), "boot"));
  EXPECT_EQ(kTimeline.wall_ns(grown.first_ns), 5'000U) << "before this boot, and exact";
  EXPECT_EQ(kTimeline.wall_ns(grown.last_ns), 9'000U);
}

TEST(BlindSpots, LossesOfAWorkspaceAreSummedWithinTheWidestBounds) {
  LostRecords lost;
  lost.add("exec", 3, 100, 200);
  lost.add("fork", 4, 90, 150);
  lost.add("exec", 2, 120, 300);
  Workspace workspace;
  workspace.id = workspace.name = "box";
  const Finding finding = lost_records(workspace, lost);
  EXPECT_EQ(finding.first_ns, 90U);
  EXPECT_EQ(finding.last_ns, 300U);
  EXPECT_EQ(finding.output, "9 records of workspace box were lost: 5 exec, 4 fork");
}

}  // namespace
}  // namespace picket
