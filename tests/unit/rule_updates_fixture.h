// An agent's rules with a collector that offers: keys, bundles and waivers made here, what comes
// into force, and what is told. Owner: the test's thread. Errors: test failures.
#pragma once

#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "agent/app/rule_updates.h"
#include "agent/detect/bundle/bundle.h"
#include "agent/detect/rule/program.h"
#include "common/bounded_queue.h"
#include "common/rule_bundle.h"
#include "common/rule_signature.h"
#include "common/signed_waiver.h"
#include "tests/unit/rule_fixture.h"

namespace picket {

struct RuleUpdatesTest : testing::Test {
  RuleUpdatesTest() {
    std::string name = testing::TempDir() + "updates-XXXXXX";
    folder = mkdtemp(name.data());
    std::ofstream(folder / "local.yaml") << named("local");
    make_key("a");
    make_key("b");
    options = {{folder / "local.yaml"}, folder / "a.pub",   folder / "kept",
               folder / "bundle",       folder / "serials", folder / "waivers"};
  }
  ~RuleUpdatesTest() override {
    agent.reset();
    std::filesystem::remove_all(folder);
  }
  void make_key(const std::string& name) const {
    EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    FILE* secret = fopen((folder / (name + ".key")).c_str(), "w");
    PEM_write_PrivateKey(secret, key, nullptr, nullptr, 0, nullptr, nullptr);
    fclose(secret);
    FILE* open = fopen((folder / (name + ".pub")).c_str(), "w");
    PEM_write_PUBKEY(open, key);
    fclose(open);
    EVP_PKEY_free(key);
  }
  static std::string named(const std::string& name,
                           const std::string& condition = "proc.name = x") {
    return "- rule: " + name + "\n  desc: d\n  condition: " + condition +
           "\n  output: o\n  priority: NOTICE\n";
  }
  OfferedRules bundle(uint64_t serial, const std::string& text,
                      const std::string& key = "a") const {
    const std::vector<RuleFile> files = {{"f/r.yaml", text}};
    const auto secret = BundleKey::read_private(folder / (key + ".key"));
    v1::RuleBundle message;
    message.set_signature(sign_rules("f", files, serial, *secret).value());
    v1::RuleBundle::File& file = *message.add_files();
    file.set_name("r.yaml");
    file.set_text(text);
    return {rule_bundle_id(message.signature()), message.SerializeAsString()};
  }
  // As a start of the agent: with the files of its state directory.
  std::string start() {
    RuleUpdates::Doors doors;
    doors.post = [this](Mail mail) {
      if (full) return false;
      if (auto* rules = std::get_if<NewRules>(&mail)) in_force = rules->rules;
      if (auto* refused = std::get_if<RefusedRules>(&mail)) findings.push_back(refused->why);
      return true;
    };
    doors.publish = [this](v1::Envelope envelope) {
      told.push(std::move(*envelope.mutable_rules()));
    };
    agent.reset();
    agent = std::make_unique<RuleUpdates>(options, clock, std::move(doors));
    auto rules = agent->first();
    if (!rules.ok()) return std::string(rules.status().message());
    in_force = *rules;
    EXPECT_TRUE(agent->start().ok());
    at_start = next();
    return rule();
  }
  v1::NodeRules next() {
    auto rules = told.pop(std::chrono::seconds(10));
    EXPECT_TRUE(rules.has_value()) << "nothing was told";
    return rules.value_or(v1::NodeRules());
  }
  v1::NodeRules offer(const OfferedRules& rules) {
    agent->offer(rules);
    return next();
  }
  v1::NodeRules offer(const v1::WaiverSet& waivers) {
    agent->offer(waivers);
    return next();
  }
  v1::Hello answered() const {
    v1::Hello hello;
    agent->introduce(hello);
    return hello;
  }
  v1::SignedWaiver waiver(const std::string& name, const std::string& condition = "",
                          const std::string& key = "a") const {
    v1::Waiver waiver;
    waiver.set_name(name);
    waiver.add_rules("local");
    waiver.set_owner("ann");
    waiver.set_reason("known");
    waiver.mutable_expires()->set_seconds(7'000'000'000);
    waiver.set_condition(condition);
    v1::SignedWaiver result;
    result.set_waiver(waiver.SerializeAsString());
    const auto secret = BundleKey::read_private(folder / (key + ".key"));
    result.set_signature(secret->sign(waiver_signing_text(result.waiver())).value());
    return result;
  }
  static v1::WaiverSet set_of(const std::vector<v1::SignedWaiver>& waivers) {
    v1::WaiverSet set;
    for (const v1::SignedWaiver& one : waivers) *set.add_waivers() = one;
    set.set_set_id(waiver_set_id(set));
    return set;
  }
  std::vector<std::string> waivers() const {
    std::vector<std::string> names;
    for (const rule::Waiver& one : in_force->program().waivers) names.push_back(one.info.name);
    return names;
  }

  std::string rule() const { return in_force->rules()[0].name; }

  std::filesystem::path folder;
  RuleSource::Options options;
  SystemClock clock;
  bool full = false;  // the pipeline's mailbox
  std::shared_ptr<const RuleSet> in_force;
  std::vector<std::string> findings;
  BoundedQueue<v1::NodeRules> told{16};
  v1::NodeRules at_start;
  std::unique_ptr<RuleUpdates> agent;
};

// The node's own rules are signed too.
struct SignedLocally : RuleUpdatesTest {
  SignedLocally() {
    std::filesystem::create_directory(folder / "rules");
    std::ofstream(folder / "rules/r.yaml") << named("local");
    LoadReport report;
    const std::filesystem::path rules = folder / "rules";
    const auto files = read_rule_files({&rules, 1}, report);
    std::ofstream(rules / kSignatureFile)
        << sign_rules(rules, files, 10, *BundleKey::read_private(folder / "a.key")).value();
    options.paths = {rules};
  }
};

}  // namespace picket
