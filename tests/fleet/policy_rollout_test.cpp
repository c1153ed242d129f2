// Rollouts to some nodes first, what halts them, rules on trial, and waivers. By the hash of its
// name n1 stands at 87 of 100 and n2 at 83 (tests/unit/rollout_test.cpp).
#include <gmock/gmock.h>

#include <ctime>

#include "tests/fleet/policy_fixture.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Rollout : public PolicyTest {
 protected:
  std::unique_ptr<SimulatedAgent> connect(const std::string& name) const {
    auto node = agent(name);
    EXPECT_EQ(node->hello(), 0U);
    return node;
  }
  std::string state(size_t node) const { return status(node)["state"]; }
  std::vector<std::string> waiver(const std::string& name, const std::string& expires) const {
    return {"waivers", "add",     name,       "--rule", "r*",
            "--owner", "ann",     "--reason", "known",  "--expires",
            expires,   "--scope", "owner=bo", "--key",  folder_ / "rules.key"};
  }
  // The next set comes; answers the names in it.
  static std::vector<std::string> receive_waivers(SimulatedAgent& node, std::string& id) {
    std::vector<std::string> names;
    while (const auto message = node.receive()) {
      if (!message->has_waivers()) continue;
      id = message->waivers().set_id();
      for (const v1::SignedWaiver& one : message->waivers().waivers()) {
        v1::Waiver waiver;
        EXPECT_TRUE(waiver.ParseFromString(one.waiver()));
        EXPECT_EQ(one.signature().size(), 64U);
        names.push_back(waiver.name());
      }
      return names;
    }
    ADD_FAILURE() << "the stream ended first";
    return names;
  }
};

TEST_F(Rollout, GoesToSoManyInAHundredAndThenToMore) {
  const auto n1 = connect("n1"), n2 = connect("n2");
  stage(7, {});
  take(*n1, 1, 7);
  take(*n2, 1, 7);
  stage(8, {"--percent", "85"});
  take(*n2, 2, 8);
  EXPECT_EQ(status(0)["current_serial"], 7);
  EXPECT_EQ(status(1)["current_serial"], 8);
  EXPECT_EQ(state(0), "in force");
  EXPECT_EQ(state(1), "in force");
  const auto versions = json("vic", {"policy", "list"});
  ASSERT_EQ(versions.size(), 2U);
  EXPECT_EQ(versions[0]["fallback"], true);
  EXPECT_EQ(versions[0]["nodes"], 1);
  EXPECT_EQ(versions[1]["percent"], 85);
  // Wider: who has it keeps it, over a restart too.
  stop();
  start();
  EXPECT_EQ(state(1), "in force");
  const auto again = agent("n1");
  v1::ConnectRequest hello;
  hello.mutable_hello()->set_epoch("epoch-1");
  hello.mutable_hello()->set_rules_bundle(status(0)["bundle"]);
  ASSERT_TRUE(again->say(hello));
  ASSERT_TRUE(again->receive()->has_ack());
  ASSERT_EQ(rollout("8", {"--percent", "88"}).exit_code, 0);
  take(*again, 2, 8);
  EXPECT_EQ(state(0), "in force");
}

TEST_F(Rollout, ANodeThatRefusesHaltsIt) {
  const auto n2 = connect("n2");
  stage(7, {});
  take(*n2, 1, 7);
  stage(8, {"--percent", "85"});
  take(*n2, 2, 8, "bundle-8/r.yaml:3:14: no such field");
  const auto versions = json("vic", {"policy", "list"});
  EXPECT_THAT(versions[1]["halted"].get<std::string>(),
              AllOf(HasSubstr("node/n2"), HasSubstr("r.yaml:3:14")));
  // Who comes now gets what was before, also when the collector began anew.
  stop();
  start();
  const auto later = connect("n1");
  take(*later, 1, 7);
  const auto audit = orders();
  EXPECT_EQ(audit.back()["action"], "policy.halt");
  EXPECT_EQ(audit.back()["actor"], "collector");
  EXPECT_THAT(audit.back()["outcome"].get<std::string>(), HasSubstr("r.yaml:3:14"));
  // Begun again it goes on, and to who refused it too.
  const auto back = agent("n2");
  ASSERT_EQ(back->hello(), 2U);
  ASSERT_EQ(rollout("8").exit_code, 0);
  take(*later, 2, 8);
  EXPECT_EQ(json("vic", {"policy", "list"})[1]["halted"], "");
}

TEST_F(Rollout, AnOperatorHaltsIt) {
  stage(7, {});
  const std::vector<std::string> halt{"policy", "halt", "--reason", "second thoughts"};
  ASSERT_EQ(picketctl("ann", halt).exit_code, 0);
  EXPECT_THAT(picketctl("vic", {"policy", "status"}).out,
              AllOf(HasSubstr("HALTED"), HasSubstr("author/ann: second thoughts")));
  EXPECT_EQ(picketctl("ann", halt).exit_code, 1) << "none is under way";
  const auto node = connect("n1");
  EXPECT_EQ(state(0), "own rules");
}

TEST_F(Rollout, GoesToNodesWithALabel) {
  const auto n1 = agent("n1");
  v1::ConnectRequest hello;
  hello.mutable_hello()->set_epoch("epoch-1");
  (*hello.mutable_hello()->mutable_labels())["zone"] = "a";
  ASSERT_TRUE(n1->say(hello));
  ASSERT_TRUE(n1->receive()->has_ack());
  const auto n2 = connect("n2");
  stage(7, {"--label", "zone=a"});
  take(*n1, 1, 7);
  EXPECT_EQ(state(0), "in force");
  EXPECT_EQ(status(0)["labels"]["zone"], "a");
  EXPECT_EQ(state(1), "own rules");
  EXPECT_EQ(rollout("7", {"--label", "zone"}).exit_code, 2);
}

TEST_F(Rollout, IsOnTrialFirst) {
  const auto node = connect("n1");
  stage(7, {"--shadow"});
  take(*node, 1, 7);
  EXPECT_EQ(state(0), "on trial");
  EXPECT_THAT(picketctl("vic", {"nodes"}).out, HasSubstr("serial 7 (on trial)"));
  ASSERT_EQ(rollout("7").exit_code, 0);
  EXPECT_EQ(state(0), "waiting");
  take(*node, 2, 7);
  EXPECT_EQ(state(0), "in force");
  EXPECT_EQ(json("vic", {"nodes"})[0]["rules_serial"], 7);
}

TEST_F(Rollout, WantsAVersionThatIsThere) {
  put("proc.name = x");
  sign(7);
  ASSERT_EQ(publish().exit_code, 0);
  EXPECT_THAT(rollout("8").err, HasSubstr("no version"));
  EXPECT_EQ(rollout("7", {"--percent", "0"}).exit_code, 2);
  EXPECT_EQ(rollout("7", {"--percent", "101"}).exit_code, 2);
  EXPECT_THAT(picketctl("vic", {"policy", "show", "7"}).out,
              AllOf(HasSubstr("serial 7"), HasSubstr(" r.yaml"), HasSubstr("signature ")));
  EXPECT_THAT(picketctl("vic", {"policy", "show", "8"}).err, HasSubstr("no version"));
}

TEST_F(Rollout, WaiversReachNodesThatAreThereAndThoseThatComeLater) {
  const auto node = connect("n1");
  const ProgramResult added = picketctl("ann", waiver("old-build", "2199-12-31"));
  ASSERT_EQ(added.exit_code, 0) << added.err;
  std::string first, second, third;
  EXPECT_THAT(receive_waivers(*node, first), testing::ElementsAre("old-build"));
  EXPECT_EQ(status()["waivers_state"], "waiting");
  v1::NodeRules rules;
  rules.set_waivers_id(first);
  rules.set_waivers(1);
  ASSERT_TRUE(answer(*node, 1, rules));
  EXPECT_EQ(status()["waivers_state"], "in force");
  EXPECT_EQ(status()["waivers"], 1);
  ASSERT_EQ(picketctl("ada", waiver("second", "2199-12-31T18:00:00Z")).exit_code, 0);
  EXPECT_THAT(receive_waivers(*node, second), testing::ElementsAre("old-build", "second"));
  stop();
  start();
  const auto later = connect("n2");
  EXPECT_THAT(receive_waivers(*later, third), testing::ElementsAre("old-build", "second"));
  EXPECT_EQ(third, second);
  const auto listed = json("vic", {"waivers", "list"});
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0]["owner"], "ann");
  EXPECT_EQ(listed[0]["scope"]["owner"][0], "bo");
  EXPECT_EQ(listed[0]["expires"].get<std::string>().substr(0, 10), "2200-01-01")
      << "that day is over";
  EXPECT_EQ(listed[1]["added_by"], "spiffe://picket/operator/admin/ada");
  const std::vector<std::string> remove{"waivers", "remove", "old-build", "--reason", "gone"};
  ASSERT_EQ(picketctl("ann", remove).exit_code, 0);
  EXPECT_THAT(receive_waivers(*later, third), testing::ElementsAre("second"));
  EXPECT_THAT(picketctl("ann", remove).err, HasSubstr("no waiver"));
  const auto audit = orders();
  EXPECT_EQ(audit[0]["action"], "waivers.add");
  EXPECT_THAT(audit[0]["object"].get<std::string>(), HasSubstr("old-build of ann for r*"));
  EXPECT_EQ(audit[0]["reason"], "known");
  EXPECT_EQ(audit[2]["action"], "waivers.remove");
}

TEST_F(Rollout, AWaiverThatNoAgentWouldTakeIsNotEvenSent) {
  EXPECT_EQ(picketctl("rob", waiver("w", "2199-12-31")).exit_code, 5);
  EXPECT_EQ(picketctl("ann", waiver("a name", "2199-12-31")).exit_code, 3);
  EXPECT_EQ(picketctl("ann", waiver("w", "tomorrow")).exit_code, 3);
  EXPECT_THAT(picketctl("ann", waiver("w", "2020-01-01")).err, HasSubstr("has ended already"));
  auto condition = waiver("w", "2199-12-31");
  condition.insert(condition.end(), {"--condition", "proc.nam = x"});
  EXPECT_THAT(picketctl("ann", condition).err, HasSubstr("unknown field 'proc.nam'"));
  EXPECT_TRUE(json("vic", {"waivers", "list"}).empty());
}

}  // namespace
}  // namespace picket::test
