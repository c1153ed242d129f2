// Rules from the collector: an agent takes a bundle that its own key verifies and that is not older
// than what it has, keeps it over a restart, and says what became of it.
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "agent/app/rule_updates.h"
#include "agent/detect/bundle/bundle.h"
#include "common/bounded_queue.h"
#include "common/rule_bundle.h"
#include "common/rule_signature.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct RuleUpdatesTest : testing::Test {
  RuleUpdatesTest() {
    std::string name = testing::TempDir() + "updates-XXXXXX";
    folder = mkdtemp(name.data());
    std::ofstream(folder / "local.yaml") << named("local");
    make_key("a");
    make_key("b");
    options = {{folder / "local.yaml"},
               folder / "a.pub",
               folder / "kept",
               folder / "bundle",
               folder / "serials"};
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
    auto rules = told.pop(10s);
    EXPECT_TRUE(rules.has_value()) << "nothing was told";
    return rules.value_or(v1::NodeRules());
  }
  v1::NodeRules offer(const OfferedRules& rules) {
    agent->offer(rules);
    return next();
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
  EXPECT_EQ(agent->answered_bundle(), first.bundle_id);
  EXPECT_EQ(start(), "fleet") << "a restart changes nothing";
  EXPECT_EQ(at_start.bundle_id(), first.bundle_id);
  EXPECT_EQ(agent->answered_bundle(), first.bundle_id) << "it need not come again";
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
  EXPECT_EQ(agent->answered_bundle(), altered.bundle_id);
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
  for (const char* lost : {"kept", "bundle"}) std::ofstream(folder / lost) << "no rules";
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
  EXPECT_EQ(agent->answered_bundle(), "");
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
