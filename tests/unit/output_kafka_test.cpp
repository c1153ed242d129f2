// The Kafka output against librdkafka's own cluster of mock brokers, which speak the protocol on
// loopback.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "collector/export/destinations.h"
#include "tests/support/kafka.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using testing::HasSubstr;

std::vector<StoredAlert> alerts(size_t count) {
  std::vector<StoredAlert> made;
  for (size_t i = 1; i <= count; ++i) made.push_back({i, make_alert(fmt::format("a{}", i))});
  return made;
}

std::unique_ptr<Output> output_to(const std::string& brokers) {
  return kafka_output({.brokers = brokers,
                       .topic = KafkaCluster::kTopic,
                       .encrypted = false,
                       .tls = {},
                       .sasl_mechanism = {},
                       .sasl_user = {},
                       .sasl_password_file = {}},
                      AlertFormat::picket, "1.2.3");
}

TEST(Kafka, TakesAlertsInOrderWithTheirKeys) {
  KafkaCluster cluster;
  cluster.lose_leader(2);
  const auto output = output_to(cluster.brokers());
  const auto many = alerts(64);
  const auto taken = output->send(many, {});
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->alerts, 64U);
  EXPECT_EQ(taken->refused, 0U);
  const auto found = cluster.consume(64);
  ASSERT_EQ(found.size(), 64U);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].id, many[i].alert.id());
    EXPECT_EQ(found[i].key, many[i].alert.workspace().id());
    EXPECT_EQ(nlohmann::json::parse(found[i].value)["id"], many[i].alert.id());
  }
}

TEST(Kafka, RefusesForGoodOnlyWhatCanNeverBeTaken) {
  KafkaCluster cluster;
  const auto output = output_to(cluster.brokers());
  auto two = alerts(2);
  two[0].alert.set_output(std::string(2'000'000, 'x'));
  const auto taken = output->send(two, {});
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->alerts, 1U);
  EXPECT_EQ(taken->refused, 1U);
  EXPECT_THAT(taken->why, HasSubstr("Kafka"));
  EXPECT_EQ(output->send(std::span(two).subspan(1), {})->refused, 0U);
}

TEST(Kafka, LetsGoWhenNobodyListensAndSomebodyAsksToStop) {
  const auto output = output_to("127.0.0.1:1");
  const auto one = alerts(1);
  std::stop_source stop;
  stop.request_stop();
  const auto taken = output->send(one, stop.get_token());
  ASSERT_FALSE(taken.ok());
  EXPECT_THAT(std::string(taken.status().message()), HasSubstr("Kafka"));
}

}  // namespace
}  // namespace picket::test
