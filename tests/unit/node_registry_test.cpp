// Which stream is a node's, and when old ones are ended.
#include "collector/fleet/node_registry.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

namespace picket::test {
namespace {

class Link final : public AgentLink {
 public:
  bool deliver(const v1::Command&) override { return closed.empty(); }
  void offer(std::shared_ptr<const RuleBundle>, bool) override {}
  void offer(std::shared_ptr<const v1::WaiverSet>) override {}
  void close(std::string_view why) override { closed = why; }
  std::string closed;
};

TEST(NodeRegistry, TheNewestStreamIsTheNodes) {
  NodeRegistry nodes;
  const auto older = std::make_shared<Link>(), newer = std::make_shared<Link>();
  nodes.connect("n", older);
  nodes.connect("n", newer);
  EXPECT_THAT(older->closed, testing::HasSubstr("newer stream"));
  nodes.disconnect("n", older.get());
  EXPECT_EQ(nodes.find("n"), newer);
  nodes.disconnect("n", newer.get());
  EXPECT_EQ(nodes.find("n"), nullptr);
}

TEST(NodeRegistry, EndsOldStreamsAFewAtATime) {
  NodeRegistry nodes;
  const NodeRegistry::Time start{};
  std::vector<std::shared_ptr<Link>> links;
  for (int i = 0; i < 30; ++i) {
    links.push_back(std::make_shared<Link>());
    nodes.connect(fmt::format("n{}", i), links.back(), start + std::chrono::seconds(i));
  }
  const auto closed = [&] {
    return std::count_if(links.begin(), links.end(),
                         [](const auto& link) { return !link->closed.empty(); });
  };
  nodes.close_older(start + std::chrono::seconds(5), "old");
  EXPECT_EQ(closed(), 5);
  EXPECT_EQ(links[4]->closed, "old");
  EXPECT_EQ(links[5]->closed, "");
  for (int i = 0; i < 5; ++i) nodes.disconnect(fmt::format("n{}", i), links[i].get());
  nodes.close_older(start + std::chrono::seconds(60), "old");
  EXPECT_EQ(closed(), 15);
}

}  // namespace
}  // namespace picket::test
