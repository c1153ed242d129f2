#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "collector/export/destinations.h"
#include "collector/export/http_client.h"
#include "collector/export/render.h"
#include "collector/export/webhook_signature.h"

namespace picket {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class HttpOutput final : public Output {
 public:
  HttpOutput(const HttpTarget& target, AlertFormat format, const std::string& version,
             const Clock& clock)
      : target_(target),
        format_(format),
        version_(version),
        clock_(clock),
        client_(target.url, target.tls, version) {}

  absl::StatusOr<Taken> send(std::span<const StoredAlert> alerts, std::stop_token stop) override {
    const v1::Alert& alert = alerts.front().alert;
    const std::string body = render(format_, alert, version_);
    HttpClient::Headers headers{{"Idempotency-Key", fmt::format("\"{}\"", alert.id())}};
    absl::Status status = add_token(target_.token_file, headers);
    if (status.ok()) status = sign(alert.id(), body, headers);
    if (!status.ok()) return status;
    const auto answer = client_.post(body, headers, stop);
    if (!answer.ok()) return answer.status();
    return judge(*answer, 1);
  }

 private:
  absl::Status sign(const std::string& id, const std::string& body,
                    HttpClient::Headers& headers) const {
    if (target_.secret_file.empty()) return absl::OkStatus();
    const auto secret = read_secret(target_.secret_file);
    if (!secret.ok()) return secret.status();
    const uint64_t now_s = clock_.wall_ns() / kSecond;
    auto signature = webhook_signature(*secret, id, now_s, body);
    if (!signature.ok()) return signature.status();
    headers.emplace_back("webhook-id", id);
    headers.emplace_back("webhook-timestamp", std::to_string(now_s));
    headers.emplace_back("webhook-signature", *std::move(signature));
    return absl::OkStatus();
  }

  const HttpTarget target_;
  const AlertFormat format_;
  const std::string version_;
  const Clock& clock_;
  HttpClient client_;
};

// Of an answer that says: taken, but not all of it.
Taken less_rejected(const HttpAnswer& answer, size_t alerts) {
  const auto said = nlohmann::json::parse(answer.body, nullptr, false);
  if (!said.is_object() || !said.contains("partialSuccess")) return {alerts};
  const auto& partial = said["partialSuccess"];
  if (!partial.is_object() || !partial.contains("rejectedLogRecords")) return {alerts};
  const auto& rejected = partial["rejectedLogRecords"];  // a number, or a text that holds one
  uint64_t count = 0;
  if (rejected.is_number_unsigned()) count = rejected.get<uint64_t>();
  if (rejected.is_string() && !absl::SimpleAtoi(rejected.get<std::string>(), &count)) count = 0;
  const auto& why = partial.value("errorMessage", nlohmann::json());
  return {alerts, std::min<size_t>(count, alerts), why.is_string() ? why.get<std::string>() : ""};
}

class OtlpOutput final : public Output {
 public:
  OtlpOutput(const OtlpTarget& target, const std::string& version)
      : target_(target), version_(version), client_(target.url, target.tls, version) {}

  absl::StatusOr<Taken> send(std::span<const StoredAlert> alerts, std::stop_token stop) override {
    HttpClient::Headers headers;
    if (absl::Status status = add_token(target_.token_file, headers); !status.ok()) return status;
    const auto answer = client_.post(otlp_logs(alerts, version_), headers, stop);
    if (!answer.ok()) return answer.status();
    auto taken = judge(*answer, alerts.size());
    // One alert that is refused must not take the others with it.
    if (taken.ok() && taken->refused > 1) return send(alerts.first(alerts.size() / 2), stop);
    if (!taken.ok() || taken->refused > 0) return taken;
    return less_rejected(*answer, alerts.size());
  }

 private:
  const OtlpTarget target_;
  const std::string version_;
  HttpClient client_;
};

}  // namespace

std::unique_ptr<Output> http_output(const HttpTarget& target, AlertFormat format,
                                    const std::string& version, const Clock& clock) {
  return std::make_unique<HttpOutput>(target, format, version, clock);
}

std::unique_ptr<Output> otlp_output(const OtlpTarget& target, const std::string& version) {
  return std::make_unique<OtlpOutput>(target, version);
}

}  // namespace picket
