// A Kafka cluster in the test's process: librdkafka's mock brokers, which speak the protocol on
// loopback. Owner: one thread. Errors: consume() gives up at the deadline with what there is.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace picket::test {

class KafkaCluster {
 public:
  static constexpr const char* kTopic = "alerts";  // one partition on three brokers
  struct Message {
    std::string key, value, id;  // id: of the header picket-alert-id
  };

  KafkaCluster();
  ~KafkaCluster();
  std::string brokers() const;
  // The next so many requests to store are refused by who is no leader any more.
  void lose_leader(size_t times);
  // From the first message on, until there are so many.
  std::vector<Message> consume(size_t count) const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace picket::test
