#include "collector/ingest/ingest_metrics.h"

#include "common/alert_json.h"

namespace picket {
IngestMetrics::IngestMetrics(MetricRegistry& registry)
    : envelopes_(registry.counter("picket_ingest_envelopes_total", "Envelopes stored")),
      alerts_(registry.counter("picket_ingest_alerts_total", "Alerts stored for the first time")),
      repeats_(registry.counter("picket_ingest_repeats_total",
                                "Merged repeats of alerts that were stored before")),
      duplicates_(registry.counter("picket_ingest_duplicates_total",
                                   "Envelopes that were sent again after their commit")),
      skipped_(registry.counter("picket_ingest_skipped_total",
                                "Envelopes without a body this collector can store")),
      missing_(
          registry.counter("picket_ingest_missing_total",
                           "Sequences that were jumped over: lost between event and collector")),
      alert_delay_(registry.histogram("picket_ingest_alert_delay_seconds",
                                      "From the event on the node to the alert's commit",
                                      {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 60, 3600})) {}

void IngestMetrics::on_commit(const CommitOutcome& outcome) {
  envelopes_.add(outcome.stored);
  alerts_.add(outcome.new_alerts.size());
  repeats_.add(outcome.repeats);
  duplicates_.add(outcome.duplicates);
  skipped_.add(outcome.skipped);
  missing_.add(outcome.missing);
  for (const StoredAlert& stored : outcome.new_alerts) {
    const auto happened = static_cast<double>(wall_ns(stored.alert.time()));
    const auto committed = static_cast<double>(wall_ns(stored.alert.stored()));
    alert_delay_.observe((committed - happened) / 1e9);
  }
}

}  // namespace picket
