// Rules from the collector: an agent takes a bundle that its own key verifies and that is not older
// than what it has, keeps it over a restart, and says what became of it.
#include <gmock/gmock.h>

#include "tests/unit/rule_updates_fixture.h"

namespace picket {
namespace {

using ::testing::HasSubstr;

TEST_F(SignedLocally, AGoodBundleIsTakenToldAndStays) {
  ASSERT_EQ(start(), "local");
  EXPECT_EQ(at_start.bundle_id(), "");
  EXPECT_EQ(at_start.serial(), 10U);
  const OfferedRules first = bundle(11, named("fleet"));
  const v1::NodeRules taken = offer(first);
  EXPECT_EQ(taken.bundle_id(), first.bundle_id);
  EXPECT_EQ(taken.serial(), 11U);
  EXPECT_EQ(taken.error(), "");
  EXPECT_EQ(rule(), "fleet");
  EXPECT_EQ(answered().rules_bundle(), first.bundle_id);
  EXPECT_EQ(start(), "fleet") << "a restart changes nothing";
  EXPECT_EQ(at_start.bundle_id(), first.bundle_id);
  EXPECT_EQ(answered().rules_bundle(), first.bundle_id) << "it need not come again";
  EXPECT_EQ(offer(first).bundle_id(), first.bundle_id) << "the same again changes nothing";
  std::ofstream(folder / "rules/r.yaml") << named("other");
  agent->request();
  EXPECT_EQ(offer(bundle(12, named("next"))).serial(), 12U);  // behind the request
  EXPECT_EQ(rule(), "next");
  EXPECT_TRUE(findings.empty());
}

TEST_F(SignedLocally, WhatItsOwnKeyDoesNotVerifyIsRefused) {
  ASSERT_EQ(start(), "local");
  OfferedRules altered = bundle(11, named("fleet"));
  altered.bundle.replace(altered.bundle.find("NOTICE"), 6, "ALERT ");
  EXPECT_THAT(offer(altered).error(), HasSubstr("r.yaml was altered"));
  EXPECT_EQ(answered().rules_bundle(), altered.bundle_id);
  const v1::NodeRules foreign = offer(bundle(11, named("fleet"), "b"));
  EXPECT_THAT(foreign.error(), HasSubstr("not made with the configured key"));
  EXPECT_NE(foreign.refused_id(), "");
  EXPECT_EQ(foreign.bundle_id(), "");
  EXPECT_EQ(foreign.serial(), 10U);
  v1::RuleBundle unsigned_bundle;
  unsigned_bundle.add_files()->set_text(named("fleet"));
  EXPECT_THAT(offer({"u", unsigned_bundle.SerializeAsString()}).error(),
              HasSubstr("rules.sig is no signature"));
  EXPECT_THAT(offer({"g", "\xff\xff"}).error(), HasSubstr("they are no bundle"));
  EXPECT_EQ(rule(), "local");
  EXPECT_EQ(findings.size(), 4U);
  EXPECT_EQ(start(), "local");
}

TEST_F(SignedLocally, ABrokenSetIsRefusedWithItsPlace) {
  ASSERT_EQ(start(), "local");
  ASSERT_EQ(offer(bundle(11, named("fleet"))).serial(), 11U);
  const v1::NodeRules refused = offer(bundle(12, named("broken", "proc.nam = x")));
  EXPECT_THAT(refused.error(), HasSubstr("bundle-12/r.yaml:3:14: unknown field 'proc.nam'"));
  EXPECT_EQ(refused.serial(), 11U) << "the last good one stays";
  EXPECT_EQ(start(), "fleet");
}

TEST_F(SignedLocally, AnOldSignatureCannotBeReplayedAndANewOneGoesBack) {
  ASSERT_EQ(start(), "local");
  EXPECT_THAT(offer(bundle(9, named("older"))).error(),
              HasSubstr("serial 9 is older than 10, which is in force"));
  const OfferedRules old = bundle(11, named("old"));
  ASSERT_EQ(offer(old).serial(), 11U);
  ASSERT_EQ(offer(bundle(12, named("new"))).serial(), 12U);
  EXPECT_THAT(offer(old).error(), HasSubstr("sign the old rules anew"));
  EXPECT_THAT(offer(bundle(12, named("twin"))).error(), HasSubstr("another bundle with serial 12"));
  EXPECT_EQ(start(), "new");
  EXPECT_THAT(offer(old).error(), HasSubstr("serial 11 is older than 12")) << "also over a restart";
  EXPECT_EQ(offer(bundle(13, named("old"))).serial(), 13U);
  EXPECT_EQ(rule(), "old");
}

TEST_F(SignedLocally, AnotherKeyMakesTheKeptBundleWorthless) {
  ASSERT_EQ(start(), "local");
  ASSERT_EQ(offer(bundle(11, named("fleet"))).serial(), 11U);
  options.key = folder / "b.pub";
  EXPECT_EQ(start(), "fleet") << "the last good rules";
  EXPECT_THAT(at_start.error(), HasSubstr("not made with the configured key"));
  EXPECT_EQ(at_start.bundle_id(), "");
  EXPECT_EQ(offer(bundle(3, named("new"), "b")).error(), "");
  EXPECT_EQ(rule(), "new");
}

TEST_F(SignedLocally, WhatWasInForceIsRememberedWhenTheRulesAreLost) {
  ASSERT_EQ(start(), "local");
  const OfferedRules old = bundle(11, named("old")), last = bundle(12, named("last"));
  ASSERT_EQ(offer(old).serial(), 11U);
  ASSERT_EQ(offer(last).serial(), 12U);
  agent.reset();  // or it would read its rules again meanwhile
  std::ofstream(folder / "kept") << "no rules";
  std::filesystem::remove(folder / "bundle");
  ASSERT_EQ(start(), "local");
  EXPECT_THAT(offer(old).error(), HasSubstr("serial 11 is older than 12, which was in force"));
  EXPECT_THAT(offer(bundle(12, named("twin"))).error(),
              HasSubstr("another bundle with serial 12 was in force"));
  EXPECT_EQ(rule(), "local");
  EXPECT_EQ(offer(last).error(), "") << "the same may come again";
  EXPECT_EQ(rule(), "last");
}

TEST_F(SignedLocally, AnUnreadableBundleDoesNotOpenTheWayBack) {
  ASSERT_EQ(start(), "local");
  const OfferedRules old = bundle(11, named("old"));
  ASSERT_EQ(offer(old).serial(), 11U);
  ASSERT_EQ(offer(bundle(12, named("last"))).serial(), 12U);
  agent.reset();
  std::ofstream(folder / "bundle") << "no bundle";
  EXPECT_EQ(start(), "last") << "the last good rules";
  EXPECT_THAT(offer(old).error(), HasSubstr("serial 11 is older than 12"));
}

TEST_F(SignedLocally, EachKeyHasItsOwnSerials) {
  ASSERT_EQ(start(), "local");
  const OfferedRules old = bundle(11, named("old"));
  ASSERT_EQ(offer(old).serial(), 11U);
  ASSERT_EQ(offer(bundle(12, named("last"))).serial(), 12U);
  options.key = folder / "b.pub";
  ASSERT_EQ(start(), "last");
  ASSERT_EQ(offer(bundle(3, named("new"), "b")).error(), "");
  options.key = folder / "a.pub";
  start();
  EXPECT_THAT(offer(old).error(), HasSubstr("serial 11 is older than 12")) << "the first key again";
}

TEST_F(SignedLocally, DamagedSerialsTakeNothing) {
  ASSERT_EQ(start(), "local");
  std::ofstream(folder / "serials") << "{\"x\":";
  EXPECT_THAT(offer(bundle(11, named("fleet"))).error(), HasSubstr("serials is damaged"));
  EXPECT_EQ(rule(), "local");
  std::filesystem::remove(folder / "serials");
  EXPECT_EQ(offer(bundle(11, named("fleet"))).error(), "");
}

TEST_F(SignedLocally, WhatFoundNoRoomMayComeAgain) {
  ASSERT_EQ(start(), "local");
  full = true;
  const OfferedRules rules = bundle(11, named("fleet"));
  EXPECT_THAT(offer(rules).error(), HasSubstr("too many messages"));
  EXPECT_EQ(answered().rules_bundle(), "");
  full = false;
  EXPECT_EQ(offer(rules).bundle_id(), rules.bundle_id);
  EXPECT_EQ(rule(), "fleet");
}

TEST_F(RuleUpdatesTest, WithoutAKeyNothingIsTaken) {
  options.key = "";
  ASSERT_EQ(start(), "local");
  EXPECT_THAT(offer(bundle(1, named("fleet"))).error(), HasSubstr("has no rules_key"));
  EXPECT_EQ(rule(), "local");
}

TEST(RuleBundleAssembly, TakesPartsInOrderAndNothingElse) {
  const std::string bytes(700 << 10, 'x');
  RuleBundleAssembly assembly;
  size_t sent = 0, parts = 0;
  for (bool whole = false; !whole; ++parts) {
    const v1::RuleBundleChunk chunk = rule_bundle_chunk("id", bytes, sent);
    sent += chunk.data().size();
    const auto added = assembly.add(chunk);
    ASSERT_TRUE(added.ok()) << added.status();
    whole = *added;
  }
  EXPECT_EQ(parts, 3U);
  EXPECT_EQ(assembly.id(), "id");
  EXPECT_EQ(assembly.take(), bytes);
  EXPECT_FALSE(assembly.add(rule_bundle_chunk("id", bytes, 256 << 10)).ok()) << "none has begun";
  EXPECT_TRUE(assembly.add(rule_bundle_chunk("id", bytes, 0)).ok());
  EXPECT_FALSE(assembly.add(rule_bundle_chunk("other", bytes, 256 << 10)).ok());
  EXPECT_TRUE(assembly.add(rule_bundle_chunk("id", bytes, 0)).ok());
  EXPECT_FALSE(assembly.add(rule_bundle_chunk("id", bytes, 512 << 10)).ok()) << "a part is missing";
  v1::RuleBundleChunk large = rule_bundle_chunk("id", bytes, 0);
  large.set_size(kMaxRuleBundleBytes + 1);
  EXPECT_FALSE(assembly.add(large).ok());
  large.set_size(10);
  EXPECT_FALSE(assembly.add(large).ok()) << "more than it said";
}

}  // namespace
}  // namespace picket
