// Each kind of output against a real server of its protocol on loopback: what arrives, what counts
// as taken, and what is tried again.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "collector/export/destinations.h"
#include "collector/export/webhook_signature.h"
#include "tests/support/receivers.h"
#include "tests/support/subprocess.h"
#include "tests/unit/dev_pki.h"
#include "tests/unit/store_conformance.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kVersion = "1.2.3";

std::vector<StoredAlert> alerts(size_t count) {
  std::vector<StoredAlert> made;
  for (size_t i = 1; i <= count; ++i) {
    made.push_back({i, make_alert(fmt::format("a{}", i))});
    made.back().alert.set_node(kNode);
  }
  return made;
}

const DevPki& pki() {
  static const DevPki made;
  return made;
}

class Destination : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const bool issued = [] {
      pki().issue("collector receiver --host localhost");
      pki().issue("operator viewer sender");
      return true;
    }();
    ASSERT_TRUE(issued);
  }
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-out-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static ReceiverTls receiver_tls(bool wants_client = false) {
    return {pki().files("receiver"), wants_client};
  }
  static ClientTls trusting() { return {.ca = pki().files("receiver").ca, .cert = {}, .key = {}}; }
  static ClientTls with_certificate() {
    const TlsFiles files = pki().files("sender");
    return {.ca = files.ca, .cert = files.cert, .key = files.key};
  }
  std::filesystem::path file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  static Url url(const std::string& scheme, uint16_t port, const std::string& host = "localhost") {
    return *Url::parse(fmt::format("{}://{}:{}/alerts?x=1", scheme, host, port));
  }
  static std::string error_of(const absl::StatusOr<Taken>& taken) {
    return std::string(taken.status().message());
  }

  std::filesystem::path folder_;
  TestClock clock_;
  std::stop_source stop_;
  const std::stop_token never_{};
};

TEST_F(Destination, HttpSendsOneAlertSignedAndWithItsToken) {
  HttpReceiver receiver(receiver_tls(true));
  const auto output = http_output({.url = url("https", receiver.port()),
                                   .tls = with_certificate(),
                                   .token_file = file("token", "s3cret\n"),
                                   .secret_file = file("secret", "whsec_cGlja2V0IGtleQ==\n")},
                                  AlertFormat::falco, kVersion, clock_);
  const auto three = alerts(3);
  for (int i = 0; i < 2; ++i) {
    const auto taken = output->send(std::span(three).subspan(i), never_);
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->alerts, 1U);
    EXPECT_EQ(taken->refused, 0U);
  }
  const auto requests = receiver.requests().wait_for(2, kDeadline);
  ASSERT_EQ(requests.size(), 2U);
  Request second = requests[1];
  EXPECT_EQ(second.method, "POST");
  EXPECT_EQ(second.target, "/alerts?x=1");
  EXPECT_EQ(second.headers["host"], fmt::format("localhost:{}", receiver.port()));
  EXPECT_EQ(second.headers["content-type"], "application/json");
  EXPECT_EQ(second.headers["authorization"], "Bearer s3cret");
  EXPECT_EQ(second.headers["idempotency-key"], "\"a2\"");
  EXPECT_EQ(second.headers["webhook-id"], "a2");
  const uint64_t now_s = clock_.now / 1'000'000'000;
  EXPECT_EQ(second.headers["webhook-timestamp"], std::to_string(now_s));
  EXPECT_EQ(second.headers["webhook-signature"],
            *webhook_signature("whsec_cGlja2V0IGtleQ==", "a2", now_s, second.body));
  EXPECT_EQ(json::parse(second.body)["uuid"], "a2");
}

TEST_F(Destination, HttpKnowsWhatIsRefusedForGoodAndWhatIsNot) {
  std::atomic<unsigned> code = 0;
  HttpReceiver receiver(std::nullopt, [&](const Request&) {
    return HttpReceiver::Answer{code, code == 204 ? "" : "because\n"};
  });
  const auto output = http_output(
      {.url = url("http", receiver.port()), .tls = {}, .token_file = {}, .secret_file = {}},
      AlertFormat::picket, kVersion, clock_);
  const auto one = alerts(1);
  for (const unsigned good : {200U, 201U, 202U, 204U}) {
    code = good;
    EXPECT_EQ(output->send(one, never_)->refused, 0U) << good;
  }
  for (const unsigned final : {400U, 413U, 415U, 422U}) {
    code = final;
    const auto taken = output->send(one, never_);
    ASSERT_TRUE(taken.ok()) << final;
    EXPECT_EQ(taken->alerts, 1U);
    EXPECT_EQ(taken->refused, 1U);
    EXPECT_EQ(taken->why, fmt::format("HTTP {}: because\\x0a", final));
  }
  for (const unsigned passing : {301U, 401U, 403U, 404U, 408U, 429U, 500U, 503U}) {
    code = passing;
    EXPECT_THAT(error_of(output->send(one, never_)), HasSubstr(fmt::format("HTTP {}", passing)));
  }
}

TEST_F(Destination, HttpTriesAConnectionThatWasKeptOnceMore) {
  std::atomic<int> asked = 0;
  HttpReceiver receiver(std::nullopt, [&](const Request&) {
    return HttpReceiver::Answer{200, "", ++asked == 2 || asked > 3};
  });
  const auto output = http_output(
      {.url = url("http", receiver.port()), .tls = {}, .token_file = {}, .secret_file = {}},
      AlertFormat::picket, kVersion, clock_);
  const auto one = alerts(1);
  EXPECT_TRUE(output->send(one, never_).ok());
  EXPECT_TRUE(output->send(one, never_).ok())
      << "hung up on the kept one, asked again on a new one";
  EXPECT_EQ(asked.load(), 3);
  EXPECT_FALSE(output->send(one, never_).ok()) << "a new connection was no better";
  EXPECT_EQ(asked.load(), 5);
}

TEST_F(Destination, TlsTrustsNobodyElse) {
  HttpReceiver receiver(receiver_tls());
  const auto one = alerts(1);
  const auto send = [&](const Url& url, const ClientTls& tls) {
    return error_of(http_output({.url = url, .tls = tls, .token_file = {}, .secret_file = {}},
                                AlertFormat::picket, kVersion, clock_)
                        ->send(one, never_));
  };
  const uint16_t port = receiver.port();
  EXPECT_EQ(send(url("https", port), trusting()), "");
  EXPECT_THAT(send(url("https", port), {}), HasSubstr("TLS with localhost")) << "no such authority";
  EXPECT_THAT(send(url("https", port, "127.0.0.1"), trusting()), HasSubstr("TLS with 127.0.0.1"))
      << "another name";
  EXPECT_THAT(send(url("http", port), {}), Not("")) << "no TLS";
  EXPECT_EQ(receiver.requests().wait_for(1, kDeadline).size(), 1U);
}

TEST_F(Destination, WhoAsksToStopWaitsForNobody) {
  std::promise<void> over;
  HttpReceiver receiver(std::nullopt, [&](const Request&) {
    stop_.request_stop();
    over.get_future().wait_for(kDeadline);
    return HttpReceiver::Answer{};
  });
  const auto output = http_output(
      {.url = url("http", receiver.port()), .tls = {}, .token_file = {}, .secret_file = {}},
      AlertFormat::picket, kVersion, clock_);
  const auto one = alerts(1);
  EXPECT_FALSE(output->send(one, stop_.get_token()).ok());
  over.set_value();
}

TEST_F(Destination, OtlpSendsManyAtOnceAndFindsTheOneThatIsRefused) {
  HttpReceiver receiver(receiver_tls(), [](const Request& request) {
    const bool is_bad = request.body.find("\"a3\"") != std::string::npos;
    return HttpReceiver::Answer{is_bad ? 400U : 200U, "{}"};
  });
  const auto output = otlp_output(
      {.url = url("https", receiver.port()), .tls = trusting(), .token_file = {}}, kVersion);
  const auto five = alerts(5);
  size_t done = 0, refused = 0;
  while (done < five.size()) {
    const auto taken = output->send(std::span(five).subspan(done), never_);
    ASSERT_TRUE(taken.ok()) << taken.status();
    done += taken->alerts;
    refused += taken->refused;
  }
  EXPECT_EQ(done, 5U);
  EXPECT_EQ(refused, 1U);
}

TEST_F(Destination, OtlpReadsWhatWasRejectedOfAnAcceptedRequest) {
  HttpReceiver receiver(std::nullopt, [](const Request&) {
    return HttpReceiver::Answer{
        200, R"({"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}})"};
  });
  const auto output =
      otlp_output({.url = url("http", receiver.port()), .tls = {}, .token_file = {}}, kVersion);
  const auto three = alerts(3);
  const auto taken = output->send(three, never_);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->alerts, 3U);
  EXPECT_EQ(taken->refused, 2U);
  EXPECT_EQ(taken->why, "too old");
}

TEST_F(Destination, SyslogIsTakenWhenTheReceiverHasReadItAll) {
  SyslogReceiver receiver(receiver_tls(true), 1);
  const auto output = syslog_output(
      {.host = "localhost", .port = receiver.port(), .tls = with_certificate(), .facility = 4},
      AlertFormat::cef, kVersion);
  const auto many = alerts(64);
  EXPECT_FALSE(output->send(many, never_).ok()) << "it hung up without a word";
  const auto taken = output->send(many, never_);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->alerts, 64U);
  const auto messages = receiver.messages().wait_for(64, kDeadline);
  ASSERT_EQ(messages.size(), 64U);
  EXPECT_THAT(messages[63], testing::StartsWith("<34>1 2025-11-25T20:29:12.123456Z n1 picket"));
  EXPECT_THAT(messages[63], HasSubstr("CEF:0|Picket|Picket|1.2.3|shell.reverse|"));
  EXPECT_THAT(messages[63], HasSubstr("externalId=a64 "));
}

TEST_F(Destination, SyslogIsNotTakenByWhoRefusesOurCertificate) {
  SyslogReceiver receiver(receiver_tls(true));
  const auto output =
      syslog_output({.host = "localhost", .port = receiver.port(), .tls = trusting()},
                    AlertFormat::picket, kVersion);
  const auto one = alerts(1);
  EXPECT_THAT(error_of(output->send(one, never_)), HasSubstr("localhost"));
  EXPECT_TRUE(receiver.messages().wait_for(0, kDeadline).empty());
}

TEST_F(Destination, FileGetsWholeLinesAlsoBehindATornOne) {
  const std::filesystem::path path = file("alerts.jsonl", "{\"torn\": ");
  const auto output = file_output({path}, AlertFormat::picket, kVersion);
  const auto two = alerts(2);
  EXPECT_EQ(output->send(two, never_)->alerts, 2U);
  std::filesystem::rename(path, folder_ / "rotated");
  EXPECT_EQ(output->send(std::span(two).first(1), never_)->alerts, 1U);
  const auto ids = [](const std::filesystem::path& of) {
    std::ifstream in(of);
    std::vector<std::string> found;
    for (std::string line; std::getline(in, line);) {
      const json alert = json::parse(line, nullptr, false);
      found.push_back(alert.is_object() ? alert["id"].get<std::string>() : "torn");
    }
    return found;
  };
  EXPECT_THAT(ids(folder_ / "rotated"), ElementsAre("torn", "a1", "a2"));
  EXPECT_THAT(ids(path), ElementsAre("a1"));
  struct stat made {};
  ASSERT_EQ(stat(path.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777U, 0600U);
}

TEST_F(Destination, FileSaysWhatIsWrong) {
  const auto output = file_output({folder_ / "none" / "alerts"}, AlertFormat::picket, kVersion);
  const auto one = alerts(1);
  EXPECT_THAT(error_of(output->send(one, never_)), HasSubstr("No such file"));
  const auto full = file_output({"/dev/full"}, AlertFormat::picket, kVersion);
  EXPECT_THAT(error_of(full->send(one, never_)), HasSubstr("No space left"));
}

}  // namespace
}  // namespace picket::test
