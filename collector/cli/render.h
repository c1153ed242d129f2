// How picketctl shows things to people. Texts of workspaces are printed with control characters
// escaped: a command line must not be able to drive the reader's terminal. Pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/printable.h"
#include "picket/v1/operator.pb.h"

namespace picket {

// A few lines, with the process tree: nearest first, each parent one step further in.
std::string alert_text(const v1::Alert& alert);
std::string workspace_line(const v1::NodeWorkspace& workspace);
std::string workspace_text(const v1::NodeWorkspace& workspace);
std::string node_text(const v1::Node& node);
std::string coverage_text(const v1::Node& node);
std::string system_calls_text(
    const v1::Node& node, const std::map<std::string, const v1::SystemCalls*>& calls);  // by name
std::string rules_words(const v1::NodeRules& rules);  // what is in force on a node
std::string audit_line(const v1::AuditEntry& entry);

// To milliseconds: enough to read, `-o json` has the rest.
std::string short_time(const google::protobuf::Timestamp& time);
std::string short_id(const std::string& id);            // of containers and bundles; printable
std::string_view state_word(v1::WorkspaceState state);  // "running", "frozen", "gone"

}  // namespace picket
