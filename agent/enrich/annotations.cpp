#include "agent/enrich/annotations.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
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
constexpr std::array<std::string_view, 2> kPodNames = {"io.kubernetes.cri.sandbox-name",
                                                       "io.kubernetes.pod.name"};
constexpr std::array<std::string_view, 2> kPodNamespaces = {"io.kubernetes.cri.sandbox-namespace",
                                                            "io.kubernetes.pod.namespace"};
constexpr std::array<std::string_view, 2> kPodUids = {"io.kubernetes.cri.sandbox-uid",
                                                      "io.kubernetes.pod.uid"};
// CRI-O keeps the labels and annotations of the container as one JSON object each.
constexpr std::array<std::string_view, 2> kObjects = {"io.kubernetes.cri-o.Labels",
                                                      "io.kubernetes.cri-o.Annotations"};

std::string first_of(std::span<const std::string_view> keys, const Labels& annotations) {
  for (const std::string_view key : keys) {
    const auto found = annotations.find(std::string(key));
    if (found != annotations.end() && !found->second.empty()) return found->second;
  }
  return {};
}

void add_object(Labels& labels, const std::string& text) {
  const nlohmann::json object = nlohmann::json::parse(text, nullptr, false);
  if (!object.is_object()) return;
  for (const auto& [key, value] : object.items()) {
    if (const auto* word = value.get_ptr<const std::string*>()) add_label(labels, key, *word);
  }
}

}  // namespace

void add_label(Labels& labels, const std::string& key, const std::string& value) {
  if (key.size() > kMaxLabelBytes || key.ends_with("last-applied-configuration")) return;
  if (labels.size() >= kMaxLabels && !labels.contains(key)) return;
  labels[key] = value.substr(0, kMaxLabelBytes);
}

bool is_pod_sandbox(const Workspace& workspace) {
  for (const char* key :
       {"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"}) {
    const auto label = workspace.labels.find(key);
    if (label != workspace.labels.end() && label->second == "sandbox") return true;
  }
  return false;
}

void apply_annotations(Workspace& workspace, const Labels& annotations) {
  for (const auto& [key, value] : annotations) {
    if (std::ranges::find(kObjects, key) == kObjects.end()) add_label(workspace.labels, key, value);
  }
  for (const std::string_view key : kObjects) {
    const auto object = annotations.find(std::string(key));
    if (object != annotations.end()) add_object(workspace.labels, object->second);
  }
  workspace.pod.name = first_of(kPodNames, annotations);
  workspace.pod.ns = first_of(kPodNamespaces, annotations);
  workspace.pod.uid = first_of(kPodUids, annotations);
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
