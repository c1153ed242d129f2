// Rules on trial and waivers, as a collector offers them: what of a bundle only reports, what is
// withheld, and what of both outlives a new start.
#include <gmock/gmock.h>

#include "agent/app/rule_trial.h"
#include "tests/unit/rule_updates_fixture.h"

namespace picket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Trial : SignedLocally {
  OfferedRules in_shadow(OfferedRules rules) const {
    rules.shadow = true;
    return rules;
  }
  // Of the rules in force, those that only report.
  std::vector<std::string> on_trial() const {
    std::vector<std::string> names;
    for (const RuleInfo& rule : in_force->rules())
      if (rule.shadow) names.push_back(rule.name);
    return names;
  }
};

TEST_F(Trial, OnlyWhatIsNewOrOtherIsOnTrialAlsoAfterANewStart) {
  ASSERT_EQ(start(), "local");
  const std::string list = "- list: names\n  items: [x, y]\n";
  const std::string same = named("same"), other = named("other", "proc.name in (names)");
  ASSERT_EQ(offer(bundle(11, same + other + list)).error(), "");
  EXPECT_TRUE(on_trial().empty());
  const OfferedRules next =
      in_shadow(bundle(12, same + other + named("new") + "- list: names\n  items: [x, y, z]\n"));
  const v1::NodeRules taken = offer(next);
  EXPECT_EQ(taken.error(), "");
  EXPECT_TRUE(taken.shadow());
  EXPECT_EQ(taken.serial(), 12U);
  EXPECT_THAT(on_trial(), ElementsAre("other", "new"));
  EXPECT_TRUE(answered().rules_shadow());
  start();
  EXPECT_TRUE(at_start.shadow());
  EXPECT_THAT(on_trial(), ElementsAre("other", "new")) << "kept with the bundle";
  EXPECT_EQ(answered().rules_bundle(), next.bundle_id);
  EXPECT_TRUE(answered().rules_shadow());
  // The trial ends; the same bundle acts.
  OfferedRules acts = next;
  acts.shadow = false;
  const v1::NodeRules acting = offer(acts);
  EXPECT_EQ(acting.error(), "");
  EXPECT_FALSE(acting.shadow());
  EXPECT_TRUE(on_trial().empty());
  start();
  EXPECT_TRUE(on_trial().empty());
}

TEST_F(Trial, WhatIsOnTrialStaysSoInTheNextTrial) {
  ASSERT_EQ(start(), "local");
  ASSERT_EQ(offer(in_shadow(bundle(11, named("a")))).error(), "");
  ASSERT_EQ(offer(in_shadow(bundle(12, named("a") + named("b")))).error(), "");
  EXPECT_THAT(on_trial(), ElementsAre("a", "b"));
}

TEST_F(Trial, TheLastGoodRulesAreOnTrialToo) {
  ASSERT_EQ(start(), "local");
  ASSERT_EQ(offer(in_shadow(bundle(11, named("a")))).error(), "");
  agent.reset();
  std::ofstream(folder / "bundle") << "no bundle";
  EXPECT_EQ(start(), "a");
  EXPECT_THAT(on_trial(), ElementsAre("a"));
}

TEST_F(Trial, NobodyElseSaysWhatIsOnTrial) {
  ASSERT_EQ(start(), "local");
  OfferedRules rules = bundle(11, named("a"));
  v1::RuleBundle more;
  more.mutable_on_trial()->add_rules("a");
  rules.bundle += more.SerializeAsString();
  EXPECT_THAT(offer(rules).error(), HasSubstr("not the collector's to say"));
  EXPECT_EQ(rule(), "local");
}

TEST_F(Trial, ABrokenSetIsRefusedWithItsPlace) {
  ASSERT_EQ(start(), "local");
  EXPECT_THAT(offer(in_shadow(bundle(12, named("broken", "proc.nam = x")))).error(),
              HasSubstr("bundle-12/r.yaml:3:14: unknown field 'proc.nam'"));
  EXPECT_EQ(rule(), "local");
}

TEST(ChangedRules, AreThoseThatMatchOrActOtherwise) {
  const auto compiled = [](const std::string& text) {
    const RuleFile file{"r.yaml", text};
    LoadReport report;
    return std::move(*compile_rule_files({&file, 1}, report));
  };
  const auto text = [](const std::string& condition, const std::string& more) {
    return "- rule: a\n  desc: d\n  condition: " + condition + "\n  output: o\n" + more;
  };
  const auto before = compiled(text("proc.name = x and proc.pname = y", "  priority: NOTICE\n"));
  const auto changed = [&](const std::string& now) {
    return !changed_rules(*before, *compiled(now)).empty();
  };
  EXPECT_FALSE(changed(text("proc.name = x   and (proc.pname = y)", "  priority: NOTICE\n")));
  EXPECT_TRUE(changed(text("proc.name = x", "  priority: NOTICE\n")));
  EXPECT_TRUE(changed(text("proc.name = x and proc.pname = y", "  priority: ERROR\n")));
  EXPECT_TRUE(
      changed(text("proc.name = x and proc.pname = y", "  priority: NOTICE\n  respond: kill\n")));
  EXPECT_TRUE(changed(
      text("proc.name = x and proc.pname = y", "  priority: NOTICE\n  scope: {owner: ann}\n")));
}

TEST_F(SignedLocally, WaiversComeIntoForceAndStay) {
  ASSERT_EQ(start(), "local");
  EXPECT_EQ(answered().waivers(), "");
  const v1::WaiverSet both = set_of({waiver("w1"), waiver("w2", "proc.name = \"a'\\\"b\"")});
  const v1::NodeRules taken = offer(both);
  EXPECT_EQ(taken.waivers_id(), both.set_id());
  EXPECT_EQ(taken.waivers(), 2U);
  EXPECT_EQ(taken.waivers_error(), "");
  EXPECT_EQ(rule(), "local");
  EXPECT_THAT(waivers(), ElementsAre("w1", "w2"));
  EXPECT_EQ(in_force->program().waivers[0].info.owner, "ann");
  EXPECT_EQ(in_force->program().waivers[0].info.end_wall_ns, 7'000'000'000'000'000'000U);
  EXPECT_EQ(answered().waivers(), both.set_id());
  start();
  EXPECT_THAT(waivers(), ElementsAre("w1", "w2")) << "a restart changes nothing";
  EXPECT_EQ(at_start.waivers(), 2U);
  EXPECT_EQ(answered().waivers(), both.set_id());
  // They are of the node, whatever rules come.
  EXPECT_EQ(offer(bundle(11, named("fleet"))).waivers(), 2U);
  EXPECT_THAT(waivers(), ElementsAre("w1", "w2"));
  EXPECT_EQ(rule(), "fleet");
  EXPECT_EQ(offer(set_of({})).waivers(), 0U);
  EXPECT_TRUE(waivers().empty());
  EXPECT_EQ(rule(), "fleet");
  EXPECT_TRUE(findings.empty());
}

TEST_F(SignedLocally, WaiversThatItsKeyDidNotSignWithholdNothing) {
  ASSERT_EQ(start(), "local");
  v1::SignedWaiver altered = waiver("altered");
  v1::Waiver wider;
  ASSERT_TRUE(wider.ParseFromString(altered.waiver()));
  wider.add_rules("*");
  altered.set_waiver(wider.SerializeAsString());
  const v1::NodeRules taken = offer(set_of({waiver("good"), waiver("foreign", "", "b"), altered}));
  EXPECT_EQ(taken.waivers(), 1U);
  EXPECT_THAT(taken.waivers_error(), HasSubstr("foreign was not signed with the configured key"));
  EXPECT_THAT(taken.waivers_error(), HasSubstr("altered was not signed with the configured key"));
  EXPECT_THAT(waivers(), ElementsAre("good"));
  EXPECT_EQ(findings.size(), 1U);
  options.key = folder / "b.pub";
  start();
  EXPECT_EQ(at_start.waivers(), 1U) << "signed by the other key";
  EXPECT_THAT(waivers(), ElementsAre("foreign"));
}

TEST_F(SignedLocally, WaiversThatDoNotFitToTheRulesAreLeftOut) {
  ASSERT_EQ(start(), "local");
  const v1::NodeRules taken = offer(set_of({waiver("w", "of_a_macro")}));
  EXPECT_EQ(taken.waivers(), 0U);
  EXPECT_THAT(taken.waivers_error(), HasSubstr("waivers/w:"));
  EXPECT_THAT(taken.waivers_error(), HasSubstr("unknown macro 'of_a_macro'"));
  EXPECT_TRUE(waivers().empty());
  EXPECT_EQ(rule(), "local");
  const std::string macro = "- macro: of_a_macro\n  condition: proc.name = x\n";
  EXPECT_EQ(offer(bundle(11, named("fleet") + macro)).waivers(), 1U) << "now they do";
  EXPECT_THAT(waivers(), ElementsAre("w"));
}

TEST_F(SignedLocally, ARefusalStaysToldWhenWaiversCome) {
  ASSERT_EQ(start(), "local");
  const OfferedRules broken = bundle(11, named("broken", "proc.nam = x"));
  ASSERT_EQ(offer(broken).refused_id(), broken.bundle_id);
  const v1::NodeRules then = offer(set_of({waiver("w")}));
  EXPECT_EQ(then.refused_id(), broken.bundle_id);
  EXPECT_THAT(then.error(), HasSubstr("unknown field"));
  EXPECT_EQ(then.waivers(), 1U);
}

TEST_F(RuleUpdatesTest, WithoutAKeyNoWaiverIsTaken) {
  options.key = "";
  ASSERT_EQ(start(), "local");
  const v1::NodeRules taken = offer(set_of({waiver("w")}));
  EXPECT_EQ(taken.waivers(), 0U);
  EXPECT_THAT(taken.waivers_error(), HasSubstr("has no rules_key"));
  EXPECT_TRUE(waivers().empty());
}

}  // namespace
}  // namespace picket
