// All outputs of a collector: makes, starts, wakes and stops their runners. Owner: app, which keeps
// it below the writer it uses; wake() is the writer's, health() anybody's. Errors: create() says
// which file of which output is unusable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/export/output_config.h"
#include "collector/export/runner.h"

namespace picket {

class Outputs {
 public:
  Outputs(const std::vector<OutputConfig>& configs, const std::string& version, Store& store,
          Writer& writer, const Clock& clock, MetricRegistry& registry);

  void start();
  void stop();
  void on_commit(const CommitOutcome& outcome);  // a listener of the writer
  void wake(uint64_t row);                       // alerts up to it are stored; any thread
  std::vector<v1::OutputHealth> health() const;

 private:
  std::vector<std::unique_ptr<OutputRunner>> runners_;
};

}  // namespace picket
