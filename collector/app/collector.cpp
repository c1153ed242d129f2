#include "collector/app/collector.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "collector/app/metrics.h"
#include "collector/app/version.h"
#include "collector/audit/chain.h"
#include "collector/ingest/agent_service.h"
#include "collector/ingest/ingest_metrics.h"
#include "collector/query/operator_service.h"
#include "collector/store/sqlite_reader.h"
#include "collector/store/sqlite_store.h"
#include "common/health_server.h"
#include "common/tls.h"

namespace picket {
namespace {

constexpr size_t kQueryThreads = 2;
constexpr size_t kQueryQueue = 256;
constexpr std::chrono::seconds kShutdownGrace{2};
constexpr size_t kAuditPage = 1000;

// A log that is signed goes on with the key that it was signed with, or not at all.
absl::StatusOr<std::unique_ptr<AuditSigner>> open_signer(const CollectorConfig& config) {
  std::error_code error;
  bool is_signed = false;
  if (std::filesystem::exists(config.database, error)) {
    // What is wrong with the file the store says when it opens it.
    is_signed = SqliteStore::has_signed_audit(config.database).value_or(false);
  }
  std::filesystem::path file = config.audit_key;
  if (file.empty()) file = config.database.parent_path() / "audit.key";
  auto signer = AuditSigner::open(file, !is_signed);
  if (!signer.ok()) return signer.status();
  return std::make_unique<AuditSigner>(*std::move(signer));
}

}  // namespace

// In the order of construction: what stands below uses what stands above.
struct Collector::Parts {
  Parts(std::unique_ptr<AuditSigner> with, std::unique_ptr<Store> opened,
        const CollectorConfig& config, const Clock& clock, const RefusalCounts& refused_peers)
      : signer(std::move(with)),
        store(std::move(opened)),
        ingest_metrics(metrics),
        writer(*store, {}, metrics),
        trail(writer),
        commands(*store, writer, nodes, clock),
        policy(writer, nodes, clock),
        workers(kQueryThreads, kQueryQueue),
        http(metrics),
        ingest{writer, nodes, policy, refusals},
        query{*store,
              feed,
              workers,
              trail,
              commands,
              policy,
              nodes,
              refusals,
              refused_peers,
              clock,
              config.trust_domain,
              config.cluster,
              config.scopes,
              signer->public_key(),
              kCollectorVersion,
              clock.wall_ns()},
        agents(agent_service(ingest, config.trust_domain)),
        operators(operator_service(query)) {
    count_in(metrics, refused_peers);
    add_collector_metrics(metrics, refusals, nodes, feed);
    writer.on_commit([this](const CommitOutcome& outcome) { ingest_metrics.on_commit(outcome); });
    writer.on_commit([this](const CommitOutcome& outcome) { feed.publish(outcome); });
    writer.on_commit([this](const CommitOutcome& outcome) { commands.on_commit(outcome); });
  }

  const std::unique_ptr<AuditSigner> signer;
  const std::unique_ptr<Store> store;
  Refusals refusals;
  NodeRegistry nodes;
  AlertFeed feed;
  MetricRegistry metrics;
  IngestMetrics ingest_metrics;
  Writer writer;
  const AuditTrail trail;
  Commands commands;
  PolicyDistribution policy;
  WorkerPool workers;
  HealthServer http;
  IngestContext ingest;
  QueryContext query;
  const std::unique_ptr<grpc::Service> agents, operators;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

Collector::Collector(CollectorConfig config, const Clock& clock, const RefusalCounts& refused_peers)
    : config_(std::move(config)), clock_(clock), refused_peers_(refused_peers) {}

Collector::~Collector() { stop(); }

int Collector::grpc_port() const { return parts_ ? parts_->port : 0; }
int Collector::http_port() const { return parts_ ? parts_->http.port() : 0; }

absl::Status Collector::start() {
  if (absl::Status status = check_files(config_.tls); !status.ok()) return status;
  auto signer = open_signer(config_);
  if (!signer.ok()) return signer.status();
  auto store = SqliteStore::open(config_.database, clock_, signer->get());
  if (!store.ok()) return store.status();
  auto key = AuditKey::parse((*signer)->public_key());
  if (!key.ok()) return key.status();
  const std::string fingerprint = key->fingerprint();
  if (const auto entries = verify_audit(config_.database, *std::move(key)); entries.ok()) {
    spdlog::info("audit log: {} entries, the chain holds, signed by {}", *entries, fingerprint);
  } else {
    // Going on keeps alerts and new entries coming; the break stays where it is, for all to see.
    spdlog::error("audit log: {}", std::string(entries.status().message()));
  }
  parts_ = std::make_unique<Parts>(*std::move(signer), *std::move(store), config_, clock_,
                                   refused_peers_);
  parts_->writer.start();
  absl::Status status = parts_->commands.start();
  if (status.ok()) status = parts_->policy.start(*parts_->store);
  if (status.ok()) status = parts_->http.start(config_.http);
  if (!status.ok()) {
    stop();
    return status;
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(config_.listen, server_credentials(config_.tls), &parts_->port);
  builder.RegisterService(parts_->agents.get());
  builder.RegisterService(parts_->operators.get());
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  // A peer that is gone without a word is noticed; agents may probe us as well.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
  parts_->server = builder.BuildAndStart();
  if (!parts_->server || parts_->port == 0) {
    stop();
    return absl::UnavailableError(
        fmt::format("listen on {}: the address is taken or not ours", config_.listen));
  }
  parts_->http.set_not_ready("");
  spdlog::info("listening on port {} for agents and operators, on port {} for HTTP", parts_->port,
               parts_->http.port());
  return absl::OkStatus();
}

void Collector::stop() {
  if (!parts_) return;
  parts_->http.set_not_ready("stopping");
  parts_->feed.close();
  parts_->commands.stop();
  parts_->nodes.close_all("the collector is stopping");
  if (parts_->server) {
    parts_->server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
    parts_->server->Wait();
  }
  parts_->commands.stop();  // what it refused meanwhile is audited, too
  parts_->workers.stop();
  parts_->writer.stop();
  parts_->http.stop();
  parts_.reset();
}

absl::StatusOr<uint64_t> verify_audit(const std::filesystem::path& database,
                                      std::optional<AuditKey> key) {
  auto reader = sqlite::open_reader(database);
  if (!reader.ok()) return reader.status();
  AuditVerifier verifier(std::move(key));
  uint64_t last = 0;
  while (true) {
    const auto page = (*reader)->audit(last, kAuditPage);
    if (!page.ok()) return page.status();
    for (const v1::AuditEntry& entry : *page) {
      if (const auto& broken = verifier.next(entry)) {
        return absl::DataLossError(
            fmt::format("the chain is broken at entry {}: {}", broken->sequence, broken->reason));
      }
      last = entry.sequence();
    }
    if (page->size() < kAuditPage) return verifier.entries();
  }
}

}  // namespace picket
