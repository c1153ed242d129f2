// Joins what the API server says (who asked, for which pod, container and command, when) with what
// the kernel saw: the process that was put into the workspace, and what it has started since.
// Owner: the pipeline thread; bounded, the oldest goes first. Nothing fails: an access whose
// process is not seen in time is told without one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "agent/app/audit_event.h"
#include "agent/app/envelopes.h"
#include "agent/enrich/process_table.h"
#include "agent/enrich/workspace_table.h"

namespace picket {

class ApiAccesses {
 public:
  using Tell = std::function<void(Finding)>;

  void add(ApiAccess access, uint64_t now_ns);
  // What can be told now.
  void tell(const WorkspaceTable& workspaces, const ProcessTable& processes,
            const Timeline& timeline, uint64_t now_ns, const Tell& tell);

 private:
  struct Waiting {
    ApiAccess access;
    std::string argv;  // the command, each word ended by NUL
    uint64_t until_ns = 0;
  };
  const Process* find(const Waiting& waiting, const WorkspaceTable& workspaces,
                      const ProcessTable& processes, uint64_t asked_ns) const;
  bool tell_one(const Waiting& waiting, const WorkspaceTable& workspaces,
                const ProcessTable& processes, const Timeline& timeline, uint64_t now_ns,
                const Tell& tell);

  std::deque<Waiting> waiting_;
  std::deque<std::string> told_;   // audit ids: a request has several stages
  std::deque<ProcessKey> joined_;  // each process is one request's
};

}  // namespace picket
