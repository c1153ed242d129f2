// Name, image and labels of a container of Docker, from the file that its daemon keeps for each:
// ROOT/containers/ID/config.v2.json. Identity thread. Errors: the file that cannot be read; no such
// file is none: the container is somebody else's.
#pragma once

#include <filesystem>
#include <utility>

#include "agent/enrich/completion.h"

namespace picket {

class DockerCompletion final : public Completion {
 public:
  explicit DockerCompletion(std::filesystem::path root) : root_(std::move(root)) {}
  absl::Status complete(Workspace& workspace) override;

 private:
  std::filesystem::path root_;
};

}  // namespace picket
