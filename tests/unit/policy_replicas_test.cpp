// The policy of two collectors on one PostgreSQL: what one of them changed the other offers to its
// nodes, and neither undoes what the other did.
#include <gmock/gmock.h>

#include "collector/fleet/policy_distribution.h"
#include "collector/store/postgres_store.h"
#include "common/alert_json.h"
#include "common/rule_signature.h"
#include "tests/support/postgres.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using testing::HasSubstr;

struct Link final : AgentLink {
  bool deliver(const v1::Command&) override { return true; }
  void offer(std::shared_ptr<const RuleBundle> bundle, bool shadow) override {
    serial = bundle->info.serial();
    on_trial = shadow;
  }
  void offer(std::shared_ptr<const v1::WaiverSet> set) override { waivers = set->waivers_size(); }
  void close(std::string_view) override {}

  uint64_t serial = 0;
  bool on_trial = false;
  int waivers = -1;
};

struct Collector {
  Collector(std::unique_ptr<Store> opened, const Clock& clock)
      : store(std::move(opened)), writer(*store, {}, metrics), policy(writer, nodes, clock) {
    writer.start();
  }
  ~Collector() { writer.stop(); }
  // What its stream does.
  PolicyDistribution::Offer connect(const std::string& node, const v1::Hello& hello = {}) {
    PolicyDistribution::Offer offer;
    const absl::Status status = writer.run_and_wait([&](Store& with) -> absl::Status {
      const auto known = with.greet({node, hello});
      if (!known.ok()) return known.status();
      nodes.connect(node, link);
      offer = policy.on_hello(node, hello, known->rules);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return offer;
  }
  void told(const std::string& node, const v1::NodeRules& rules) {
    const absl::Status status = writer.run_and_wait([&](Store& with) -> absl::Status {
      v1::Envelope envelope;
      envelope.set_sequence(1);
      *envelope.mutable_rules() = rules;
      const NodeBatch told = batch(node, {envelope});
      const auto committed = with.commit({&told, 1});
      policy.told(node, rules);
      return committed.status();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
  // Until it has no more to write.
  void settle() {
    EXPECT_TRUE(writer.run_and_wait([](Store&) { return absl::OkStatus(); }).ok());
  }
  std::string publish(uint64_t serial) {
    v1::RuleBundle bundle;
    bundle.set_signature(rule_signature_head(serial) + "rest\n");
    bundle.add_files()->set_name("r.yaml");
    const auto published = policy.publish({"ann", "a lead", bundle.SerializeAsString()});
    EXPECT_TRUE(published.ok()) << published.status();
    return published.ok() ? published->bundle().bundle_id() : "";
  }
  absl::Status change(const v1::ChangePolicyRequest& request) {
    PolicyChange change{"ann", request};
    change.request.set_reason("a lead");
    return policy.change(change).status();
  }
  absl::Status roll_out(const std::string& version, bool shadow = false) {
    v1::ChangePolicyRequest request;
    request.mutable_rollout()->set_version(version);
    request.mutable_rollout()->set_percent(100);
    request.mutable_rollout()->set_shadow(shadow);
    return change(request);
  }
  v1::GetPolicyResponse described() const {
    v1::GetPolicyResponse response;
    policy.describe(*(*store->reader())->nodes(0), response);
    return response;
  }

  std::unique_ptr<Store> store;
  MetricRegistry metrics;
  Writer writer;
  NodeRegistry nodes;
  PolicyDistribution policy;
  std::shared_ptr<Link> link = std::make_shared<Link>();
};

class PolicyReplicas : public testing::Test {
 protected:
  void SetUp() override {
    auto server = PostgresServer::start();
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const auto where = server_->create_database();
    ASSERT_TRUE(where.ok()) << where.status();
    for (auto* collector : {&a_, &b_}) {
      auto store = PostgresStore::open({.where = *where}, clock_, nullptr);
      ASSERT_TRUE(store.ok()) << store.status();
      *collector = std::make_unique<Collector>(*std::move(store), clock_);
      ASSERT_TRUE((*collector)->policy.start(*(*collector)->store).ok());
    }
  }

  const SystemClock clock_;
  std::unique_ptr<PostgresServer> server_;
  std::unique_ptr<Collector> a_, b_;
};

TEST_F(PolicyReplicas, WhatOneChangedTheOtherOffers) {
  v1::Hello hello;
  (*hello.mutable_labels())["zone"] = "a";
  b_->connect(kNode, hello);
  const std::string id = a_->publish(7);
  ASSERT_TRUE(a_->roll_out("7", true).ok());
  EXPECT_EQ(b_->link->serial, 0U);
  b_->policy.refresh();
  EXPECT_EQ(b_->link->serial, 7U);
  EXPECT_TRUE(b_->link->on_trial);
  EXPECT_EQ(b_->link->waivers, -1) << "there is nothing new about them";
  // What its node says, the other knows: also to whom it goes.
  v1::NodeRules taken;
  taken.set_bundle_id(id);
  taken.set_serial(7);
  b_->told(kNode, taken);
  const v1::GetPolicyResponse described = a_->described();
  ASSERT_EQ(described.nodes_size(), 1);
  EXPECT_EQ(described.nodes(0).node().rules().serial(), 7U);
  EXPECT_EQ(described.nodes(0).node().labels().at("zone"), "a");
  EXPECT_EQ(described.nodes(0).bundle_id(), id);
  a_->publish(6);
  EXPECT_THAT(std::string(a_->roll_out("6").message()), HasSubstr("not above 7"));
  // And it is not asked to go back where it comes next.
  EXPECT_EQ(a_->publish(8).empty(), false);
  v1::ChangePolicyRequest halt;
  halt.mutable_halt();
  ASSERT_TRUE(a_->change(halt).ok());
  hello.set_rules_bundle(id);
  EXPECT_FALSE(a_->connect(kNode, hello).bundle);
}

TEST_F(PolicyReplicas, NeitherUndoesWhatTheOtherDid) {
  a_->publish(7);
  b_->publish(8);
  ASSERT_TRUE(a_->roll_out("7").ok());
  ASSERT_TRUE(b_->roll_out("8").ok()) << "made on what the other has kept";
  EXPECT_EQ(b_->described().policy().bundle_id(), a_->described().policy().rollout().bundle_id());
  a_->policy.refresh();
  EXPECT_EQ(a_->described().policy().SerializeAsString(),
            b_->described().policy().SerializeAsString());
}

TEST_F(PolicyReplicas, ARefusalAtOneHaltsItForBoth) {
  const std::string id = a_->publish(7);
  ASSERT_TRUE(a_->roll_out("7").ok());
  b_->policy.refresh();
  b_->connect(kNode);
  v1::NodeRules refused;
  refused.set_refused_id(id);
  refused.set_error("r.yaml:3:14: no such field");
  b_->told(kNode, refused);
  b_->settle();
  a_->connect(kOtherNode);
  a_->policy.refresh();
  EXPECT_THAT(a_->described().policy().rollout().halted(), HasSubstr("r.yaml:3:14"));
  EXPECT_EQ(a_->link->serial, 0U);
}

}  // namespace
}  // namespace picket::test
