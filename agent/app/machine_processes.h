// The processes of this machine, as the process table asks for them: the sensor's labels in the
// kernel, and /proc. Pipeline thread. Errors: what is gone has no answer.
#pragma once

#include "agent/enrich/driver_labels.h"
#include "agent/sensor/bpf_sensor.h"
#include "common/clock.h"

namespace picket {

class MachineProcesses final : public LiveProcesses {
 public:
  MachineProcesses(BpfSensor& sensor, const Clock& clock) : sensor_(sensor), clock_(clock) {}

  uint64_t write(ProcessKey key, const pk_lineage& lineage) override;
  std::optional<pk_lineage> read(ProcessKey key) override;
  std::string environment(ProcessKey key) override;
  std::string script(const Process& process) override;
  bool runs_loader(const Process& process) override;

 private:
  BpfSensor& sensor_;
  const Clock& clock_;
};

}  // namespace picket
