#include "collector/ingest/ingest_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include "common/alert_json.h"

namespace picket {
namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

IngestMetrics::IngestMetrics(prometheus::Registry& registry)
    : envelopes_(counter(registry, "picket_ingest_envelopes_total", "Envelopes stored")),
      alerts_(counter(registry, "picket_ingest_alerts_total", "Alerts stored for the first time")),
      repeats_(counter(registry, "picket_ingest_repeats_total",
                       "Merged repeats of alerts that were stored before")),
      duplicates_(counter(registry, "picket_ingest_duplicates_total",
                          "Envelopes that were sent again after their commit")),
      skipped_(counter(registry, "picket_ingest_skipped_total",
                       "Envelopes without a body this collector can store")),
      missing_(counter(registry, "picket_ingest_missing_total",
                       "Sequences that were jumped over: lost between event and collector")),
      alert_delay_(prometheus::BuildHistogram()
                       .Name("picket_ingest_alert_delay_seconds")
                       .Help("From the event on the node to the alert's commit")
                       .Register(registry)
                       .Add({}, prometheus::Histogram::BucketBoundaries{
                                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 60, 3600})) {}

void IngestMetrics::on_commit(const CommitOutcome& outcome) {
  envelopes_.Increment(static_cast<double>(outcome.stored));
  alerts_.Increment(static_cast<double>(outcome.new_alerts.size()));
  repeats_.Increment(static_cast<double>(outcome.repeats));
  duplicates_.Increment(static_cast<double>(outcome.duplicates));
  skipped_.Increment(static_cast<double>(outcome.skipped));
  missing_.Increment(static_cast<double>(outcome.missing));
  for (const StoredAlert& stored : outcome.new_alerts) {
    const auto happened = static_cast<double>(wall_ns(stored.alert.time()));
    const auto committed = static_cast<double>(wall_ns(stored.alert.stored()));
    alert_delay_.Observe((committed - happened) / 1e9);
  }
}

}  // namespace picket
