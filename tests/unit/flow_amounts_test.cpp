// What moved through a flow since it was told last.
#include <gtest/gtest.h>

#include "agent/enrich/flow_amounts.h"

namespace picket {
namespace {

pk_flow flow(uint64_t socket, uint64_t in, uint64_t out, bool closed = false) {
  pk_flow record{};
  record.ends.socket = socket;
  record.bytes_in = in;
  record.bytes_out = out;
  record.closed = closed;
  return record;
}

TEST(FlowAmounts, AreWhatIsNew) {
  FlowAmounts amounts;
  EXPECT_EQ(amounts.on_flow(flow(1, 5, 100)).out, 100u);
  EXPECT_EQ(amounts.on_flow(flow(2, 0, 7)).out, 7u);
  const FlowAmount second = amounts.on_flow(flow(1, 15, 130));
  EXPECT_EQ(second.in, 10u);
  EXPECT_EQ(second.out, 30u);
  EXPECT_EQ(amounts.on_flow(flow(1, 14, 120)).out, 0u);  // out of order
  EXPECT_EQ(amounts.size(), 2u);
}

TEST(FlowAmounts, AClosedFlowIsForgotten) {
  FlowAmounts amounts;
  EXPECT_EQ(amounts.on_flow(flow(1, 0, 100, true)).out, 100u);
  EXPECT_EQ(amounts.size(), 0u);
  amounts.on_flow(flow(2, 0, 50));
  EXPECT_EQ(amounts.on_flow(flow(2, 0, 80, true)).out, 30u);
  EXPECT_EQ(amounts.size(), 0u);
}

TEST(FlowAmounts, TheOneToldLongestAgoMakesRoom) {
  FlowAmounts amounts(2);
  amounts.on_flow(flow(1, 0, 10));
  amounts.on_flow(flow(2, 0, 10));
  amounts.on_flow(flow(1, 0, 20));
  amounts.on_flow(flow(3, 0, 10));
  EXPECT_EQ(amounts.size(), 2u);
  EXPECT_EQ(amounts.on_flow(flow(1, 0, 25)).out, 5u);
  EXPECT_EQ(amounts.on_flow(flow(2, 0, 15)).out, 15u);
}

}  // namespace
}  // namespace picket
