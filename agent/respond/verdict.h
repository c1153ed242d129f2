// What is to be done, to whom, and how it went. Plain values: the pipeline (policy) or a
// collector's command produces a Verdict, the responder thread carries it out and produces a
// Response.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/detect/finding.h"

namespace picket {

struct Target {
  uint64_t cgroup_id = 0;  // the workspace
  std::string workspace_id;
  std::string cgroup;  // its path from the cgroup v2 root
  ProcessKey process;  // kill of a subtree; pid 0: the whole workspace
  std::vector<ProcessKey>
      descendants;  // of that process, as the agent knows them: also those that left its tree
};

struct Verdict {
  Action action = Action::none;
  Target target;
  std::string finding;  // merge_id of the finding, or the command's id
  std::string command;  // id of the operator's command; empty when a rule asked
  std::string reason;
  bool dry_run = false;
  uint64_t matched_ns = 0;  // event time of the match, for latency
};

struct Response {
  Verdict verdict;
  absl::Status status;
  std::string
      detail;  // what was done, in words: "killed 3 processes", "dry run: would have killed ..."
  std::chrono::microseconds took{0};
};

}  // namespace picket
