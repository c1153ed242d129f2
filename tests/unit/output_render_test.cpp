// What outputs say, byte for byte (tests/golden/outputs), and whether it keeps to what is published
// about each form.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "collector/export/render.h"
#include "collector/export/webhook_signature.h"
#include "common/alert_json.h"
#include "tests/support/ocsf.h"

namespace picket {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const std::string kFolder = PICKET_SOURCE_DIR "/tests/golden/outputs/";
constexpr const char* kVersion = "1.2.3";
constexpr uint64_t kFacility = 10;

std::string read(const std::string& file) {
  std::ifstream in(kFolder + file);
  EXPECT_TRUE(in) << file;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<StoredAlert> golden_alerts() {
  std::vector<StoredAlert> alerts;
  for (const char* name : {"reverse_shell", "odd_texts", "blind_spot"}) {
    StoredAlert& stored = alerts.emplace_back();
    stored.row = alerts.size();
    const auto status = google::protobuf::util::JsonStringToMessage(
        read(name + std::string(".json")), &stored.alert);
    EXPECT_TRUE(status.ok()) << name << ": " << status.ToString();
  }
  return alerts;
}

template <class Render>
std::string lines(Render render) {
  std::string text;
  for (const StoredAlert& one : golden_alerts()) text += render(one.alert) + "\n";
  return text;
}

// With PICKET_WRITE_GOLDEN set the file is written anew, for somebody to look at.
void expect_golden(const std::string& file, const std::string& text) {
  if (std::getenv("PICKET_WRITE_GOLDEN") != nullptr) {
    std::ofstream(kFolder + file) << text;
    FAIL() << file << " was written";
  }
  EXPECT_EQ(text, read(file)) << file;
}

TEST(OutputRender, SaysWhatTheGoldenFilesSay) {
  expect_golden("falco.jsonl", lines(falco_json));
  expect_golden("ocsf.jsonl", lines([](const auto& alert) { return ocsf_json(alert, kVersion); }));
  expect_golden("cef.txt", lines([](const auto& alert) { return cef_line(alert, kVersion); }));
  expect_golden("syslog.txt", lines([](const auto& alert) {
                  return syslog_message(alert, alert_json(alert), kFacility, kVersion);
                }));
  expect_golden("otlp.json", otlp_logs(golden_alerts(), kVersion) + "\n");
}

TEST(OutputRender, NoFormBreaksTheLine) {
  const v1::Alert alert = golden_alerts()[1].alert;
  for (const AlertFormat format :
       {AlertFormat::picket, AlertFormat::falco, AlertFormat::ocsf, AlertFormat::cef}) {
    const std::string text = render(format, alert, kVersion);
    for (const char c : text) EXPECT_FALSE((c >= 0 && c < ' ') || c == '\x7f') << text;
  }
}

TEST(OutputRender, OcsfHasWhatDetectionFindingsRequire) {
  for (const StoredAlert& one : golden_alerts()) {
    const json finding = json::parse(ocsf_json(one.alert, kVersion));
    EXPECT_THAT(test::ocsf_problems(finding), testing::IsEmpty());
    EXPECT_EQ(finding["category_uid"], 2);
    EXPECT_EQ(finding["class_uid"], 2004);
    EXPECT_EQ(finding["type_uid"], 2004 * 100 + finding["activity_id"].get<int>());
    EXPECT_EQ(finding["metadata"]["version"], "1.4.0");
    EXPECT_EQ(finding["finding_info"]["uid"], one.alert.id());
  }
  const json finding = json::parse(ocsf_json(golden_alerts()[0].alert, kVersion));
  EXPECT_EQ(finding["finding_info"]["attacks"].dump(),
            R"([{"sub_technique":{"uid":"T1059.004"},"technique":{"uid":"T1059"}},)"
            R"({"technique":{"uid":"T1071"}}])");
}

TEST(OutputRender, OcsfProblemsAreFound) {
  const json good = json::parse(ocsf_json(golden_alerts()[0].alert, kVersion));
  const auto problems_with = [&](const char* pointer, const json& value) {
    json finding = good;
    finding[json::json_pointer(pointer)] = value;
    return test::ocsf_problems(finding);
  };
  EXPECT_THAT(problems_with("/finding_info/colour", "red"),
              testing::ElementsAre("finding.finding_info.colour: no attribute of finding_info"));
  EXPECT_THAT(problems_with("/severity_id", 42), testing::ElementsAre("finding.severity_id: 42"));
  EXPECT_THAT(problems_with("/count", "3"), testing::ElementsAre("finding.count: no integer"));
  EXPECT_THAT(problems_with("/metadata", json::object()),
              testing::ElementsAre("finding.metadata: no product", "finding.metadata: no version"));
  EXPECT_THAT(problems_with("/evidences/0", {{"container", good["evidences"][0]["container"]}}),
              testing::ElementsAre(testing::StartsWith("finding.evidences[0]: none of ")));
}

// What consumers of Falco's alerts read.
TEST(OutputRender, FalcoHasEveryKeyThatItsConsumersKnow) {
  const json alert = json::parse(falco_json(golden_alerts()[0].alert));
  for (const char* key : {"uuid", "hostname", "time", "rule", "priority", "source", "output"})
    EXPECT_TRUE(alert.at(key).is_string()) << key;
  EXPECT_TRUE(alert.at("tags").is_array());
  EXPECT_EQ(alert["priority"], "Critical");
  EXPECT_EQ(alert["output"].get<std::string>().substr(0, 28), "20:29:12.123456789: Critical");
  EXPECT_EQ(alert["output_fields"]["fd.rip"], "203.0.113.7");
  EXPECT_EQ(alert["output_fields"]["k8s.ns.name"], "team-a");
  EXPECT_EQ(alert["output_fields"]["container.image.repository"], "registry.example:5000/team/dev");
}

TEST(OutputRender, SyslogKeepsToItsGrammar) {
  // PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG
  const std::regex grammar(
      R"(<(\d{1,3})>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z [!-~]{1,255} [!-~]{1,48} )"
      R"([!-~]{1,128} [!-~]{1,32} (?:\[[!-<>-\\^-~]{1,32}(?: [!-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\])+ (.*))");
  const int severities[] = {2, 5, 6};
  for (const StoredAlert& one : golden_alerts()) {
    const std::string text =
        syslog_message(one.alert, alert_json(one.alert), kFacility, "1 \"2\" ]\\");
    std::smatch parts;
    ASSERT_TRUE(std::regex_match(text, parts, grammar)) << text;
    EXPECT_EQ(std::stoi(parts[1]), 10 * 8 + severities[one.row - 1]);
    EXPECT_EQ(json::parse(parts[2].str())["id"], one.alert.id());
  }
}

// As a reader of CEF takes it apart.
TEST(OutputRender, CefCanBeTakenApartAgain) {
  const v1::Alert alert = golden_alerts()[1].alert;
  const std::string text = cef_line(alert, kVersion);
  const std::regex grammar(
      R"(CEF:0\|((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)*)\|(\d{1,2})\|(.*))");
  std::smatch parts;
  ASSERT_TRUE(std::regex_match(text, parts, grammar)) << text;
  EXPECT_EQ(parts[4].str(), R"(files.odd\|name\\x)");
  const std::string extension = parts[7].str();
  EXPECT_THAT(
      extension,
      HasSubstr(
          R"(msg=line one\nline two\r with "quotes", a ] bracket, a | bar, a \= sign, a \\ and äöü €)"));
  EXPECT_THAT(extension, HasSubstr(R"(filePath=/tmp/a\=b|c)"));
  EXPECT_THAT(extension, HasSubstr("cs1Label=workspace cs1=büro"));
  EXPECT_THAT(extension, Not(HasSubstr("cs3Label")));
}

TEST(OutputRender, OtlpTellsEveryAlertOnce) {
  const json logs = json::parse(otlp_logs(golden_alerts(), kVersion));
  const json& records = logs.at("resourceLogs").at(0).at("scopeLogs").at(0).at("logRecords");
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0]["timeUnixNano"], "1764102552123456789");
  EXPECT_EQ(records[0]["severityNumber"], 18);
  EXPECT_EQ(records[0]["body"]["stringValue"], golden_alerts()[0].alert.output());
  const json id{{"key", "picket.alert.id"}, {"value", {{"stringValue", "0f8a5a2c5d6e4b7f-17"}}}};
  EXPECT_THAT(records[0]["attributes"], testing::Contains(id));
}

TEST(OutputRender, TakesImagesApart) {
  EXPECT_EQ(split_image("debian").repository, "debian");
  EXPECT_EQ(split_image("debian:12").tag, "12");
  EXPECT_EQ(split_image("r.example:5000/a/b").repository, "r.example:5000/a/b");
  EXPECT_EQ(split_image("r.example:5000/a/b:1@sha256:00").tag, "1");
}

// Computed with: printf 'msg_1.1614265330.{"test": 1}' | openssl dgst -sha256 -hmac "picket key"
// -binary | base64
TEST(OutputSignature, IsWhatAnotherImplementationComputes) {
  const auto signature =
      webhook_signature("whsec_cGlja2V0IGtleQ==", "msg_1", 1614265330, R"({"test": 1})");
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_EQ(*signature, "v1,hjdlZmjU7vlhcG5FsCvgEkPDVbgd2SigvXLLCgWO7A0=");
  EXPECT_EQ(*webhook_signature("cGlja2V0IGtleQ==", "msg_1", 1614265330, R"({"test": 1})"),
            *signature);
  EXPECT_FALSE(webhook_signature("whsec_***", "msg_1", 1, "").ok());
  EXPECT_FALSE(webhook_signature("whsec_", "msg_1", 1, "").ok());
}

}  // namespace
}  // namespace picket
