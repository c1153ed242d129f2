#include "tests/support/kafka.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <librdkafka/rdkafkacpp.h>

#include "tests/support/subprocess.h"

namespace picket::test {
namespace {

constexpr int kBrokers = 3;
constexpr int16_t kProduce = 0;  // the protocol's number of this request
constexpr int kPollMs = 1000;    // a message ends it at once

std::string text(const void* bytes, size_t size) { return {static_cast<const char*>(bytes), size}; }

}  // namespace

struct KafkaCluster::Impl {
  Impl() {
    char error[256];
    client = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof error);
    cluster = rd_kafka_mock_cluster_new(client, kBrokers);
    rd_kafka_mock_topic_create(cluster, kTopic, 1, kBrokers);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(client);
  }
  rd_kafka_t* client;
  rd_kafka_mock_cluster_t* cluster;
};

KafkaCluster::KafkaCluster() : impl_(std::make_unique<Impl>()) {}
KafkaCluster::~KafkaCluster() = default;

std::string KafkaCluster::brokers() const {
  return rd_kafka_mock_cluster_bootstraps(impl_->cluster);
}

void KafkaCluster::lose_leader(size_t times) {
  for (size_t i = 0; i < times; ++i)
    rd_kafka_mock_push_request_errors(impl_->cluster, kProduce, 1,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
}

std::vector<KafkaCluster::Message> KafkaCluster::consume(size_t count) const {
  std::string error;
  const std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  conf->set("bootstrap.servers", brokers(), error);
  conf->set("group.id", "test", error);
  const std::unique_ptr<RdKafka::KafkaConsumer> consumer(
      RdKafka::KafkaConsumer::create(conf.get(), error));
  const std::unique_ptr<RdKafka::TopicPartition> begin(
      RdKafka::TopicPartition::create(kTopic, 0, RdKafka::Topic::OFFSET_BEGINNING));
  consumer->assign({begin.get()});
  std::vector<Message> found;
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (found.size() < count && std::chrono::steady_clock::now() < deadline) {
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(kPollMs));
    if (message->err() != RdKafka::ERR_NO_ERROR) continue;
    Message& one = found.emplace_back();
    one.key = *message->key();
    one.value = text(message->payload(), message->len());
    for (const auto& header : message->headers()->get("picket-alert-id"))
      one.id = text(header.value(), header.value_size());
  }
  consumer->close();
  return found;
}

}  // namespace picket::test
