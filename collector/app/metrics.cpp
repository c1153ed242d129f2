#include "collector/app/metrics.h"

namespace picket {

void add_collector_metrics(MetricRegistry& registry, const Refusals& refusals,
                           const NodeRegistry& nodes, const AlertFeed& feed) {
  using Kind = MetricRegistry::Kind;
  using Series = MetricRegistry::Series;
  registry.ask("picket_ingest_refused_total", "Calls and messages refused, by reason",
               Kind::counter, [&refusals] {
                 std::vector<Series> series;
                 for (const auto& [reason, count] : refusals.counts())
                   series.push_back({{"reason", std::string(reason)}, count});
                 return series;
               });
  registry.ask("picket_fleet_nodes_connected", "Nodes with an open stream", Kind::gauge, [&nodes] {
    return std::vector<Series>{{{}, nodes.size()}};
  });
  registry.ask("picket_query_watchers", "Operators that watch alerts now", Kind::gauge, [&feed] {
    return std::vector<Series>{{{}, feed.subscribers()}};
  });
}

}  // namespace picket
