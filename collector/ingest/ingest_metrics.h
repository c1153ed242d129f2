// What came in and what became of it, for /metrics. A listener of the writer: its thread. Nothing
// fails.
#pragma once

#include "collector/store/store.h"
#include "common/metrics.h"

namespace picket {

class IngestMetrics {
 public:
  explicit IngestMetrics(MetricRegistry& registry);
  void on_commit(const CommitOutcome& outcome);

 private:
  Counter &envelopes_, &alerts_, &repeats_, &duplicates_, &skipped_, &missing_;
  Histogram& alert_delay_;
};

}  // namespace picket
