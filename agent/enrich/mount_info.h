// Lines of a mountinfo file, and what they say about a container's root. Identity thread and
// start-up. Errors: a file that cannot be read is named in the Status; lines that are no mounts are
// left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace picket {

struct MountLine {
  std::string device;   // "major:minor"
  std::string root;     // of the mount, inside its file system
  std::string point;    // where it is mounted
  std::string type;     // "overlay"
  std::string source;   // "/dev/sda1"
  std::string options;  // of the file system: "lowerdir=...,upperdir=..."
};

absl::StatusOr<std::vector<MountLine>> read_mount_info(const std::string& file);

// Where the host sees the root file system of `container`: through a mount of the host of the same
// file system, else an overlay's upper directory, else the file system itself in words
// ("tmpfs:tmpfs"). Never empty for a container with a root.
std::string host_path_of_root(const std::vector<MountLine>& container,
                              const std::vector<MountLine>& host);

}  // namespace picket
