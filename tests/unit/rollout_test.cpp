// Which nodes a rollout selects, what each shall have, and what ends it.
#include "collector/fleet/rollout.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "common/utf8.h"

namespace picket {
namespace {

constexpr const char* kNode = "spiffe://picket/node/n1";

std::string node(int number) { return "spiffe://picket/node/" + std::to_string(number); }

v1::Rollout rollout(const std::string& bundle, uint32_t percent) {
  v1::Rollout rollout;
  rollout.set_bundle_id(bundle);
  rollout.set_percent(percent);
  return rollout;
}

v1::NodeRules has(const std::string& bundle, uint64_t serial, bool shadow = false) {
  v1::NodeRules rules;
  rules.set_bundle_id(bundle);
  rules.set_serial(serial);
  rules.set_shadow(shadow);
  return rules;
}

NodeLabels labels(std::initializer_list<std::pair<std::string, std::string>> of) {
  return {of.begin(), of.end()};
}

TEST(Rollout, ANodeHasOnePlaceForEver) {
  EXPECT_EQ(rollout_place(kNode), 87U);
  EXPECT_EQ(rollout_place("spiffe://picket/node/n2"), 83U);
}

TEST(Rollout, SelectsSoManyInAHundredAndKeepsThem) {
  for (const uint32_t percent : {1U, 10U, 50U, 100U}) {
    int selected = 0;
    for (int i = 0; i < 10'000; ++i) {
      const bool is_selected = selects(rollout("b", percent), node(i), {});
      selected += is_selected;
      const bool still = selects(rollout("b", std::min(100U, percent + 7)), node(i), {});
      EXPECT_TRUE(still || !is_selected) << "a larger percentage keeps them";
    }
    EXPECT_NEAR(selected, percent * 100.0, 200) << percent;
  }
  EXPECT_FALSE(selects(rollout("", 100), kNode, {})) << "there is none";
}

TEST(Rollout, SelectsNodesWithAllLabels) {
  v1::Rollout both = rollout("b", 100);
  (*both.mutable_labels())["zone"] = "a";
  (*both.mutable_labels())["tier"] = "dev";
  EXPECT_FALSE(selects(both, kNode, {}));
  EXPECT_FALSE(selects(both, kNode, labels({{"zone", "a"}})));
  EXPECT_FALSE(selects(both, kNode, labels({{"zone", "a"}, {"tier", "prod"}})));
  EXPECT_TRUE(selects(both, kNode, labels({{"zone", "a"}, {"tier", "dev"}, {"more", "x"}})));
}

TEST(Rollout, WhoIsNotSelectedHasWhatWasBefore) {
  v1::FleetPolicy policy;
  EXPECT_EQ(wanted_rules(policy, 0, kNode, {}, {}), WantedRules());
  policy.set_bundle_id("old");
  *policy.mutable_rollout() = rollout("new", 50);
  EXPECT_EQ(wanted_rules(policy, 1, kNode, {}, {}), (WantedRules{"old", false}));
  policy.mutable_rollout()->set_percent(90);
  policy.mutable_rollout()->set_shadow(true);
  EXPECT_EQ(wanted_rules(policy, 1, kNode, {}, {}), (WantedRules{"new", true}));
}

TEST(Rollout, NobodyIsAskedToGoBack) {
  v1::FleetPolicy policy;
  policy.set_bundle_id("old");
  *policy.mutable_rollout() = rollout("new", 100);
  policy.mutable_rollout()->set_halted("why");
  EXPECT_EQ(wanted_rules(policy, 1, kNode, {}, has("new", 2, true)), (WantedRules{"new", true}));
  EXPECT_EQ(wanted_rules(policy, 1, kNode, {}, has("older", 0)), (WantedRules{"old", false}));
  EXPECT_EQ(wanted_rules(policy, 1, kNode, {}, has("old", 1, true)), (WantedRules{"old", false}))
      << "it is on trial no more";
}

TEST(Rollout, WhatReachedEveryNodeIsTheOneToFallBackOn) {
  v1::FleetPolicy policy;
  begin_rollout(policy, rollout("a", 10));
  begin_rollout(policy, rollout("a", 100));
  EXPECT_EQ(policy.bundle_id(), "");
  begin_rollout(policy, rollout("b", 10));
  EXPECT_EQ(policy.bundle_id(), "a");
  begin_rollout(policy, rollout("c", 100));
  EXPECT_EQ(policy.bundle_id(), "a") << "b went to some only";
  policy.mutable_rollout()->set_halted("why");
  begin_rollout(policy, rollout("d", 100));
  EXPECT_EQ(policy.bundle_id(), "a") << "c was halted";
  policy.mutable_rollout()->set_shadow(true);
  begin_rollout(policy, rollout("e", 100));
  EXPECT_EQ(policy.bundle_id(), "a") << "d was on trial";
  (*policy.mutable_rollout()->mutable_labels())["zone"] = "a";
  begin_rollout(policy, rollout("f", 100));
  EXPECT_EQ(policy.bundle_id(), "a") << "e went to a zone only";
}

TEST(Rollout, EndsWhenANodeRefusesThisBundle) {
  v1::NodeRules said;
  EXPECT_EQ(failure_of(v1::Rollout(), kNode, said), "");
  said.set_refused_id("other");
  said.set_error("r.yaml:3:14: no such field");
  EXPECT_EQ(failure_of(rollout("b", 10), kNode, said), "");
  said.set_refused_id("b");
  EXPECT_THAT(failure_of(rollout("b", 10), kNode, said),
              testing::AllOf(testing::HasSubstr(kNode), testing::HasSubstr("r.yaml:3:14")));
  // What a node says goes into the audit log: its beginning is enough.
  said.set_error(std::string(999, 'e') + std::string(1 << 20, '\xc3'));
  EXPECT_LT(failure_of(rollout("b", 10), kNode, said).size(), 1100U);
  EXPECT_TRUE(is_utf8(failure_of(rollout("b", 10), kNode, said)));
}

TEST(Rollout, AVersionIsItsSerialOrTheBeginningOfItsId) {
  std::vector<v1::RuleBundleInfo> versions(3);
  versions[0].set_serial(7);
  versions[0].set_bundle_id("12ab");
  versions[1].set_serial(12);
  versions[1].set_bundle_id("7cde");
  versions[2].set_serial(13);
  versions[2].set_bundle_id("7c00");
  EXPECT_EQ(find_version(versions, "12")->bundle_id(), "7cde") << "the serial comes first";
  EXPECT_EQ(find_version(versions, "12a")->serial(), 7U);
  EXPECT_TRUE(absl::IsInvalidArgument(find_version(versions, "7c").status()));
  EXPECT_TRUE(absl::IsNotFound(find_version(versions, "99").status()));
  EXPECT_TRUE(absl::IsNotFound(find_version(versions, "").status()));
  versions[2].set_serial(12);
  EXPECT_TRUE(absl::IsInvalidArgument(find_version(versions, "12").status()));
}

}  // namespace
}  // namespace picket
