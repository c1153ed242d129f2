// A collector that is killed while it sends alerts to its outputs: each of them has every alert in
// the end, in the order of storage, and knows by its id what came twice.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "common/tls.h"
#include "tests/fleet/simulated_agent.h"
#include "tests/fleet/trap.h"
#include "tests/support/http.h"
#include "tests/support/receivers.h"
#include "tests/support/subprocess.h"
#include "tests/unit/dev_pki.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using nlohmann::json;

constexpr uint64_t kAlerts = 240, kBatch = 20;

class Outputs : public testing::Test {
 protected:
  void SetUp() override {
    require_tls13();
    std::string pattern =
        (std::filesystem::temp_directory_path() / "picket-outputs-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* who : {"collector collector", "collector receiver --host localhost", "node n1",
                            "operator viewer vic"})
      pki_.issue(who);
    const ReceiverTls tls{pki_.files("receiver"), false};
    http_ = std::make_unique<HttpReceiver>(tls, [this](const Request&) { return trap_.pass(); });
    otlp_ = std::make_unique<HttpReceiver>(tls);
    syslog_ = std::make_unique<SyslogReceiver>(tls);
    const auto port = free_port(), health = free_port();
    ASSERT_TRUE(port.ok() && health.ok());
    port_ = *port;
    health_ = *health;
    const TlsFiles own = pki_.files("collector");
    const std::string ca = own.ca.string();
    ASSERT_TRUE(
        write_file(
            folder_ / "collector.yaml",
            fmt::format(
                "listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\ndatabase: collector.db\n"
                "log: {{level: info}}\ntls: {{ca: {}, cert: {}, key: {}}}\noutputs:\n"
                "  - {{name: lines, kind: file, path: alerts.jsonl, start: oldest}}\n"
                "  - {{name: falco, kind: http, format: falco, url: 'https://localhost:{}/', "
                "tls: {{ca: {}}}, start: oldest}}\n"
                "  - {{name: otel, kind: otlp, url: 'https://localhost:{}/v1/logs', tls: {{ca: "
                "{}}}, start: oldest}}\n"
                "  - {{name: siem, kind: syslog, address: 'localhost:{}', tls: {{ca: {}}}, start: "
                "oldest}}\n",
                port_, health_, ca, own.cert.string(), own.key.string(), http_->port(), ca,
                otlp_->port(), ca, syslog_->port(), ca))
            .ok());
    log_ = Fd(open((folder_ / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  }
  void TearDown() override {
    collector_.reset();
    if (HasFailure()) std::cerr << read_file(folder_ / "log").value_or("") << '\n';
    std::filesystem::remove_all(folder_);
  }

  void start_collector() {
    auto started = Subprocess::start(
        {.argv = {PICKET_BINARY_DIR "/picket-collector", "--config", folder_ / "collector.yaml"},
         .out = log_.get(),
         .err = log_.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    collector_ = std::move(*started);
    for (;;) {
      const auto answer = http_get(health_, "/readyz");
      if (answer.ok() && answer->code == 200) return;
      ASSERT_TRUE(collector_->running_after(std::chrono::milliseconds(10))) << "it ended by itself";
    }
  }
  void end_collector(int signal, int expected) {
    collector_->signal(signal);
    const auto code = collector_->wait();
    ASSERT_TRUE(code.ok() && *code == expected) << code.status() << " " << code.value_or(-1);
  }
  // Up to this sequence, from where the collector is.
  void deliver(uint64_t last) {
    SimulatedAgent agent(port_, pki_.files("n1"));
    const auto known = agent.hello();
    ASSERT_TRUE(known.has_value());
    for (uint64_t next = *known + 1; next <= last; next += kBatch)
      ASSERT_TRUE(agent.send(alerts_batch(kNode, next, std::min(next + kBatch - 1, last))));
    ASSERT_TRUE(agent.wait_for_ack(last));
  }
  // What has arrived need not have been acknowledged yet.
  void wait_for_no_lag() {
    for (;;) {
      const auto lag = metric(health_, "picket_output_lag_alerts");
      if (lag.ok() && *lag == 0) return;
      ASSERT_TRUE(collector_->running_after(std::chrono::milliseconds(10))) << "it ended by itself";
    }
  }
  json status() {
    const TlsFiles files = pki_.files("vic");
    EXPECT_TRUE(
        write_file(folder_ / "vic.yaml",
                   fmt::format("collector: 127.0.0.1:{}\nca: {}\ncert: {}\nkey: {}\n"
                               "server_id: spiffe://picket/collector/collector\n",
                               port_, files.ca.string(), files.cert.string(), files.key.string()))
            .ok());
    const auto out = output_of({PICKET_BINARY_DIR "/picketctl", "--context",
                                (folder_ / "vic.yaml").string(), "status", "-o", "json"});
    EXPECT_TRUE(out.ok()) << out.status();
    return json::parse(*out, nullptr, false);
  }

  static std::string id(uint64_t sequence) { return fmt::format("epoch-1-{}", sequence); }
  // Every alert is there, and each came first behind the one before it.
  static void expect_all(const char* output, const std::vector<std::string>& ids) {
    std::set<std::string> seen;
    std::vector<std::string> first;
    for (const std::string& one : ids)
      if (seen.insert(one).second) first.push_back(one);
    ASSERT_EQ(first.size(), kAlerts) << output;
    for (uint64_t i = 1; i <= kAlerts; ++i) ASSERT_EQ(first[i - 1], id(i)) << output;
  }
  static std::string falco_id(const Request& request) { return json::parse(request.body)["uuid"]; }
  static std::vector<std::string> otlp_ids(const std::vector<Request>& requests) {
    std::vector<std::string> ids;
    for (const Request& request : requests) {
      const json logs = json::parse(request.body);
      for (const json& record : logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"])
        for (const json& attribute : record["attributes"])
          if (attribute["key"] == "picket.alert.id")
            ids.push_back(attribute["value"]["stringValue"]);
    }
    return ids;
  }
  static std::string syslog_id(const std::string& message) {
    return json::parse(message.substr(message.find('{')))["id"];
  }
  std::vector<std::string> file_ids() const {
    std::ifstream in(folder_ / "alerts.jsonl");
    std::vector<std::string> ids;
    for (std::string line; std::getline(in, line);) {
      const json alert = json::parse(line, nullptr, false);
      if (alert.is_object()) ids.push_back(alert["id"]);  // else a kill has torn it
    }
    return ids;
  }

  const DevPki pki_;
  std::filesystem::path folder_;
  Trap trap_;
  std::unique_ptr<HttpReceiver> http_, otlp_;
  std::unique_ptr<SyslogReceiver> syslog_;
  uint16_t port_ = 0, health_ = 0;
  Fd log_;
  std::unique_ptr<Subprocess> collector_;
};

TEST_F(Outputs, AKilledCollectorLosesNothingOnItsWayOut) {
  std::vector<std::string> unanswered;
  for (const uint64_t stored : {kAlerts / 4, kAlerts / 2, kAlerts * 3 / 4}) {
    trap_.set(kAlerts / 8);
    start_collector();
    ASSERT_NO_FATAL_FAILURE(deliver(stored));
    ASSERT_TRUE(trap_.wait()) << "it does not send";
    end_collector(SIGKILL, 128 + SIGKILL);
    trap_.release();
    ASSERT_FALSE(HasFatalFailure());
  }
  start_collector();
  ASSERT_NO_FATAL_FAILURE(deliver(kAlerts));
  const auto has_last = [](const auto& items, const auto& id_of) {
    return !items.empty() && id_of(items.back()) == id(kAlerts);
  };
  std::vector<std::string> ids;
  for (const Request& request : http_->requests().wait_until(
           [&](const auto& items) { return has_last(items, falco_id); }, kDeadline)) {
    ids.push_back(falco_id(request));
    EXPECT_EQ(request.headers.at("idempotency-key"), "\"" + ids.back() + "\"");
  }
  expect_all("http", ids);
  EXPECT_GE(ids.size(), kAlerts + 3) << "what was not answered comes again";
  ids.clear();
  for (const std::string& message : syslog_->messages().wait_until(
           [&](const auto& items) { return has_last(items, syslog_id); }, kDeadline))
    ids.push_back(syslog_id(message));
  expect_all("syslog", ids);
  const auto requests = otlp_->requests().wait_until(
      [&](const auto& items) {
        const auto so_far = otlp_ids(items);
        return !so_far.empty() && so_far.back() == id(kAlerts);
      },
      kDeadline);
  expect_all("otlp", otlp_ids(requests));
  wait_for_no_lag();
  end_collector(SIGTERM, 0);
  expect_all("file", file_ids());

  // It ended in good order: nothing comes again, and everybody can see so.
  start_collector();
  const json outputs = status()["outputs"];
  ASSERT_EQ(outputs.size(), 4U);
  for (const json& output : outputs) {
    EXPECT_EQ(output["delivered"], 0) << output;
    EXPECT_EQ(output["lag_alerts"], 0) << output;
    EXPECT_EQ(output["failing"], false) << output;
  }
  const auto lag = metric(health_, "picket_output_lag_alerts");
  ASSERT_TRUE(lag.ok()) << lag.status();
  EXPECT_EQ(*lag, 0);
  end_collector(SIGTERM, 0);
}

}  // namespace
}  // namespace picket::test
