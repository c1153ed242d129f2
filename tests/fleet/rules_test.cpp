// A bundle of rules on its way: pushed with picketctl, kept by the collector, in parts to nodes
// that are there and to those that come later, and what they answered.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "common/rule_bundle.h"
#include "tests/fleet/collector_fixture.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Rules : public CollectorTest {
 protected:
  void SetUp() override {
    CollectorTest::SetUp();
    run({"openssl", "genpkey", "-algorithm", "ed25519", "-out", folder_ / "rules.key"});
    std::filesystem::create_directory(folder_ / "rules");
    put("proc.name = x");
  }
  static void run(std::vector<std::string> argv) {
    const auto done = run_program({.argv = std::move(argv)});
    ASSERT_TRUE(done.ok() && done->exit_code == 0) << done.status();
  }
  void put(const std::string& condition) const {
    std::ofstream(folder_ / "rules/r.yaml") << "- rule: r\n  desc: d\n  condition: " << condition
                                            << "\n  output: o\n  priority: NOTICE\n";
  }
  void sign(uint64_t serial) const {
    const ProgramResult done =
        picketctl("vic", {"rules", "sign", folder_ / "rules", "--key", folder_ / "rules.key",
                          "--serial", std::to_string(serial)});
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }
  ProgramResult push(const std::string& who = "ann") const {
    return picketctl(who, {"rules", "push", folder_ / "rules", "--reason", "a new lead"});
  }
  nlohmann::json status(size_t node = 0) const { return json("vic", {"rules", "status"}).at(node); }
  // What the collector sends until a bundle is whole, commands and acknowledgements aside.
  static v1::RuleBundle receive(SimulatedAgent& node, std::string& id) {
    RuleBundleAssembly assembly;
    v1::RuleBundle bundle;
    while (const auto message = node.receive()) {
      if (!message->has_rules()) continue;
      const auto whole = assembly.add(message->rules());
      EXPECT_TRUE(whole.ok()) << whole.status();
      if (!whole.ok() || !*whole) continue;
      id = assembly.id();
      EXPECT_TRUE(bundle.ParseFromString(assembly.take()));
      return bundle;
    }
    ADD_FAILURE() << "the stream ended first";
    return bundle;
  }
  static bool answer(SimulatedAgent& node, uint64_t sequence, const v1::NodeRules& rules) {
    v1::Envelope envelope;
    envelope.set_sequence(sequence);
    *envelope.mutable_rules() = rules;
    return node.send(batch(kNode, {envelope})) && node.wait_for_ack(sequence);
  }
};

TEST_F(Rules, APushReachesNodesThatAreThereAndThoseThatComeLater) {
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  EXPECT_EQ(status()["state"], "own rules");
  sign(7);
  const ProgramResult pushed = push();
  ASSERT_EQ(pushed.exit_code, 0) << pushed.err;
  EXPECT_THAT(pushed.out, AllOf(HasSubstr("serial 7"), HasSubstr("1 connected nodes")));
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
  EXPECT_EQ(status(1)["state"], "refused");
  EXPECT_THAT(picketctl("vic", {"rules", "status"}).out,
              AllOf(HasSubstr("pushed"), HasSubstr("operator/author/ann: a new lead"),
                    HasSubstr("node/n2  refused"), HasSubstr("bundle-7/r.yaml:3:14")));
}

TEST_F(Rules, WhoHasAnsweredIsNotAskedAgain) {
  sign(7);
  ASSERT_EQ(push().exit_code, 0);
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
  ASSERT_EQ(push().exit_code, 0);
  EXPECT_THAT(receive(*second, id).signature(), HasSubstr("serial 8\n"))
      << "only the next one came";
}

TEST_F(Rules, ALargeBundleComesInParts) {
  std::ofstream(folder_ / "rules/list.yaml")
      << "- list: l\n  items: [" << std::string(3 << 20, 'a') << "]\n";
  std::ofstream(folder_ / "rules/more.yaml")
      << "- list: m\n  items: [" << std::string(3 << 20, 'b') << "]\n";
  sign(1);
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  const ProgramResult pushed = push();
  ASSERT_EQ(pushed.exit_code, 0) << pushed.err;
  std::string id;
  EXPECT_GT(receive(*node, id).ByteSizeLong(), size_t{6} << 20);
}

TEST_F(Rules, OnlyAuthorsAndAdminsPushAndEveryAttemptIsOnRecord) {
  sign(7);
  for (const char* who : {"vic", "rob", "n1"}) EXPECT_EQ(push(who).exit_code, 5) << who;
  EXPECT_EQ(push("ada").exit_code, 0);
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  v1::NodeRules taken;
  std::string id;
  receive(*node, id);
  taken.set_bundle_id(id);
  taken.set_serial(7);
  ASSERT_TRUE(answer(*node, 1, taken));
  sign(6);
  const ProgramResult older = push();
  EXPECT_EQ(older.exit_code, 1);
  EXPECT_THAT(older.err, HasSubstr("serial 6 is not above 7"));
  const auto audit = orders();
  ASSERT_EQ(audit.size(), 5U);
  for (const nlohmann::json& entry : audit) EXPECT_EQ(entry["action"], "rules.push");
  EXPECT_THAT(audit[0]["outcome"].get<std::string>(), HasSubstr("may not push rules"));
  EXPECT_THAT(audit[2]["outcome"].get<std::string>(), HasSubstr("is not an operator"));
  EXPECT_EQ(audit[3]["actor"], "spiffe://picket/operator/admin/ada");
  EXPECT_THAT(audit[3]["object"].get<std::string>(), HasSubstr(" serial 7"));
  EXPECT_EQ(audit[3]["reason"], "a new lead");
  EXPECT_THAT(audit[4]["outcome"].get<std::string>(), HasSubstr("refused: serial 6"));
  EXPECT_EQ(audit_entries(), 6U);  // and who read it
}

// Only agents know a good signature: what none of them took sets no bounds.
TEST_F(Rules, AHighSerialWithABadSignatureIsInNobodysWay) {
  sign(7);
  run({"sed", "-i", "-e", "s/^serial .*/serial 18446744073709551615/", "-e",
       "s/^signature .*/signature AAAA/", folder_ / "rules/rules.sig"});
  ASSERT_EQ(push().exit_code, 0);
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  v1::NodeRules refused;
  std::string id;
  receive(*node, id);
  refused.set_refused_id(id);
  refused.set_error("not signed with the key");
  ASSERT_TRUE(answer(*node, 1, refused));
  sign(8);
  const ProgramResult good = push();
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(receive(*node, id).signature(), HasSubstr("serial 8\n"));
}

TEST_F(Rules, ASerialIsANumberThatCanBeOne) {
  for (const char* serial : {"-1", "0", "+5", "18446744073709551616", "x"})
    EXPECT_EQ(picketctl("vic", {"rules", "sign", folder_ / "rules", "--key", folder_ / "rules.key",
                                "--serial", serial})
                  .exit_code,
              2)
        << serial;
}

TEST_F(Rules, WhatNoAgentWouldTakeIsNotEvenSent) {
  EXPECT_EQ(push().exit_code, 3) << "not signed";
  sign(7);
  put("proc.name = z");
  const ProgramResult altered = push();
  EXPECT_EQ(altered.exit_code, 3);
  EXPECT_THAT(altered.err, HasSubstr("r.yaml was altered"));
  put("proc.nam = z");
  EXPECT_THAT(push().err, HasSubstr("unknown field 'proc.nam'"));
  EXPECT_EQ(picketctl("ann", {"rules", "push", folder_ / "rules", "--reason", " "}).exit_code, 2);
  EXPECT_TRUE(orders().empty());
}

}  // namespace
}  // namespace picket::test
