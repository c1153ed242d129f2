#include "agent/enrich/resolver.h"

#include "agent/enrich/annotations.h"
#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/cgroup_path.h"

namespace picket {

absl::StatusOr<Workspace> ResolverChain::resolve(const CgroupRef& cgroup) {
  CgroupRef ref = cgroup;
  if (ref.path.empty()) {
    absl::StatusOr<std::string> path = cgroup_path(parts_.cgroup_root, ref.id);
    if (!path.ok()) return path.status();
    ref.path = *std::move(path);
  }
  absl::StatusOr<Workspace> found = ask_runtimes(ref);
  if (!found.ok() && !absl::IsUnavailable(found.status())) {
    absl::StatusOr<Workspace> guess = parts_.fallback->resolve(ref);
    // A runtime may have written its state, and started the program that the fallback saw, just
    // after it was asked.
    if (guess.ok()) found = ask_runtimes(ref);
    if (!found.ok()) found = std::move(guess);
  }
  if (!found.ok()) return found;
  found->cgroup_id = ref.id;
  found->cgroup = ref.path;
  found->resolved = true;
  complete(*found);
  return found;
}

void ResolverChain::complete(Workspace& workspace) {
  if (workspace.pod.uid.empty()) workspace.pod.uid = pod_uid(workspace.cgroup);
  if (is_pod_sandbox(workspace)) return;  // nobody's program runs in it
  for (const auto& completion : parts_.completions) {
    const absl::Status status = completion->complete(workspace);
    if (!status.ok() && workspace.incomplete.empty())
      workspace.incomplete = std::string(status.message());
  }
  apply_ownership(workspace, parts_.keys);
}

absl::StatusOr<Workspace> ResolverChain::ask_runtimes(const CgroupRef& cgroup) {
  absl::Status first = absl::NotFoundError("no runtime knows the cgroup");
  for (const auto& resolver : parts_.runtimes) {
    absl::StatusOr<Workspace> found = resolver->resolve(cgroup);
    if (found.ok() || absl::IsUnavailable(found.status())) return found;
    if (!absl::IsNotFound(found.status()) && absl::IsNotFound(first)) first = found.status();
  }
  return first;
}

}  // namespace picket
