#include "collector/app/metrics.h"

namespace picket {
namespace {

prometheus::ClientMetric with_reason(std::string_view reason, uint64_t count) {
  prometheus::ClientMetric metric;
  metric.label.push_back({"reason", std::string(reason)});
  metric.counter.value = static_cast<double>(count);
  return metric;
}

prometheus::MetricFamily gauge(const char* name, const char* help, size_t value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = static_cast<double>(value);
  return {name, help, prometheus::MetricType::Gauge, {metric}};
}

}  // namespace

std::vector<prometheus::MetricFamily> CollectorMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families = Registry::Collect();
  prometheus::MetricFamily refused{"picket_ingest_refused_total",
                                   "Calls and messages refused, by reason",
                                   prometheus::MetricType::Counter,
                                   {}};
  for (const auto& [reason, count] : refusals_.counts()) {
    refused.metric.push_back(with_reason(reason, count));
  }
  families.push_back(std::move(refused));
  families.push_back(refusal_metrics(refused_peers_));
  families.push_back(
      gauge("picket_fleet_nodes_connected", "Nodes with an open stream", nodes_.size()));
  families.push_back(
      gauge("picket_query_watchers", "Operators that watch alerts now", feed_.subscribers()));
  return families;
}

}  // namespace picket
