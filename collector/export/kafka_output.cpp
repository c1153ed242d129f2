#include <fmt/format.h>
#include <librdkafka/rdkafkacpp.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "collector/export/destinations.h"
#include "collector/export/render.h"

namespace picket {
namespace {

constexpr const char* kTimeout = "20000";  // ms, for a message with all its repetitions
constexpr int kPoll = 100;                 // ms; a report ends it at once

class KafkaOutput final : public Output, RdKafka::DeliveryReportCb, RdKafka::EventCb {
 public:
  KafkaOutput(const KafkaTarget& target, AlertFormat format, const std::string& version)
      : target_(target), format_(format), version_(version) {}
  KafkaOutput(const KafkaOutput&) = delete;
  KafkaOutput& operator=(const KafkaOutput&) = delete;

  absl::StatusOr<Taken> send(std::span<const StoredAlert> alerts, std::stop_token stop) override {
    if (!producer_) {
      if (absl::Status status = create(); !status.ok()) return status;
    }
    answers_.assign(alerts.size(), RdKafka::ERR__IN_PROGRESS);
    left_ = alerts.size();
    for (size_t i = 0; i < alerts.size(); ++i) produce(alerts[i].alert, i);
    while (left_ > 0 && !stop.stop_requested()) producer_->poll(kPoll);
    if (left_ > 0)
      producer_->purge(RdKafka::Producer::PURGE_QUEUE | RdKafka::Producer::PURGE_INFLIGHT);
    while (left_ > 0) producer_->poll(kPoll);
    return outcome();
  }

 private:
  absl::Status create() {
    const std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
    std::string error;
    const auto set = [&](const char* name, const std::string& value) {
      return value.empty() || conf->set(name, value, error) == RdKafka::Conf::CONF_OK;
    };
    std::string password;
    if (!target_.sasl_password_file.empty()) {
      auto secret = read_secret(target_.sasl_password_file);
      if (!secret.ok()) return secret.status();
      password = *std::move(secret);
    }
    const std::string protocol = fmt::format("{}{}", target_.sasl_user.empty() ? "" : "sasl_",
                                             target_.encrypted ? "ssl" : "plaintext");
    const bool is_set = set("bootstrap.servers", target_.brokers) && set("client.id", "picket") &&
                        set("enable.idempotence", "true") && set("acks", "all") &&
                        set("message.timeout.ms", kTimeout) && set("security.protocol", protocol) &&
                        set("ssl.ca.location", target_.tls.ca.string()) &&
                        set("ssl.certificate.location", target_.tls.cert.string()) &&
                        set("ssl.key.location", target_.tls.key.string()) &&
                        set("sasl.mechanism", target_.sasl_mechanism) &&
                        set("sasl.username", target_.sasl_user) && set("sasl.password", password) &&
                        conf->set("dr_cb", static_cast<RdKafka::DeliveryReportCb*>(this), error) ==
                            RdKafka::Conf::CONF_OK &&
                        conf->set("event_cb", static_cast<RdKafka::EventCb*>(this), error) ==
                            RdKafka::Conf::CONF_OK;
    if (is_set) producer_.reset(RdKafka::Producer::create(conf.get(), error));
    if (producer_) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format("Kafka: {}", error));
  }

  // The key keeps the alerts of one workspace in order.
  void produce(const v1::Alert& alert, size_t position) {
    const std::string value = render(format_, alert, version_);
    const std::string& key = alert.workspace().id();
    std::unique_ptr<RdKafka::Headers> headers(RdKafka::Headers::create());
    headers->add("picket-alert-id", alert.id());
    const RdKafka::ErrorCode error = producer_->produce(
        target_.topic, RdKafka::Topic::PARTITION_UA, RdKafka::Producer::RK_MSG_COPY,
        const_cast<char*>(value.data()), value.size(), key.data(), key.size(), 0, headers.get(),
        &answers_[position]);
    if (error == RdKafka::ERR_NO_ERROR)
      (void)headers.release();  // the message's now
    else
      note(answers_[position], error);
  }

  void note(RdKafka::ErrorCode& answer, RdKafka::ErrorCode error) {
    answer = error;
    --left_;
  }

  // In the order of the alerts: those behind one that failed come again.
  absl::StatusOr<Taken> outcome() {
    const auto failed = std::find_if(answers_.begin(), answers_.end(),
                                     [](auto answer) { return answer != RdKafka::ERR_NO_ERROR; });
    const auto taken = static_cast<size_t>(failed - answers_.begin());
    if (taken > 0) return Taken{taken};
    std::string why = fmt::format("Kafka: {}", RdKafka::err2str(*failed));
    if (*failed == RdKafka::ERR_MSG_SIZE_TOO_LARGE || *failed == RdKafka::ERR_INVALID_MSG)
      return Taken{1, 1, std::move(why)};
    if (!last_error_.empty()) why += fmt::format("; {}", last_error_);
    last_error_.clear();
    producer_.reset();  // a new one reads its secrets anew, and a fatal error is over with it
    return absl::UnavailableError(why);
  }

  // Within poll().
  void dr_cb(RdKafka::Message& message) override {
    note(*static_cast<RdKafka::ErrorCode*>(message.msg_opaque()), message.err());
  }
  // Errors within poll(), logs on any of the library's threads.
  void event_cb(RdKafka::Event& event) override {
    if (event.type() == RdKafka::Event::EVENT_ERROR)
      last_error_ = event.str();
    else if (event.type() == RdKafka::Event::EVENT_LOG)
      spdlog::debug("Kafka: {}", event.str());
  }

  const KafkaTarget target_;
  const AlertFormat format_;
  const std::string version_;
  std::vector<RdKafka::ErrorCode> answers_;
  size_t left_ = 0;
  std::string last_error_;
  std::unique_ptr<RdKafka::Producer> producer_;  // last: its callbacks end first
};

}  // namespace

std::unique_ptr<Output> kafka_output(const KafkaTarget& target, AlertFormat format,
                                     const std::string& version) {
  return std::make_unique<KafkaOutput>(target, format, version);
}

}  // namespace picket
