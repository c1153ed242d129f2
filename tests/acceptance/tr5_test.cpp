// TR5: an alert of a real container leaves the collector by every output, each in its own form,
// which keeps to what is published of it; and an output whose destination is away holds up nobody,
// waits, and delivers.
#include <atomic>
#include <fstream>
#include <regex>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/json_schema.h"
#include "tests/support/kafka.h"
#include "tests/support/ocsf.h"
#include "tests/support/receivers.h"
#include "tests/unit/dev_pki.h"

namespace picket::test {
namespace {

class TR5 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    pki_.issue("collector receiver --host localhost");
    const ReceiverTls tls{pki_.files("receiver"), false};
    falco_ = std::make_unique<HttpReceiver>(tls);
    hook_ = std::make_unique<HttpReceiver>(tls);
    otlp_ = std::make_unique<HttpReceiver>(
        tls, [this](const Request&) { return HttpReceiver::Answer{is_away_ ? 503U : 200U}; });
    syslog_ = std::make_unique<SyslogReceiver>(tls);
    ASSERT_TRUE(
        write_file(sandbox().path("secret"), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n").ok());
    const std::string ca = fmt::format("tls: {{ca: {}}}", tls.files.ca.string());
    const std::string filter = "filter: {rules: [test.mark]}";
    deploy({.shipped_rules = false,
            .collector_settings = fmt::format(
                "outputs:\n"
                "  - {{name: lines, kind: file, path: alerts.jsonl, {0}}}\n"
                "  - {{name: falco, kind: http, format: falco, url: 'https://localhost:{2}', {1}, "
                "{0}}}\n"
                "  - {{name: hook, kind: http, format: ocsf, url: 'https://localhost:{3}', {1}, "
                "{0}, secret_file: secret}}\n"
                "  - {{name: otel, kind: otlp, url: 'https://localhost:{4}/v1/logs', {1}, {0}}}\n"
                "  - {{name: siem, kind: syslog, format: cef, address: 'localhost:{5}', {1}, "
                "{0}}}\n"
                "  - {{name: bus, kind: kafka, format: ocsf, brokers: ['{6}'], topic: {7}, "
                "encrypted: false, {0}}}\n",
                filter, ca, falco_->port(), hook_->port(), otlp_->port(), syslog_->port(),
                fmt::join(brokers(), "', '"), KafkaCluster::kTopic)});
  }
  std::vector<std::string> brokers() const {
    std::istringstream in(kafka_.brokers());
    std::vector<std::string> each;
    for (std::string one; std::getline(in, one, ',');) each.push_back(one);
    return each;
  }
  Alert output(const std::string& name) {
    const auto status = deployment().picketctl({"status", "-o", "json"});
    EXPECT_TRUE(status.ok() && status->exit_code == 0);
    if (!status.ok()) return {};
    const Alert all = Alert::parse(status->out);
    for (const Alert& one : all["outputs"])
      if (one["name"] == name) return one;
    ADD_FAILURE() << "no output " << name << " in " << status->out;
    return {};
  }

  DevPki pki_;
  KafkaCluster kafka_;
  std::atomic<bool> is_away_ = true;  // the receiver of OTLP
  std::unique_ptr<HttpReceiver> falco_, hook_, otlp_;
  std::unique_ptr<SyslogReceiver> syslog_;
};

TEST_F(TR5, EveryOutputTellsARealAlertInItsOwnForm) {
  if (HasFatalFailure()) return;
  const auto container = make_container();
  ASSERT_TRUE(container);
  alerts_so_far(*container);  // which makes a mark
  const auto listed =
      deployment().picketctl({"alerts", "list", "--rule", "test.mark", "-o", "json"});
  ASSERT_TRUE(listed.ok() && listed->exit_code == 0);
  const Alert alert = Alert::parse(listed->out.substr(0, listed->out.find('\n')));
  const std::string id = alert["id"];

  const auto falco = falco_->requests().wait_for(1, kDeadline);
  ASSERT_FALSE(falco.empty());
  const Alert as_falco = Alert::parse(falco[0].body);
  EXPECT_EQ(as_falco["uuid"], id);
  EXPECT_EQ(as_falco["priority"], "Notice");
  EXPECT_EQ(as_falco["output_fields"]["container.id"], container->id());

  const auto hook = hook_->requests().wait_for(1, kDeadline);
  ASSERT_FALSE(hook.empty());
  EXPECT_THAT(ocsf_problems(nlohmann::json::parse(hook[0].body)), ::testing::IsEmpty());
  EXPECT_EQ(hook[0].headers.at("webhook-id"), id);
  EXPECT_TRUE(hook[0].headers.at("webhook-signature").starts_with("v1,"));

  const auto kafka = kafka_.consume(1);
  ASSERT_FALSE(kafka.empty());
  EXPECT_EQ(kafka[0].id, id);
  EXPECT_THAT(ocsf_problems(nlohmann::json::parse(kafka[0].value)), ::testing::IsEmpty());

  const auto syslog = syslog_->messages().wait_for(1, kDeadline);
  ASSERT_FALSE(syslog.empty());
  EXPECT_TRUE(std::regex_match(
      syslog[0], std::regex(R"(<85>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ picket - alert )"
                            R"(\[origin .*\] CEF:0\|Picket\|Picket\|[^|]+\|test\.mark\|.*)")))
      << syslog[0];
  EXPECT_THAT(syslog[0], ::testing::HasSubstr("externalId=" + id));

  auto schema = JsonSchema::read(PICKET_SOURCE_DIR "/docs/alert.schema.json");
  ASSERT_TRUE(schema.ok()) << schema.status();
  std::string line;
  ASSERT_TRUE(until([&] {
    std::ifstream in(sandbox().path("alerts.jsonl"));
    return static_cast<bool>(std::getline(in, line));
  }));
  const auto in_file = nlohmann::json::parse(line);
  EXPECT_TRUE((*schema)->check(in_file).ok()) << (*schema)->check(in_file);
  EXPECT_EQ(in_file["id"], id);

  // All the others have it; this one has been asked, and is asked again.
  ASSERT_FALSE(otlp_->requests().wait_for(1, kDeadline).empty());
  EXPECT_TRUE(until([&] { return output("otel")["failing"] == true; }));
  const Alert waiting = output("otel");
  EXPECT_EQ(waiting["delivered"], 0) << waiting;
  EXPECT_THAT(waiting["last_error"].get<std::string>(), ::testing::HasSubstr("HTTP 503"));
  is_away_ = false;
  EXPECT_TRUE(until([&] { return output("otel")["delivered"] == 1; }));
  const auto logs = nlohmann::json::parse(otlp_->requests().wait_for(2, kDeadline).back().body);
  const auto& record = logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
  EXPECT_EQ(record["body"]["stringValue"], alert["output"]);
  EXPECT_EQ(record["severityNumber"], 10);
  for (const char* name : {"lines", "falco", "hook", "siem", "bus"})
    EXPECT_TRUE(until([&] { return output(name)["delivered"] == 1; })) << output(name);
}

}  // namespace
}  // namespace picket::test
