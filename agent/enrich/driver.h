// Who drives a process: the nearest origin above it, and the AI agent above it, if any. A value,
// any thread, nothing fails. The kernel keeps the same for each process (policy.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/enrich/process_key.h"
#include "agent/enrich/shared_text.h"
#include "bpf/picket/policy.h"

namespace picket {

enum class Origin : uint8_t {
  unknown = PK_BY_UNKNOWN,
  human = PK_BY_HUMAN,
  ide = PK_BY_IDE,
  build = PK_BY_BUILD,
  package_manager = PK_BY_PACKAGE_MANAGER,
  ai_agent = PK_BY_AI_AGENT,
  service = PK_BY_SERVICE,
  platform = PK_BY_PLATFORM,
};
std::string_view to_string(Origin origin);
std::optional<Origin> origin_of(std::string_view word);

struct Driver {
  Origin origin = Origin::unknown;
  bool terminals = false;    // a shell on a terminal that starts right below is a person's
  SharedText agent;          // kind of the AI agent; empty: none
  ProcessKey agent_session;  // the agent's first process
  friend bool operator==(const Driver&, const Driver&) = default;
};

// Stands for an agent's kind in the kernel; never 0.
uint32_t agent_hash(std::string_view kind);
pk_lineage to_kernel(const Driver& driver);

}  // namespace picket
