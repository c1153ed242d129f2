#include "common/tls_refusals.h"

#include <grpc/support/log.h>
#include <spdlog/spdlog.h>

namespace picket {
namespace {

// gRPC's log function takes no context: the one place where a pointer has to wait for it.
std::atomic<RefusalCounts*> log_counts{nullptr};

void on_grpc_log(gpr_log_func_args* args) {
  spdlog::debug("grpc: {}", args->message);
  RefusalCounts* counts = log_counts.load(std::memory_order_acquire);
  if (counts == nullptr) return;
  if (const auto refusal = refusal_of(args->message)) counts->add(*refusal);
}

}  // namespace

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::plaintext:
      return "plaintext";
    case Refusal::tls_version:
      return "tls_version";
    case Refusal::untrusted:
      return "untrusted";
    case Refusal::no_certificate:
      return "no_certificate";
    case Refusal::wrong_identity:
      return "wrong_identity";
    case Refusal::other:
    case Refusal::count:
      break;
  }
  return "other";
}

void count_in(MetricRegistry& registry, const RefusalCounts& counts) {
  registry.ask(
      "picket_tls_refused_total", "Peers refused before any call, by reason",
      MetricRegistry::Kind::counter, [&counts] {
        std::vector<MetricRegistry::Series> series;
        for (size_t i = 0; i < static_cast<size_t>(Refusal::count); ++i) {
          const auto reason = static_cast<Refusal>(i);
          series.push_back({{"reason", std::string(to_string(reason))}, counts.of(reason)});
        }
        return series;
      });
}

void count_refusals(RefusalCounts& counts) {
  log_counts.store(&counts, std::memory_order_release);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
  gpr_set_log_function(on_grpc_log);
}

std::optional<Refusal> refusal_of(std::string_view line) {
  const auto says = [&](std::string_view words) {
    return line.find(words) != std::string_view::npos;
  };
  if (says("the server is not spiffe://")) return Refusal::wrong_identity;
  if (!says("andshake")) return std::nullopt;
  if (says("peer did not return a certificate")) return Refusal::no_certificate;
  if (says("certificate verify failed") || says("unknown ca") || says("unable to get"))
    return Refusal::untrusted;
  // A server below TLS 1.3 finds no cipher in common with us and says no more than this alert.
  if (says("alert handshake failure")) return Refusal::tls_version;
  if (says("no shared cipher") || says("unsupported protocol") || says("protocol version"))
    return Refusal::tls_version;
  if (says("wrong version number") || says("http request")) return Refusal::plaintext;
  if (says("SSL_ERROR") || says("failed")) return Refusal::other;
  return std::nullopt;
}

}  // namespace picket
