#include "collector/app/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "collector/store/postgres.h"
#include "common/config_reader.h"

namespace picket {
namespace {

constexpr uint64_t kMaxRetentionDays = 36'500;

bool is_address(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  unsigned port = 0;
  const char* end = address.data() + address.size();
  const auto [stop, error] = std::from_chars(address.data() + colon + 1, end, port);
  return error == std::errc() && stop == end && port <= 65535;
}

void read_tls(ConfigReader section, TlsFiles& tls) {
  section.read("ca", tls.ca);
  section.read("cert", tls.cert);
  section.read("key", tls.key);
  if (tls.ca.empty()) section.fail("ca", "expected the file of the certificate authority");
  if (tls.cert.empty()) section.fail("cert", "expected the file of the collector's certificate");
  if (tls.key.empty()) section.fail("key", "expected the file of the collector's private key");
  section.finish_section();
}

// Who is limited, and to what; a list that is there names something.
void read_scope(ConfigReader section, const std::string& trust_domain, Scopes& scopes) {
  std::string who;
  Scope scope;
  section.read("operator", who);
  const auto peer = parse_spiffe(who, trust_domain);
  if (!peer || peer->kind != PeerIdentity::Kind::operator_)
    section.fail("operator",
                 fmt::format("\"{}\" is no operator's SPIFFE id of {}", who, trust_domain));
  section.read("namespaces", scope.namespaces);
  section.read("clusters", scope.clusters);
  for (const auto* names : {&scope.namespaces, &scope.clusters})
    if (std::ranges::find(*names, "") != names->end())
      section.fail(names == &scope.namespaces ? "namespaces" : "clusters", "expected names");
  if (scope.namespaces.empty() && scope.clusters.empty())
    section.fail("namespaces", "expected at least one namespace or cluster");
  if (!scopes.emplace(who, std::move(scope)).second)
    section.fail("operator", fmt::format("{} has a scope already", who));
  section.finish_section();
}

// One file of one collector, or a server that several share.
void read_store(ConfigReader& reader, CollectorConfig& config) {
  reader.read("database", config.database);
  if (!reader.has("store")) {
    if (config.database.empty())
      reader.fail("database", "expected the database's file, or store.postgres");
    config.audit_key = config.database.parent_path() / "audit.key";
    reader.read("audit_key", config.audit_key);
    return;
  }
  if (!config.database.empty())
    reader.fail("store", "alerts are kept in one place: either `database` or `store.postgres`");
  reader.read("audit_key", config.audit_key);
  if (config.audit_key.empty())
    reader.fail("audit_key",
                "expected a file: all collectors on one PostgreSQL sign with the same key");
  ConfigReader store = reader.section("store");
  store.read("postgres", config.postgres);
  if (config.postgres.empty())
    store.fail("postgres", "expected a connection string, as \"host=db dbname=picket\"");
  else if (const std::string problem = postgres::problem_of(config.postgres); !problem.empty())
    store.fail("postgres", problem);
  store.read("retention_days", config.retention_days, 0, kMaxRetentionDays);
  store.finish_section();
}

void read_log(ConfigReader section, CollectorConfig& config) {
  std::string format = "text";
  section.read("level", config.log_level);
  section.read("format", format);
  if (format != "text" && format != "json") section.fail("format", "expected text or json");
  config.log_format = format == "json" ? LogFormat::json : LogFormat::text;
  section.finish_section();
}

}  // namespace

absl::StatusOr<CollectorConfig> load_collector_config(const std::filesystem::path& file) {
  auto reader = ConfigReader::open_with_drop_ins(file);
  if (!reader.ok()) return reader.status();
  CollectorConfig config;
  reader->read("listen", config.listen);
  if (!is_address(config.listen)) reader->fail("listen", "expected HOST:PORT");
  reader->read("http", config.http);
  if (!is_address(config.http)) reader->fail("http", "expected HOST:PORT");
  read_store(*reader, config);
  reader->read("trust_domain", config.trust_domain);
  if (config.trust_domain.empty() || config.trust_domain.find('/') != std::string::npos) {
    reader->fail("trust_domain", "expected a SPIFFE trust domain");
  }
  reader->read("cluster", config.cluster);
  for (ConfigReader& scope : reader->list("scopes"))
    read_scope(std::move(scope), config.trust_domain, config.scopes);
  config.outputs = read_outputs(*reader);
  read_tls(reader->section("tls"), config.tls);
  read_log(reader->section("log"), config);
  if (absl::Status status = reader->finish(); !status.ok()) return status;
  return config;
}

}  // namespace picket
