// What outputs and watchers that resume need of every Store: alerts in the order of storage, and
// cursors that last.
#include <gmock/gmock.h>

#include "tests/unit/store_conformance.h"
#include "tests/unit/wire.h"

namespace picket::test {

using testing::ElementsAre;

std::vector<std::string> ids_of(const std::vector<StoredAlert>& alerts) {
  std::vector<std::string> ids;
  for (const StoredAlert& one : alerts) ids.push_back(one.alert.id());
  return ids;
}

TEST_P(StoreConformance, PagesAlertsInTheOrderOfStorage) {
  v1::Alert late = make_alert("late");
  set_wall_ns(*late.mutable_time(), kTimeNs - 1'000'000'000);  // happened first, stored last
  commit(batch(kNode, {envelope(1, make_alert("a")), envelope(2, make_alert("b"))}));
  commit(batch(kOtherNode, {envelope(1, make_alert("c"))}));
  commit(batch(kNode, {envelope(3, late), envelope(4, make_alert("a", 5))}));
  const auto reader = this->reader();
  const auto all = reader->alerts_after(0, 10, 1U << 20);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(ids_of(*all), ElementsAre("a", "b", "c", "late"));
  EXPECT_EQ(all->front().alert.count(), 5U) << "as it is now";
  for (size_t i = 1; i < all->size(); ++i) EXPECT_GT(all->at(i).row, all->at(i - 1).row);
  EXPECT_THAT(ids_of(*reader->alerts_after(all->at(1).row, 1, 1U << 20)), ElementsAre("c"));
  EXPECT_THAT(ids_of(*reader->alerts_after(0, 10, 1)), ElementsAre("a")) << "one is always there";
  EXPECT_TRUE(reader->alerts_after(all->back().row, 10, 1U << 20)->empty());
}

TEST_P(StoreConformance, KeepsTheCursorOfEachOutput) {
  EXPECT_EQ(*reader()->output_cursor("siem"), std::nullopt);
  auto siem = store_->output_turn("siem"), bus = store_->output_turn("bus");
  EXPECT_EQ(*siem->hold(), true);
  EXPECT_EQ(*bus->hold(), true);
  ASSERT_TRUE(siem->set_cursor(0).ok());
  ASSERT_TRUE(bus->set_cursor(7).ok());
  ASSERT_TRUE(bus->set_cursor(9).ok());
  EXPECT_EQ(*bus->hold(), true) << "still";
  siem.reset();
  bus.reset();
  reopen();
  EXPECT_EQ(*reader()->output_cursor("siem"), 0U);
  EXPECT_EQ(*reader()->output_cursor("bus"), 9U);
}

}  // namespace picket::test
