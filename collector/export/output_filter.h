// Which alerts an output gets. Immutable, any thread. Nothing fails: a pattern matches or it does
// not.
#pragma once

#include <string>
#include <vector>

#include "picket/v1/alert.pb.h"

namespace picket {

// Every condition that is set must hold. Patterns are the shell's ("escape.*"); of a list, one has
// to match.
struct OutputFilter {
  v1::Priority least = v1::PRIORITY_DEBUG;  // this one and the more severe ones
  std::vector<std::string> rules = {};
  std::vector<std::string> tags = {};
  std::vector<std::string> namespaces = {};  // of the workspace's pod
  std::vector<std::string> workspaces = {};  // name or id
  bool shadow = false;                       // also what rules on trial claim

  bool matches(const v1::Alert& alert) const;
};

}  // namespace picket
