#include "tests/fleet/collector_fixture.h"

#include <stdlib.h>

#include <fstream>
#include <sstream>

#include "collector/store/sqlite_reader.h"
#include "common/tls.h"
#include "tests/support/http.h"

namespace picket::test {
namespace {

RefusalCounts& refused_peers() {
  static auto* const counts = new RefusalCounts;  // gRPC's last words may come after main
  return *counts;
}

const DevPki& pki() {
  static const auto* const made = [] {
    auto* pki = new DevPki;
    for (const char* who : {"collector collector", "node n1", "node n2", "operator admin ada",
                            "operator responder rob", "operator viewer vic", "operator author ann",
                            "operator admin old --days -1"}) {
      pki->issue(who);
    }
    pki->issue_with_names("dns-admin", "DNS:spiffe://picket/operator/admin/evil");
    pki->issue_with_names("two-admin",
                          "URI:spiffe://other/operator/admin/evil,"
                          "URI:spiffe://picket/operator/admin/evil");
    return pki;
  }();
  return *made;
}

class Process : public testing::Environment {
  void SetUp() override {
    require_tls13();
    count_refusals(refused_peers());
  }
  void TearDown() override { std::filesystem::remove_all(pki().folder()); }
};
[[maybe_unused]] const auto* const process = testing::AddGlobalTestEnvironment(new Process);

}  // namespace

TlsFiles CollectorTest::certificate(const std::string& name) { return pki().files(name); }

void CollectorTest::SetUp() {
  std::string pattern = (std::filesystem::temp_directory_path() / "picket-fleet-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  start();
}

void CollectorTest::TearDown() {
  collector_.reset();
  std::filesystem::remove_all(folder_);
}

void CollectorTest::start() {
  CollectorConfig config;
  config.listen = "127.0.0.1:0";
  config.http = "127.0.0.1:0";
  config.database = folder_ / "collector.db";
  config.tls = certificate("collector");
  collector_ = std::make_unique<Collector>(config, clock_, refused_peers());
  const absl::Status status = collector_->start();
  ASSERT_TRUE(status.ok()) << status;
  last_port_ = collector_->grpc_port();
}

std::vector<std::string> CollectorTest::picketctl_command(
    const std::string& who, std::vector<std::string> arguments) const {
  const TlsFiles files = certificate(who);
  const std::filesystem::path context = folder_ / (who + ".yaml");
  // Renamed into place: one that was started before may still be reading it.
  const std::filesystem::path draft = folder_ / (who + ".yaml.new");
  std::ofstream(draft) << fmt::format(
      "collector: 127.0.0.1:{}\nca: {}\ncert: {}\nkey: {}\n"
      "server_id: spiffe://picket/collector/collector\n",
      last_port_, files.ca.string(), files.cert.string(), files.key.string());
  std::filesystem::rename(draft, context);
  std::vector<std::string> command{PICKET_BINARY_DIR "/picketctl", "--context", context.string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

ProgramResult CollectorTest::picketctl(const std::string& who,
                                       std::vector<std::string> arguments) const {
  auto result = run_program({.argv = picketctl_command(who, std::move(arguments))});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : ProgramResult{-1, "", ""};
}

std::vector<nlohmann::json> CollectorTest::json(const std::string& who,
                                                std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"-o", "json"});
  const ProgramResult result = picketctl(who, std::move(arguments));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::vector<nlohmann::json> objects;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) objects.push_back(nlohmann::json::parse(line));
  return objects;
}

std::vector<nlohmann::json> CollectorTest::orders() const {
  auto entries = json("ada", {"audit", "list"});
  std::erase_if(entries, [](const nlohmann::json& entry) {
    const std::string action = entry["action"];
    return !action.starts_with("workspace.") && !action.starts_with("policy.") &&
           !action.starts_with("waivers.");
  });
  return entries;
}

uint64_t CollectorTest::audit_entries() const {
  const auto reader = sqlite::open_reader(folder_ / "collector.db");
  EXPECT_TRUE(reader.ok()) << reader.status();
  const auto entries = verify_audit(**reader);
  EXPECT_TRUE(entries.ok()) << entries.status();
  return entries.value_or(0);
}

double CollectorTest::metric_of(const std::string& name, const std::string& label) const {
  const auto value = metric(static_cast<uint16_t>(collector_->http_port()), name, label);
  EXPECT_TRUE(value.ok()) << value.status();
  return value.value_or(-1);
}

double CollectorTest::refused(const CollectorTest& test, const std::string& reason) {
  return test.metric_of("picket_ingest_refused_total", fmt::format("reason=\"{}\"", reason));
}

}  // namespace picket::test
