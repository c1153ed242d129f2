#include "collector/app/collector.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "collector/app/metrics.h"
#include "collector/app/open_store.h"
#include "collector/app/version.h"
#include "collector/audit/chain.h"
#include "collector/export/outputs.h"
#include "collector/fleet/replicas.h"
#include "collector/ingest/agent_service.h"
#include "collector/ingest/ingest_metrics.h"
#include "collector/query/operator_service.h"
#include "collector/query/unread_calls.h"
#include "common/health_server.h"
#include "common/tls.h"

namespace picket {
namespace {

constexpr size_t kQueryThreads = 2;
constexpr size_t kQueryQueue = 256;
constexpr std::chrono::seconds kShutdownGrace{2};
constexpr size_t kAuditPage = 1000;

}  // namespace

// In the order of construction: what stands below uses what stands above.
struct Collector::Parts {
  Parts(OpenStore opened, const CollectorConfig& config, const Clock& clock,
        const RefusalCounts& refused_peers)
      : signer(std::move(opened.signer)),
        store(std::move(opened.store)),
        ingest_metrics(metrics),
        writer(*store, {}, metrics),
        outputs(config.outputs, kCollectorVersion, *store, writer, clock, metrics),
        trail(writer),
        commands(*store, writer, nodes, clock),
        policy(writer, nodes, clock),
        replicas(*store, writer, nodes, commands, policy,
                 {[this] { return feed.subscribers() > 0; },
                  [this](const CommitOutcome& outcome) { feed.publish(outcome); },
                  [this](uint64_t row) { outputs.wake(row); }}),
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
              clock.wall_ns(),
              [this] { return outputs.health(); }},
        agents(agent_service(ingest, config.trust_domain)),
        operators(operator_service(query)) {
    count_in(metrics, refused_peers);
    add_collector_metrics(metrics, refusals, nodes, feed);
    writer.on_commit([this](const CommitOutcome& outcome) { ingest_metrics.on_commit(outcome); });
    // Of several collectors each tells its watchers what all have stored, in the order of that.
    if (store->replica() == nullptr)
      writer.on_commit([this](const CommitOutcome& outcome) { feed.publish(outcome); });
    writer.on_commit([this](const CommitOutcome& outcome) { commands.on_commit(outcome); });
    writer.on_commit([this](const CommitOutcome& outcome) { outputs.on_commit(outcome); });
  }

  const std::unique_ptr<AuditSigner> signer;
  const std::unique_ptr<Store> store;
  Refusals refusals;
  NodeRegistry nodes;
  AlertFeed feed;
  MetricRegistry metrics;
  IngestMetrics ingest_metrics;
  Writer writer;
  Outputs outputs;
  const AuditTrail trail;
  Commands commands;
  PolicyDistribution policy;
  Replicas replicas;
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
  for (const OutputConfig& output : config_.outputs)
    if (absl::Status status = check_output(output); !status.ok()) return status;
  auto opened = open_store(config_, clock_);
  if (!opened.ok()) return opened.status();
  auto key = AuditKey::parse(opened->signer->public_key());
  if (!key.ok()) return key.status();
  const std::string fingerprint = key->fingerprint();
  const auto reader = opened->store->reader();
  if (!reader.ok()) return reader.status();
  if (const auto entries = verify_audit(**reader, *std::move(key)); entries.ok()) {
    spdlog::info("audit log: {} entries, the chain holds, signed by {}", *entries, fingerprint);
  } else {
    // Going on keeps alerts and new entries coming; the break stays where it is, for all to see.
    spdlog::error("audit log: {}", std::string(entries.status().message()));
  }
  parts_ = std::make_unique<Parts>(*std::move(opened), config_, clock_, refused_peers_);
  parts_->writer.start();
  parts_->outputs.start();
  absl::Status status = parts_->commands.start();
  if (status.ok()) status = parts_->policy.start(*parts_->store);
  if (status.ok()) status = parts_->replicas.start();
  if (status.ok()) status = parts_->http.start(config_.http);
  if (!status.ok()) {
    stop();
    return status;
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(config_.listen, server_credentials(config_.tls), &parts_->port);
  builder.RegisterService(parts_->agents.get());
  builder.RegisterService(parts_->operators.get());
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(unread_calls(parts_->query));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  // Until TLS and the first settings of HTTP/2 are done.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 20'000);
  // gRPC unpacks without a bound; the agents' streams do it with one (agent_message.h).
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // A peer that is gone without a word is noticed; agents may probe us as well.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
  // Among several collectors no connection is for ever, or a new one would never be used. Streams
  // that exist go on; agents' are ended by `replicas`.
  if (parts_->store->replica() != nullptr)
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, 30 * 60'000);
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
  parts_->replicas.stop();
  parts_->commands.stop();
  parts_->nodes.close_all("the collector is stopping");
  if (parts_->server) {
    parts_->server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
    parts_->server->Wait();
  }
  parts_->commands.stop();  // what it refused meanwhile is audited, too
  parts_->workers.stop();
  parts_->outputs.stop();
  parts_->writer.stop();
  parts_->http.stop();
  parts_.reset();
}

absl::StatusOr<uint64_t> verify_audit(StoreReader& reader, std::optional<AuditKey> key) {
  AuditVerifier verifier(std::move(key));
  uint64_t last = 0;
  while (true) {
    const auto page = reader.audit(last, kAuditPage);
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
