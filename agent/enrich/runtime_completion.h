// What only the runtime's API tells: the labels, annotations and image digest of a pod's container
// (CRI), and those of a container that containerd runs for somebody else. Identity thread. Errors:
// the call that failed; what the state file said stays.
#pragma once

#include <utility>

#include "agent/enrich/completion.h"
#include "agent/enrich/runtime_api.h"

namespace picket {

class RuntimeCompletion final : public Completion {
 public:
  explicit RuntimeCompletion(RuntimeApiOptions options) : api_(std::move(options)) {}
  absl::Status complete(Workspace& workspace) override;

 private:
  absl::Status complete_from_cri(Workspace& workspace);
  absl::Status complete_from_containerd(Workspace& workspace, const std::string& space);

  RuntimeApi api_;
};

}  // namespace picket
