#include "agent/enrich/annotations.h"

#include <array>
#include <span>
#include <string_view>

namespace picket {
namespace {

constexpr size_t kMaxLabels = 128;
constexpr size_t kMaxLabelBytes = 1024;

constexpr std::array<std::string_view, 5> kNames = {
    "io.kubernetes.cri.container-name",   // containerd's CRI plugin
    "io.kubernetes.cri-o.Metadata.Name",  // CRI-O
    "io.kubernetes.container.name",      "nerdctl/name", "io.podman.annotations.container.name",
};
constexpr std::array<std::string_view, 5> kImages = {
    "io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName",     "io.containerd.image.name",
    "nerdctl/image-name",           "org.opencontainers.image.ref.name",
};

std::string first_of(std::span<const std::string_view> keys,
                     const std::map<std::string, std::string>& annotations) {
  for (const std::string_view key : keys) {
    const auto found = annotations.find(std::string(key));
    if (found != annotations.end() && !found->second.empty()) return found->second;
  }
  return {};
}

}  // namespace

void apply_annotations(Workspace& workspace,
                       const std::map<std::string, std::string>& annotations) {
  for (const auto& [key, value] : annotations) {
    if (workspace.labels.size() >= kMaxLabels) break;
    if (key.size() <= kMaxLabelBytes) workspace.labels[key] = value.substr(0, kMaxLabelBytes);
  }
  workspace.name = first_of(kNames, annotations);
  if (workspace.name.empty()) workspace.name = workspace.id;
  workspace.image = first_of(kImages, annotations);
  workspace.image_source = "annotation";
  if (workspace.image.empty()) {
    workspace.image = workspace.rootfs;
    workspace.image_source = "rootfs";
  }
}

}  // namespace picket
