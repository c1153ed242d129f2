// What a detector claims: a rule matched on an event of a process in a workspace. A value: it owns
// its text and may cross threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/detect/sequence/subtree.h"
#include "agent/enrich/process.h"
#include "agent/enrich/workspace.h"

namespace picket {

// Falco's eight, most severe first.
enum class Priority { emergency, alert, critical, error, warning, notice, informational, debug };
std::string_view to_string(Priority priority);  // "EMERGENCY" ... "DEBUG"

struct ProcessSummary {
  ProcessKey key;
  std::string name, exe, cmdline, cwd;
  uint32_t uid = 0;
  Origin origin = Origin::unknown;
  std::string agent = {};  // kind of the AI agent that it belongs to
};

enum class Action {
  none,
  kill,
  freeze,
  thaw
};  // kill: the process subtree (finding) or the workspace (command)
std::string_view to_string(Action action);

// What was seen of one step of a sequence.
struct FindingStep {
  std::string name;
  uint64_t time_ns = 0;
  std::string event_type;
  ProcessSummary process;
  std::vector<std::pair<std::string, std::string>> fields;  // those of the output, at this step
  uint64_t count = 1;  // of a step that counts: how far it came, at its last piece of evidence
};

// By which an alert's id is made: names a finding that was told.
struct FindingRef {
  std::string merge_id, rule;
  uint64_t first_ns = 0;
  bool empty() const { return merge_id.empty(); }
};

// The story that a finding belongs to (story.h).
struct Incident {
  FindingRef first;       // whose; empty: none
  FindingRef parent;      // empty: it begins the story
  std::string stage;      // an ATT&CK tactic: "privilege_escalation"; empty: its rule names none
  uint32_t position = 0;  // from 1
};

struct Finding {
  std::string rule;
  Priority priority = Priority::notice;
  std::string output;  // formatted
  std::string why;
  std::vector<std::string> tags;
  uint64_t time_ns = 0;    // event time, CLOCK_BOOTTIME
  std::string event_type;  // schema name; "none" for findings about the agent itself
  ProcessSummary process;
  std::vector<ProcessSummary> lineage;  // nearest parent first, up to the workspace's first process
  Workspace workspace;
  std::vector<std::pair<std::string, std::string>>
      fields;                     // the fields that the output names, printed
  Action respond = Action::none;  // what the rule asks for
  bool shadow = false;            // the rule is on trial: nothing is done
  uint64_t count = 1;             // merged repeats
  uint64_t first_ns = 0, last_ns = 0;
  Subtree subtree;                     // of its process
  Incident incident;                   // set when it is told first
  std::vector<FindingStep> steps;      // of a sequence, in order of time
  std::optional<ProcessKey> merge_as;  // in place of the process, for what many of them do together
  bool restates =
      false;             // tells anew what a finding before it told: no repeat, and no cause to act
  std::string merge_id;  // equal for the findings that were merged into one; the alert's identity
                         // on this node
};

}  // namespace picket
