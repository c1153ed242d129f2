// Finds out who a workspace is. Resolvers read files of a runtime or of /proc and are asked on the
// identity thread, never on the pipeline. Errors: NotFound: no container of this resolver's
// runtime; Unavailable: it is being started, ask again soon; any other: what the runtime left
// cannot be read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/enrich/completion.h"
#include "agent/enrich/ownership.h"
#include "agent/enrich/workspace.h"

namespace picket {

struct CgroupRef {
  uint64_t id = 0;
  std::string path = {};  // from the cgroup root; empty: unknown
  uint32_t pid = 0;       // of a process that was in it; 0: none is known
};

struct Resolver {
  virtual ~Resolver() = default;
  virtual absl::StatusOr<Workspace> resolve(const CgroupRef& cgroup) = 0;
};

struct ResolverParts {
  std::string cgroup_root;
  std::vector<std::unique_ptr<Resolver>> runtimes;
  std::unique_ptr<Resolver> fallback;
  std::vector<std::unique_ptr<Completion>> completions = {};
  OwnershipKeys keys = {};
};

// Asks the runtimes in order, and `fallback` when none knows the cgroup; then completes what was
// found. The path is looked up when it is missing.
class ResolverChain final : public Resolver {
 public:
  explicit ResolverChain(ResolverParts parts) : parts_(std::move(parts)) {}

  absl::StatusOr<Workspace> resolve(const CgroupRef& cgroup) override;

 private:
  absl::StatusOr<Workspace> ask_runtimes(const CgroupRef& cgroup);
  void complete(Workspace& workspace);

  ResolverParts parts_;
};

}  // namespace picket
