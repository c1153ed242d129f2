#include "agent/enrich/namespaces.h"

#include <array>

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
  if (process.entering) return false;
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
