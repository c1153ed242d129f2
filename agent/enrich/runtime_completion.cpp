#include "agent/enrich/runtime_completion.h"

#include "agent/enrich/annotations.h"

namespace picket {
namespace {

void set_if_empty(std::string& text, const std::string& value) {
  if (text.empty()) text = value;
}

void set_image(Workspace& workspace, const std::string& image) {
  if (workspace.image_source == "annotation" || image.empty()) return;
  workspace.image = image;
  workspace.image_source = "runtime";
}

std::string sandbox_id(const Workspace& workspace) {
  for (const char* key : {"io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"}) {
    const auto found = workspace.labels.find(key);
    if (found != workspace.labels.end()) return found->second;
  }
  return {};
}

void take(Workspace& workspace, const runtime::v1::ContainerStatus& status) {
  if (workspace.name == workspace.id && !status.metadata().name().empty())
    workspace.name = status.metadata().name();
  set_image(workspace, status.image().image());
  // NAME@DIGEST; an image that was never in a registry has only the digest of its configuration.
  const std::string& reference = status.image_ref();
  const size_t at = reference.find('@');
  if (at != std::string::npos) workspace.image_digest = reference.substr(at + 1);
  for (const auto& [key, value] : status.labels()) add_label(workspace.labels, key, value);
  for (const auto& [key, value] : status.annotations()) add_label(workspace.labels, key, value);
}

void take(Pod& pod, const runtime::v1::PodSandboxStatus& status) {
  set_if_empty(pod.name, status.metadata().name());
  set_if_empty(pod.ns, status.metadata().namespace_());
  set_if_empty(pod.uid, status.metadata().uid());
  for (const auto& [key, value] : status.labels()) add_label(pod.labels, key, value);
  for (const auto& [key, value] : status.annotations()) add_label(pod.annotations, key, value);
}

}  // namespace

absl::Status RuntimeCompletion::complete(Workspace& workspace) {
  if (!workspace.pod.name.empty() || !workspace.pod.uid.empty())
    return complete_from_cri(workspace);
  const auto space = workspace.labels.find("io.containerd.namespace");
  if (workspace.runtime == "containerd" && space != workspace.labels.end())
    return complete_from_containerd(workspace, std::string(space->second));
  return absl::OkStatus();
}

absl::Status RuntimeCompletion::complete_from_cri(Workspace& workspace) {
  const auto container = api_.container(workspace.container_id);
  if (!container.ok()) return container.status();
  take(workspace, *container);
  std::string sandbox = sandbox_id(workspace);
  if (sandbox.empty()) {
    auto told = api_.sandbox_of(workspace.container_id);
    if (!told.ok()) return told.status();
    sandbox = *std::move(told);
  }
  const auto pod = api_.sandbox(sandbox);
  if (!pod.ok()) return pod.status();
  take(workspace.pod, *pod);
  return absl::OkStatus();
}

absl::Status RuntimeCompletion::complete_from_containerd(Workspace& workspace,
                                                         const std::string& space) {
  const auto container = api_.plain_container(space, workspace.container_id);
  if (!container.ok()) return container.status();
  for (const auto& [key, value] : container->labels()) add_label(workspace.labels, key, value);
  set_image(workspace, container->image());
  if (container->image().empty()) return absl::OkStatus();
  auto digest = api_.digest(space, container->image());
  // An image may be removed while its containers run.
  if (!digest.ok() && !absl::IsNotFound(digest.status())) return digest.status();
  if (digest.ok()) workspace.image_digest = *std::move(digest);
  return absl::OkStatus();
}

}  // namespace picket
