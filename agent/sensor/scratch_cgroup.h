// A cgroup of the agent's own, gone when it ends, with all that was made in it: directly below the
// root of the tree, or, for who may not write there, as root without CAP_DAC_OVERRIDE, below its
// own cgroup. Used by the thread that made it. Errors: `id` 0 and the reason in words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/sensor/cgroup_tree.h"

namespace picket {

// Of this process, from the root of the tree.
std::string scratch_path(const CgroupTree& tree, std::string_view prefix);

class ScratchCgroup {
 public:
  // Named after `prefix` and this process. What dead agents left under the prefix is removed first.
  ScratchCgroup(const CgroupTree& tree, std::string_view prefix);
  ~ScratchCgroup();
  ScratchCgroup(const ScratchCgroup&) = delete;
  ScratchCgroup& operator=(const ScratchCgroup&) = delete;

  uint64_t id() const { return id_; }
  const std::string& path() const { return path_; }  // from the root of the tree
  const std::string& directory() const { return directory_; }
  const std::string& why() const { return why_; }

 private:
  std::string path_, directory_, why_;
  uint64_t id_ = 0;
};

// Kills what runs in it; false: something is still there after a second.
bool remove_cgroup(const std::string& directory);

}  // namespace picket
