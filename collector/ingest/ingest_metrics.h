// What came in and what became of it, for /metrics. A listener of the writer: its thread. Nothing
// fails.
#pragma once

#include <prometheus/registry.h>

#include "collector/store/store.h"

namespace picket {

class IngestMetrics {
 public:
  explicit IngestMetrics(prometheus::Registry& registry);
  void on_commit(const CommitOutcome& outcome);

 private:
  prometheus::Counter &envelopes_, &alerts_, &repeats_, &duplicates_, &skipped_, &missing_;
  prometheus::Histogram& alert_delay_;
};

}  // namespace picket
