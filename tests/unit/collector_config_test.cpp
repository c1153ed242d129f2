// The collector's configuration: what is refused, and where it says so.
#include "collector/app/config.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cstdlib>
#include <fstream>

#include "collector/auth/access.h"

namespace picket {
namespace {

using testing::HasSubstr;

constexpr char kWhole[] =
    "listen: 127.0.0.1:7420\n"
    "http: 127.0.0.1:7421\n"
    "database: data/collector.db\n"
    "tls: {ca: ca.crt, cert: /etc/c.crt, key: c.key}\n"
    "trust_domain: example.org\n"
    "log: {level: debug, format: json}\n";

class CollectorConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-conf-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    file_ = folder_ / "c.yaml";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  absl::StatusOr<CollectorConfig> load(const std::string& text) {
    std::ofstream(file_) << text;
    return load_collector_config(file_);
  }
  std::string problem(const std::string& text) {
    const auto config = load(text);
    return std::string(config.status().message());
  }

  std::filesystem::path folder_, file_;
};

TEST_F(CollectorConfigTest, ReadsAllAndResolvesPaths) {
  const auto config = load(kWhole);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen, "127.0.0.1:7420");
  EXPECT_EQ(config->database, folder_ / "data/collector.db");
  EXPECT_EQ(config->tls.cert, "/etc/c.crt");
  EXPECT_EQ(config->trust_domain, "example.org");
  EXPECT_EQ(config->log_format, LogFormat::json);
}

TEST_F(CollectorConfigTest, NamesThePlaceOfAnUnknownKey) {
  EXPECT_THAT(problem(std::string(kWhole) + "databse: x\n"), HasSubstr("c.yaml:7:1: unknown key"));
}

TEST_F(CollectorConfigTest, NamesThePlaceOfADuplicateKey) {
  EXPECT_THAT(problem(std::string(kWhole) + "http: 127.0.0.1:1\n"), HasSubstr("c.yaml:7:1: "));
}

TEST_F(CollectorConfigTest, RefusesBadValuesAllAtOnce) {
  const std::string problems =
      problem("listen: nowhere\nhttp: 127.0.0.1:99999\nlog: {format: xml}\n");
  EXPECT_THAT(problems, HasSubstr("c.yaml:1:9: listen"));
  EXPECT_THAT(problems, HasSubstr("c.yaml:2:7: http"));
  EXPECT_THAT(problems, HasSubstr("c.yaml:3:15: log.format"));
  EXPECT_THAT(problems, HasSubstr("c.yaml:1:1: database: expected"));
  EXPECT_THAT(problems, HasSubstr("c.yaml:1:1: tls.key: expected"));
}

TEST_F(CollectorConfigTest, KeepsAlertsInOnePlace) {
  const std::string whole(kWhole), line = "database: data/collector.db\n";
  std::string shared = whole;
  shared.replace(shared.find(line), line.size(), "audit_key: audit.key\n");
  const auto config = load(shared + "store: {postgres: 'host=db dbname=p', retention_days: 30}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->postgres, "host=db dbname=p");
  EXPECT_EQ(config->retention_days, 30U);
  EXPECT_EQ(config->database, "");
  EXPECT_EQ(config->audit_key, folder_ / "audit.key");
  EXPECT_THAT(problem(whole + "store: {postgres: 'dbname=p'}\n"),
              testing::AllOf(HasSubstr("c.yaml:7:8: store: alerts are kept in one place"),
                             HasSubstr("c.yaml:1:1: audit_key: expected a file")));
  EXPECT_THAT(problem(shared + "store: {retention_days: 30}\n"),
              HasSubstr("c.yaml:7:8: store.postgres: expected a connection string"));
  EXPECT_EQ(load(shared + "store: {postgres: dbname=p}\n"
                          "outputs: [{name: a, kind: file, path: alerts.json}]\n")
                ->outputs.size(),
            1U);
  EXPECT_THAT(problem(shared + "store: {postgres: 'colour=red'}\n"),
              HasSubstr("c.yaml:7:19: store.postgres: invalid connection option \"colour\""));
  EXPECT_THAT(problem(shared + "store: {postgres: dbname=p, retention_days: never}\n"),
              HasSubstr("c.yaml:7:45: store.retention_days"));
  // The package's file names one, which is not to be edited.
  std::filesystem::create_directory(folder_ / "c.conf.d");
  std::ofstream(folder_ / "c.conf.d/50-store.yaml")
      << "database: ''\nstore: {postgres: dbname=p}\naudit_key: ../audit.key\n";
  const auto replaced = load(whole);
  ASSERT_TRUE(replaced.ok()) << replaced.status();
  EXPECT_EQ(replaced->database, "");
  EXPECT_EQ(replaced->audit_key, folder_ / "audit.key");
}

TEST_F(CollectorConfigTest, RefusesASecondDocument) {
  EXPECT_THAT(problem(std::string(kWhole) + "---\nlisten: 127.0.0.1:1\n"),
              HasSubstr("c.yaml:8:1: expected one document"));
}

TEST_F(CollectorConfigTest, RefusesWhatIsNoYaml) {
  EXPECT_THAT(problem("listen: [unclosed\n"), HasSubstr("c.yaml:"));
  EXPECT_EQ(load_collector_config(folder_ / "none.yaml").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CollectorConfigTest, ReadsWhoIsLimitedToWhat) {
  const std::string who = "spiffe://example.org/operator/responder/rob";
  const auto config =
      load(kWhole + ("cluster: eu\naudit_key: /etc/a.key\nscopes:\n  - {operator: '" + who +
                     "', namespaces: [a, b], clusters: [eu]}\n"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster, "eu");
  EXPECT_EQ(config->audit_key, "/etc/a.key");
  ASSERT_TRUE(config->scopes.contains(who));
  EXPECT_EQ(config->scopes.at(who).namespaces, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(load(kWhole)->audit_key, folder_ / "data/audit.key");
  const std::string scopes = std::string(kWhole) + "scopes:\n  - ";
  EXPECT_THAT(problem(scopes + "{operator: rob, namespaces: [a]}\n"), HasSubstr("c.yaml:8:16"));
  EXPECT_THAT(problem(scopes + "{operator: '" + who + "'}\n"), HasSubstr("at least one namespace"));
  EXPECT_THAT(problem(scopes + "{operator: '" + who + "', namespaces: ['']}\n"),
              HasSubstr("expected names"));
  EXPECT_THAT(problem(scopes + "{operator: '" + who + "', namespaces: [a], x: 1}\n"),
              HasSubstr("unknown key"));
  EXPECT_THAT(problem(std::string(kWhole) + "scopes: {a: b}\n"), HasSubstr("expected a list"));
}

TEST(AccessTest, UnknownRolesMayNothing) {
  for (const char* role : {"viewer", "analyst", "author"}) {
    EXPECT_TRUE(allows(role, Access::read)) << role;
    EXPECT_FALSE(allows(role, Access::command)) << role;
  }
  for (const char* role : {"responder", "admin"}) {
    EXPECT_TRUE(allows(role, Access::read)) << role;
    EXPECT_TRUE(allows(role, Access::command)) << role;
  }
  for (const char* role : {"", "Admin", "root", "admin/x"}) {
    EXPECT_FALSE(allows(role, Access::read)) << role;
    EXPECT_FALSE(allows(role, Access::command)) << role;
  }
  EXPECT_FALSE(allows("viewer", Access::investigate));
  EXPECT_FALSE(allows("author", Access::investigate));
  EXPECT_TRUE(allows("analyst", Access::investigate));
  EXPECT_FALSE(allows("responder", Access::rules));
  EXPECT_TRUE(allows("author", Access::rules));
}

}  // namespace
}  // namespace picket
