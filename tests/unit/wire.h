// Envelopes for the collector's tests, complete enough for every consumer. Pure functions.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "collector/store/store.h"
#include "common/alert_json.h"

namespace picket::test {

inline constexpr uint64_t kTimeNs = 1'764'102'552'123'456'789U;  // 2025-11-25T20:29:12.123456789Z
inline constexpr char kNode[] = "spiffe://picket/node/n1";
inline constexpr char kOtherNode[] = "spiffe://picket/node/n2";

inline v1::Alert make_alert(const std::string& id, uint64_t count = 1,
                            const std::string& workspace = "aabbccddeeff0011") {
  v1::Alert alert;
  alert.set_id(id);
  set_wall_ns(*alert.mutable_time(), kTimeNs);
  alert.set_rule("shell.reverse");
  alert.set_priority(v1::PRIORITY_CRITICAL);
  alert.set_output("a shell on a socket");
  alert.add_tags("T1059.004");
  alert.mutable_workspace()->set_id(workspace);
  alert.mutable_workspace()->set_name("dev-" + workspace);
  alert.mutable_workspace()->set_container_id(workspace);
  alert.mutable_workspace()->set_image("debian:12");
  alert.mutable_workspace()->set_image_source("annotation");
  alert.mutable_workspace()->set_cgroup("/dev/" + workspace);
  (*alert.mutable_workspace()->mutable_labels())["owner"] = "ada";
  alert.mutable_process()->set_pid(42);
  alert.mutable_process()->set_start_ns(99);
  alert.mutable_process()->set_exe("/bin/bash");
  alert.mutable_process()->set_cmdline("bash -i");
  alert.mutable_process()->set_cwd("/work");
  v1::Process& parent = *alert.add_lineage();
  parent.set_pid(1);
  parent.set_exe("/sbin/init");
  parent.set_cmdline("init");
  alert.set_count(count);
  *alert.mutable_first() = alert.time();
  set_wall_ns(*alert.mutable_last(), kTimeNs + count);
  alert.set_event_type("exec");
  return alert;
}

inline v1::Envelope envelope(uint64_t sequence, v1::Alert alert) {
  v1::Envelope envelope;
  envelope.set_sequence(sequence);
  *envelope.mutable_alert() = std::move(alert);
  return envelope;
}

inline v1::Envelope envelope(uint64_t sequence, v1::CommandResult result) {
  v1::Envelope envelope;
  envelope.set_sequence(sequence);
  *envelope.mutable_result() = std::move(result);
  return envelope;
}

inline v1::Envelope workspace_envelope(uint64_t sequence, const std::string& id,
                                       const std::string& name,
                                       v1::WorkspaceState state = v1::WORKSPACE_STATE_RUNNING) {
  v1::Envelope envelope;
  envelope.set_sequence(sequence);
  v1::WorkspaceStatus& status = *envelope.mutable_workspace();
  status.mutable_workspace()->set_id(id);
  status.mutable_workspace()->set_name(name);
  status.set_state(state);
  return envelope;
}

inline v1::Envelope coverage_envelope(uint64_t sequence) {
  v1::Envelope envelope;
  envelope.set_sequence(sequence);
  envelope.mutable_coverage()->set_kernel("6.12.0");
  envelope.mutable_coverage()->set_tier("tracepoint");
  v1::CoverageLine& line = *envelope.mutable_coverage()->add_lines();
  line.set_hook("lsm/file_open");
  line.set_state("refused");
  line.set_effect("opens are seen, not prevented");
  return envelope;
}

inline NodeBatch batch(const std::string& node, std::vector<v1::Envelope> envelopes,
                       const std::string& epoch = "epoch-1") {
  NodeBatch batch{node, epoch, {}};
  for (v1::Envelope& next : envelopes) *batch.batch.add_envelopes() = std::move(next);
  return batch;
}

// Alerts "a<first>" to "a<last>", one for each sequence.
inline NodeBatch alerts_batch(const std::string& node, uint64_t first, uint64_t last,
                              const std::string& epoch = "epoch-1") {
  std::vector<v1::Envelope> envelopes;
  for (uint64_t sequence = first; sequence <= last; ++sequence) {
    envelopes.push_back(envelope(sequence, make_alert(fmt::format("{}-{}", epoch, sequence))));
  }
  return batch(node, std::move(envelopes), epoch);
}

}  // namespace picket::test
