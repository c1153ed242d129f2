#include "agent/enrich/namespaces.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "agent/enrich/lineage.h"

namespace picket {
namespace {

// Of a call: pid_ns is that of the children to come.
std::array<uint32_t, 4> namespaces_of(const auto& record) {
  return {record.mnt_ns, record.pid_ns, record.net_ns, record.user_ns};
}

bool is_born_inside(const Process& process) {
  const Lineage above = lineage(process);
  return process.vpid == 1 || above.begin() != above.end();
}

bool is_runtimes(const Process& process) {
  return process.exec_time_ns == 0 ||
         std::string_view(process.exe).starts_with("memfd:runc_cloned:");
}

// The container's first process is forked on the way in, and still opens what its runtime gave it.
// Its name proves nothing; that nothing above it has run a program of the workspace's does.
bool is_first_before_its_program(const Process& process) {
  const bool named = process.comm.starts_with("runc:[") || process.comm.starts_with("crun");
  const Lineage above = lineage(process);
  return process.vpid == 1 && named && std::all_of(above.begin(), above.end(), is_runtimes);
}

// A runtime's process that has entered and does not run the workspace's program yet: it leaves the
// node's namespaces one by one.
bool is_runtime_stage(const Process& process) {
  if (!is_runtimes(process)) return false;
  return !is_born_inside(process) || is_first_before_its_program(process);
}

}  // namespace

bool Namespaces::is_foreign(uint32_t inum, bool joined) {
  if (inum == 0) return false;
  const auto known = foreign_.find(inum);
  if (known != foreign_.end()) return known->second;
  if (foreign_.size() >= kMax) return false;
  foreign_.emplace(inum, joined);
  return joined;
}

bool Namespaces::apply(const Event& event, const Process& process) {
  if (is_runtime_stage(process)) return false;
  bool foreign = false;
  if (const auto* exec = event.as<pk_exec>()) {
    if (is_born_inside(process) || !process.exec_in)
      for (const uint32_t inum : namespaces_of(*exec)) is_foreign(inum, false);
    foreign = (event.header().flags & PK_OUTSIDE_CWD) != 0;
  } else if (const auto* call = event.as<pk_system>()) {
    const bool joins = call->header.call == PK_CALL_setns;
    if (call->result < 0 || !(joins || call->header.call == PK_CALL_unshare)) return false;
    for (const uint32_t inum : namespaces_of(*call)) foreign |= is_foreign(inum, joins);
  } else if (const auto* open = event.as<pk_open>()) {
    foreign = is_foreign(open->object.mnt_ns, true);
  }
  return foreign;
}

}  // namespace picket
