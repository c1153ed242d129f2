// What the distribution of rules needs of every Store: versions, one policy, and what nodes say of
// themselves.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/unit/store_conformance.h"
#include "tests/unit/wire.h"

namespace picket::test {

TEST_P(StoreConformance, KeepsVersionsOfRulesAndWhatNodesSayOfThem) {
  EXPECT_TRUE(reader()->bundles()->empty());
  EXPECT_TRUE(absl::IsNotFound(reader()->bundle("b1").status()));
  RuleBundle bundle;
  for (const uint64_t serial : {1U, 2U, 3U, 1U}) {
    bundle.info.set_bundle_id(fmt::format("b{}", serial));
    bundle.info.set_serial(serial);
    bundle.bytes = std::string(5 << 20, static_cast<char>(serial)) + '\0';
    ASSERT_TRUE(store_->add_bundle(bundle).ok());
  }
  ASSERT_TRUE(store_->remove_bundle("b3").ok());
  EXPECT_TRUE(store_->remove_bundle("b3").ok()) << "gone is gone";
  v1::Envelope envelope;
  envelope.set_sequence(1);
  envelope.mutable_rules()->set_serial(2);
  commit(batch(kNode, {envelope}));
  reopen();
  const auto versions = reader()->bundles();
  ASSERT_TRUE(versions.ok()) << versions.status();
  ASSERT_EQ(versions->size(), 2U);
  EXPECT_EQ(versions->at(0).bundle_id(), "b2");
  EXPECT_EQ(versions->at(1).bundle_id(), "b1") << "added anew";
  const auto kept = reader()->bundle("b1");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->info.serial(), 1U);
  EXPECT_EQ(kept->bytes, bundle.bytes);
  EXPECT_TRUE(absl::IsNotFound(reader()->bundle("b3").status()));
  EXPECT_EQ(reader()->nodes()->at(0).rules().serial(), 2U);
}

TEST_P(StoreConformance, KnowsWhatANodeSaidOfItselfWhenItComesAgain) {
  v1::Hello hello;
  hello.set_epoch("epoch-1");
  (*hello.mutable_labels())["zone"] = "a";
  (*hello.mutable_labels())["tier"] = "dev";
  EXPECT_EQ(store_->greet({kNode, hello})->rules.serial(), 0U);
  v1::Envelope envelope;
  envelope.set_sequence(1);
  envelope.mutable_rules()->set_serial(2);
  commit(batch(kNode, {envelope}));
  reopen();
  EXPECT_EQ(reader()->nodes()->at(0).labels().at("zone"), "a");
  hello.mutable_labels()->erase("zone");
  const auto known = store_->greet({kNode, hello});
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(known->last_sequence, 1U);
  EXPECT_EQ(known->rules.serial(), 2U);
  EXPECT_EQ(reader()->nodes()->at(0).labels().size(), 1U) << "as it said them last";
}

TEST_P(StoreConformance, KeepsOnePolicy) {
  EXPECT_TRUE(absl::IsNotFound(reader()->policy().status()));
  v1::FleetPolicy policy;
  for (const uint32_t percent : {10U, 50U}) {
    policy.mutable_rollout()->set_percent(percent);
    policy.set_revision(policy.revision() + 1);
    ASSERT_TRUE(store_->set_policy(policy).ok());
  }
  EXPECT_TRUE(absl::IsAborted(store_->set_policy(policy))) << "of that revision there is one";
  reopen();
  const auto kept = reader()->policy();
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->SerializeAsString(), policy.SerializeAsString());
}

}  // namespace picket::test
