// What a kubelet makes of a pod's manifest for the container runtime, field by field. The node's
// folders are a test's own. Any thread. Errors: a field that is not translated is one, by its name.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/v1/runtime.pb.h"
#include "tests/support/manifests.h"

namespace picket::test {

struct SpecifiedPod {
  std::string name, ns;
  Manifest spec;  // of the pod
  std::map<std::string, std::string> labels = {};
  std::map<std::string, std::string> images;       // the manifest's name -> the runtime's
  std::map<std::string, std::string> folders;      // hostPath -> the folder that stands for it
  std::map<std::string, std::string> config_maps;  // name -> folder with a file for each key
  std::string logs;                                // folder with NAME.log of each container
  std::string seccomp_root;                        // of Localhost profiles
};

// There is no network but the node's here: a pod gets that one, whatever it asks for.
absl::StatusOr<runtime::v1::PodSandboxConfig> sandbox_config(const SpecifiedPod& pod,
                                                             const std::string& uid,
                                                             const std::string& cgroup);
absl::StatusOr<runtime::v1::ContainerConfig> container_config(const SpecifiedPod& pod,
                                                              const Manifest& container,
                                                              const std::string& uid);

}  // namespace picket::test
