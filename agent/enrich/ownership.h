// Whose a workspace is, what it was made for and how far it is trusted, by the labels and
// annotations that the platform set: each question has keys, the first that is set answers it.
// Pure, identity thread. Nothing fails: what no key answers stays empty.
#pragma once

#include <string>
#include <vector>

#include "agent/enrich/workspace.h"

namespace picket {

// The defaults are what Picket itself documents, Coder, Gitpod, DevPod, Eclipse Che and the labels
// that Kubernetes recommends.
struct OwnershipKeys {
  std::vector<std::string> owner = {
      "picket/owner", "com.coder.user.username",       "com.coder.user.email",
      "coder.owner",  "controller.devfile.io/creator", "owner",
  };
  std::vector<std::string> template_name = {
      "picket/template",          "com.coder.template.name",
      "gitpod.io/workspaceClass", "controller.devfile.io/devworkspace_name",
      "devpod.sh/workspace",      "app.kubernetes.io/name",
  };
  std::vector<std::string> repository = {"picket/repository", "loft.sh/workspace-source", "project",
                                         "devcontainer.local_folder"};
  std::vector<std::string> pull_request = {"picket/pull-request"};
  // What selects the profile: KEY, set to anything but false, 0 or nothing, or KEY=VALUE. One place
  // where it is set is enough: an image's label does not take away what its pod's says.
  std::vector<std::string> restricted = {"picket/fork-pull-request"};
};

inline constexpr char kRestricted[] = "restricted";  // the profile

// The container's own labels and annotations come before its pod's.
void apply_ownership(Workspace& workspace, const OwnershipKeys& keys);

// nullptr: neither the container nor its pod has it.
const std::string* find_label(const Workspace& workspace, const std::string& key);

}  // namespace picket
