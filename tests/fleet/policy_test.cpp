// A bundle of rules on its way: published and rolled out with picketctl, kept by the collector, in
// parts to nodes that are there and to those that come later, and what they answered.
#include <gmock/gmock.h>

#include "tests/fleet/policy_fixture.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Policy = PolicyTest;

TEST_F(Policy, ARolloutReachesNodesThatAreThereAndThoseThatComeLater) {
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  EXPECT_EQ(status()["state"], "own rules");
  sign(7);
  const ProgramResult published = publish();
  ASSERT_EQ(published.exit_code, 0) << published.err;
  EXPECT_THAT(published.out, AllOf(HasSubstr("serial 7"), HasSubstr("no node has it yet")));
  EXPECT_EQ(status()["state"], "own rules");
  const ProgramResult handed_out = rollout("7");
  ASSERT_EQ(handed_out.exit_code, 0) << handed_out.err;
  EXPECT_THAT(handed_out.out, AllOf(HasSubstr("serial 7"), HasSubstr("1 connected nodes")));
  std::string id, again;
  const v1::RuleBundle bundle = receive(*node, id);
  ASSERT_EQ(bundle.files_size(), 1);
  EXPECT_EQ(bundle.files(0).name(), "r.yaml");
  EXPECT_THAT(bundle.files(0).text(), HasSubstr("proc.name = x"));
  EXPECT_THAT(bundle.signature(), HasSubstr("serial 7\n"));
  EXPECT_EQ(status()["state"], "waiting");

  v1::NodeRules taken;
  taken.set_bundle_id(id);
  taken.set_serial(7);
  ASSERT_TRUE(answer(*node, 1, taken));
  EXPECT_EQ(status()["state"], "in force");
  stop();
  start();
  EXPECT_EQ(status()["state"], "in force") << "a restart changes nothing";
  const auto later = agent("n2");
  ASSERT_EQ(later->hello(), 0U);
  EXPECT_EQ(receive(*later, again).SerializeAsString(), bundle.SerializeAsString());
  EXPECT_EQ(again, id);
  v1::NodeRules refused;
  refused.set_refused_id(id);
  refused.set_error("bundle-7/r.yaml:3:14: no such field");
  ASSERT_TRUE(answer(*later, 1, refused));
  EXPECT_EQ(status(1)["refused"], id);
  EXPECT_EQ(status(1)["state"], "refused");
  EXPECT_THAT(picketctl("vic", {"policy", "status"}).out,
              AllOf(HasSubstr("operator/author/ann: a new lead"), HasSubstr("HALTED"),
                    HasSubstr("bundle-7/r.yaml:3:14")));
}

TEST_F(Policy, WhoHasAnsweredIsNotAskedAgain) {
  sign(7);
  ASSERT_EQ(hand_out().exit_code, 0);
  const auto first = agent();
  ASSERT_EQ(first->hello(), 0U);
  std::string id;
  receive(*first, id);
  const auto second = agent();
  v1::ConnectRequest hello;
  hello.mutable_hello()->set_epoch("epoch-1");
  hello.mutable_hello()->set_rules_bundle(id);
  ASSERT_TRUE(second->say(hello));
  ASSERT_TRUE(second->receive()->has_ack());
  put("proc.name = y");
  sign(8);
  ASSERT_EQ(hand_out().exit_code, 0);
  EXPECT_THAT(receive(*second, id).signature(), HasSubstr("serial 8\n"))
      << "only the next one came";
}

TEST_F(Policy, ALargeBundleComesInParts) {
  std::ofstream(folder_ / "rules/list.yaml")
      << "- list: l\n  items: [" << std::string(3 << 20, 'a') << "]\n";
  std::ofstream(folder_ / "rules/more.yaml")
      << "- list: m\n  items: [" << std::string(3 << 20, 'b') << "]\n";
  sign(1);
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  const ProgramResult handed_out = hand_out();
  ASSERT_EQ(handed_out.exit_code, 0) << handed_out.err;
  std::string id;
  EXPECT_GT(receive(*node, id).ByteSizeLong(), size_t{6} << 20);
}

TEST_F(Policy, OnlyAuthorsAndAdminsChangeItAndEveryAttemptIsOnRecord) {
  sign(7);
  for (const char* who : {"vic", "rob", "n1"}) EXPECT_EQ(publish(who).exit_code, 5) << who;
  EXPECT_EQ(publish("ada").exit_code, 0);
  EXPECT_EQ(rollout("7", {}, "rob").exit_code, 5);
  EXPECT_EQ(rollout("7", {}, "ada").exit_code, 0);
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  take(*node, 1, 7);
  sign(6);
  ASSERT_EQ(publish().exit_code, 0);
  const ProgramResult older = rollout("6");
  EXPECT_EQ(older.exit_code, 1);
  EXPECT_THAT(older.err, HasSubstr("serial 6 is not above 7"));
  const auto audit = orders();
  ASSERT_EQ(audit.size(), 8U);
  const auto entry = [&](size_t i, const char* key) { return audit[i][key].get<std::string>(); };
  EXPECT_EQ(entry(0, "action"), "policy.publish");
  EXPECT_THAT(entry(0, "outcome"), HasSubstr("may not change the policy"));
  EXPECT_THAT(entry(2, "outcome"), HasSubstr("is not an operator"));
  EXPECT_EQ(entry(3, "actor"), "spiffe://picket/operator/admin/ada");
  EXPECT_THAT(entry(3, "object"), HasSubstr(" serial 7"));
  EXPECT_EQ(entry(3, "reason"), "a new lead");
  EXPECT_EQ(entry(4, "action"), "policy.rollout");
  EXPECT_THAT(entry(4, "outcome"), HasSubstr("may not change the policy"));
  EXPECT_THAT(entry(5, "object"), HasSubstr(" serial 7 to 100 %"));
  EXPECT_THAT(entry(7, "outcome"), HasSubstr("refused: serial 6"));
  EXPECT_EQ(audit_entries(), 9U);  // and who read it
}

// Only agents know a good signature: what none of them took sets no bounds.
TEST_F(Policy, AHighSerialWithABadSignatureIsInNobodysWay) {
  sign(7);
  run({"sed", "-i", "-e", "s/^serial .*/serial 18446744073709551615/", "-e",
       "s/^signature .*/signature AAAA/", folder_ / "rules/rules.sig"});
  ASSERT_EQ(hand_out().exit_code, 0);
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  v1::NodeRules refused;
  std::string id;
  receive(*node, id);
  refused.set_refused_id(id);
  refused.set_error("not signed with the key");
  ASSERT_TRUE(answer(*node, 1, refused));
  sign(8);
  const ProgramResult good = hand_out();
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(receive(*node, id).signature(), HasSubstr("serial 8\n"));
}

TEST_F(Policy, ASerialIsANumberThatCanBeOne) {
  for (const char* serial : {"-1", "0", "+5", "18446744073709551616", "x"})
    EXPECT_EQ(picketctl("vic", {"rules", "sign", folder_ / "rules", "--key", folder_ / "rules.key",
                                "--serial", serial})
                  .exit_code,
              2)
        << serial;
}

TEST_F(Policy, WhatNoAgentWouldTakeIsNotEvenSent) {
  EXPECT_EQ(publish().exit_code, 3) << "not signed";
  sign(7);
  put("proc.name = z");
  const ProgramResult altered = publish();
  EXPECT_EQ(altered.exit_code, 3);
  EXPECT_THAT(altered.err, HasSubstr("r.yaml was altered"));
  put("proc.nam = z");
  EXPECT_THAT(publish().err, HasSubstr("unknown field 'proc.nam'"));
  EXPECT_EQ(picketctl("ann", {"policy", "publish", folder_ / "rules", "--reason", " "}).exit_code,
            2);
  EXPECT_TRUE(orders().empty());
}

}  // namespace
}  // namespace picket::test
