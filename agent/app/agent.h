// The composition root: builds the agent from its configuration and runs it until it is told to
// stop. Called from main only. Errors: start() gives one sentence a person can act on, and leaves
// nothing running.
#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/status.h"
#include "agent/app/config.h"

namespace picket {

class RefusalCounts;

struct AgentMode {
  bool standalone = false;  // findings as JSON lines on standard output, dry run, no collector
  std::filesystem::path recording;  // empty: none
};

class Agent {
 public:
  // `refused_peers` outlives the agent.
  Agent(AgentConfig config, AgentMode mode, const RefusalCounts& refused_peers);
  ~Agent();

  absl::Status start();
  // Blocks; `stop()` ends it, from any thread or a signal's waiter.
  absl::Status run();
  void stop();
  // Reads the rules again; bad ones are logged and the active ones stay.
  void reload_rules();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace picket
