// The section `outputs`: what is read, and where an error is said to be.
#include "collector/export/output_config.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <fstream>

namespace picket {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class OutputConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-oc-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<std::vector<OutputConfig>> load(const std::string& text) {
    std::ofstream(folder_ / "c.yaml") << "outputs:\n" << text;
    auto reader = ConfigReader::open(folder_ / "c.yaml");
    if (!reader.ok()) return reader.status();
    auto outputs = read_outputs(*reader);
    if (absl::Status status = reader->finish(); !status.ok()) return status;
    return outputs;
  }
  std::string problem(const std::string& text) {
    return std::string(load(text).status().message());
  }

  std::filesystem::path folder_;
};

TEST_F(OutputConfigTest, ReadsEveryKind) {
  const auto outputs = load(R"(
  - {name: lines, kind: file, path: alerts.jsonl}
  - name: sidekick
    kind: http
    url: https://sidekick.example:2801/?a=b
    format: falco
    start: oldest
    filter: {priority: WARNING, rules: ["escape.*"], tags: [T1611], namespaces: [a], workspaces: [w], shadow: true}
    tls: {ca: ca.crt, cert: /etc/c.crt, key: c.key}
    token_file: token
    secret_file: secret
  - {name: siem, kind: syslog, address: "[::1]:6515", format: cef, facility: 16}
  - {name: otel, kind: otlp, url: "http://collector:4318/v1/logs"}
  - name: bus
    kind: kafka
    brokers: [k1:9092, k2:9092]
    topic: alerts
    format: ocsf
    sasl: {mechanism: SCRAM-SHA-512, user: picket, password_file: pw}
)");
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  ASSERT_EQ(outputs->size(), 5U);
  EXPECT_EQ(std::get<FileTarget>(outputs->at(0).target).path, folder_ / "alerts.jsonl");
  EXPECT_FALSE(outputs->at(0).from_oldest);
  const OutputConfig& sidekick = outputs->at(1);
  EXPECT_EQ(sidekick.format, AlertFormat::falco);
  EXPECT_TRUE(sidekick.from_oldest);
  EXPECT_EQ(sidekick.filter.least, v1::PRIORITY_WARNING);
  EXPECT_THAT(sidekick.filter.rules, ElementsAre("escape.*"));
  EXPECT_TRUE(sidekick.filter.shadow);
  const auto& http = std::get<HttpTarget>(sidekick.target);
  EXPECT_EQ(http.url.host, "sidekick.example");
  EXPECT_EQ(http.url.port, 2801);
  EXPECT_EQ(http.url.path, "/?a=b");
  EXPECT_EQ(http.tls.ca, folder_ / "ca.crt");
  EXPECT_EQ(http.secret_file, folder_ / "secret");
  const auto& syslog = std::get<SyslogTarget>(outputs->at(2).target);
  EXPECT_EQ(syslog.host, "::1");
  EXPECT_EQ(syslog.port, 6515);
  EXPECT_EQ(syslog.facility, 16U);
  EXPECT_FALSE(std::get<OtlpTarget>(outputs->at(3).target).url.tls);
  const auto& kafka = std::get<KafkaTarget>(outputs->at(4).target);
  EXPECT_EQ(kafka.brokers, "k1:9092,k2:9092");
  EXPECT_TRUE(kafka.encrypted);
  EXPECT_EQ(kafka.sasl_password_file, folder_ / "pw");
}

TEST_F(OutputConfigTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(problem("  - {name: a b, kind: file, path: x}\n"),
              HasSubstr("c.yaml:2:12: outputs.name"));
  EXPECT_THAT(problem("  - {name: a, kind: file, path: x}\n  - {name: a, kind: file, path: y}\n"),
              HasSubstr("c.yaml:3:12: outputs.name: \"a\" is the name of another output"));
  EXPECT_THAT(problem("  - {name: a, kind: pigeon}\n"),
              HasSubstr("c.yaml:2:21: outputs.kind: expected file, http"));
  EXPECT_THAT(problem("  - {name: a, kind: file}\n"), HasSubstr("c.yaml:2:5: outputs.path"));
  EXPECT_THAT(problem("  - {name: a, kind: file, path: x, url: y}\n"),
              HasSubstr("unknown key \"url\""));
  EXPECT_THAT(problem("  - {name: a, kind: http, url: ftp://x}\n"),
              HasSubstr("outputs.url: expected http"));
  EXPECT_THAT(problem("  - {name: a, kind: http, url: https://u:p@x/}\n"), HasSubstr("token_file"));
  EXPECT_THAT(problem("  - {name: a, kind: http, url: https://x, format: cef}\n"),
              HasSubstr("outputs.format: expected one of: picket, falco, ocsf"));
  EXPECT_THAT(problem("  - {name: a, kind: http, url: https://x, tls: {cert: c}}\n"),
              HasSubstr("outputs.tls.key: a certificate and its key"));
  EXPECT_THAT(problem("  - {name: a, kind: syslog, address: x, facility: 24}\n"),
              HasSubstr("outputs.facility: expected a whole number from 0 to 23"));
  EXPECT_THAT(problem("  - {name: a, kind: syslog, address: 'x:0'}\n"),
              HasSubstr("expected a port"));
  EXPECT_THAT(problem("  - {name: a, kind: kafka, brokers: [], topic: t}\n"),
              HasSubstr("outputs.brokers"));
  EXPECT_THAT(problem("  - {name: a, kind: kafka, brokers: [b], topic: t, sasl: {user: u}}\n"),
              HasSubstr("outputs.sasl.mechanism"));
  EXPECT_THAT(problem("  - {name: a, kind: file, path: x, start: never}\n"),
              HasSubstr("outputs.start"));
  EXPECT_THAT(problem("  - {name: a, kind: file, path: x, filter: {priority: LOUD}}\n"),
              HasSubstr("outputs.filter.priority"));
  EXPECT_THAT(problem("  - {name: a, kind: file, path: x, filter: {rule: y}}\n"),
              HasSubstr("unknown key \"rule\""));
}

TEST_F(OutputConfigTest, ReadsUrlsApart) {
  EXPECT_EQ(Url::parse("https://a.example")->port, 443);
  EXPECT_EQ(Url::parse("https://a.example")->path, "/");
  EXPECT_EQ(Url::parse("https://a.example")->authority(), "a.example");
  EXPECT_EQ(Url::parse("http://a.example:81/x")->authority(), "a.example:81");
  EXPECT_EQ(Url::parse("http://[::1]:81?q")->host, "::1");
  EXPECT_EQ(Url::parse("http://[::1]:81?q")->authority(), "[::1]:81");
  EXPECT_EQ(Url::parse("http://[::1]:81?q")->path, "/?q");
  for (const char* bad :
       {"", "a.example", "https://", "https://:1", "https://a:99999", "https://a:", "https://a:1x",
        "https://[::1", "https://a b", "https://a/#f"})
    EXPECT_FALSE(Url::parse(bad).ok()) << bad;
}

TEST_F(OutputConfigTest, ChecksTheFilesOfAnOutput) {
  const auto check = [&](const std::string& text) {
    const auto outputs = load(text);
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return std::string(check_output(outputs->at(0)).message());
  };
  std::ofstream(folder_ / "empty") << "\n";
  std::ofstream(folder_ / "token") << "t\r\n";
  EXPECT_EQ(check("  - {name: a, kind: file, path: x}\n"), "");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "x")) << "a check makes nothing";
  EXPECT_THAT(check("  - {name: a, kind: file, path: none/x}\n"),
              HasSubstr("output a: cannot write to"));
  EXPECT_EQ(check("  - {name: a, kind: http, url: https://x, token_file: token}\n"), "");
  EXPECT_EQ(*read_secret(folder_ / "token"), "t");
  EXPECT_THAT(check("  - {name: a, kind: http, url: https://x, token_file: none}\n"),
              HasSubstr("output a: cannot read a secret"));
  EXPECT_THAT(check("  - {name: a, kind: http, url: https://x, secret_file: empty}\n"),
              HasSubstr("is empty"));
  EXPECT_THAT(check("  - {name: a, kind: syslog, address: x, tls: {ca: none}}\n"),
              HasSubstr("output a: cannot read the CA certificate"));
}

}  // namespace
}  // namespace picket
