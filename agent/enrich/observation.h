// One event with the process that caused it and the workspace it happened in: what detectors see.
// Valid during the call that passes it.
#pragma once

#include "agent/enrich/process.h"
#include "agent/enrich/workspace.h"
#include "agent/event/event.h"
#include "agent/event/schema.h"

namespace picket {

// Payload of a flow since it was told last.
struct FlowAmount {
  uint64_t in = 0, out = 0;  // bytes
};

struct Observation {
  const Event& event;
  const Process& process;
  const Workspace& workspace;
  // Under which the workspace asked DNS for the peer's address, each ended by NUL, the latest
  // first.
  std::string_view peer_names = {};
  const Workspace* peer = nullptr;  // another workspace at the other end; nullptr: none is known
  const Process* target = nullptr;  // that a call is about; nullptr: none, or none that is known
  bool foreign_namespace = false;   // it enters, or reaches into, one that is not the workspace's
  FlowAmount moved = {};            // of a flow

  std::string_view peer_name() const {
    std::string_view all = peer_names;
    return NulList::take(all);
  }
};

}  // namespace picket
