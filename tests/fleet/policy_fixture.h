// What the tests of the policy share: a signed folder of rules, picketctl's commands, and a node's
// side of the talk. Owner: the test's thread. Errors: test failures.
#pragma once

#include <filesystem>
#include <fstream>

#include "common/rule_bundle.h"
#include "tests/fleet/collector_fixture.h"

namespace picket::test {

class PolicyTest : public CollectorTest {
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
  ProgramResult publish(const std::string& who = "ann") const {
    return picketctl(who, {"policy", "publish", folder_ / "rules", "--reason", "a new lead"});
  }
  ProgramResult rollout(const std::string& version, std::vector<std::string> options = {},
                        const std::string& who = "ann") const {
    options.insert(options.begin(), {"policy", "rollout", version, "--reason", "a new lead"});
    return picketctl(who, std::move(options));
  }
  // What was signed last, published and on its way to every node.
  ProgramResult hand_out() const {
    const ProgramResult published = publish();
    if (published.exit_code != 0) return published;
    const auto versions = json("vic", {"policy", "list"});
    return rollout(versions.back()["bundle"]);
  }
  // Published and on its way to the nodes that the options select.
  void stage(uint64_t serial, const std::vector<std::string>& options) const {
    put("proc.name = v" + std::to_string(serial));
    sign(serial);
    ASSERT_EQ(publish().exit_code, 0);
    const ProgramResult begun = rollout(std::to_string(serial), options);
    ASSERT_EQ(begun.exit_code, 0) << begun.err;
  }
  nlohmann::json status(size_t node = 0) const {
    return json("vic", {"policy", "status"}).at(node);
  }
  // What the collector sends until a bundle is whole, commands and acknowledgements aside.
  static v1::RuleBundle receive(SimulatedAgent& node, std::string& id, bool* shadow = nullptr) {
    RuleBundleAssembly assembly;
    v1::RuleBundle bundle;
    while (const auto message = node.receive()) {
      if (!message->has_rules()) continue;
      const auto whole = assembly.add(message->rules());
      EXPECT_TRUE(whole.ok()) << whole.status();
      if (!whole.ok() || !*whole) continue;
      id = assembly.id();
      if (shadow != nullptr) *shadow = message->rules().shadow();
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
  // The next bundle comes, with this serial, and the node says that it is in force, or why not.
  static void take(SimulatedAgent& node, uint64_t sequence, uint64_t serial,
                   const std::string& error = "") {
    std::string id;
    bool shadow = false;
    const v1::RuleBundle bundle = receive(node, id, &shadow);
    EXPECT_NE(bundle.signature().find("serial " + std::to_string(serial) + "\n"), std::string::npos)
        << bundle.signature();
    v1::NodeRules rules;
    if (error.empty()) {
      rules.set_bundle_id(id);
      rules.set_serial(serial);
      rules.set_shadow(shadow);
    } else {
      rules.set_refused_id(id);
      rules.set_error(error);
    }
    ASSERT_TRUE(answer(node, sequence, rules));
  }
};

}  // namespace picket::test
