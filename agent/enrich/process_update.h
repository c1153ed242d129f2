// What one record says about a process, written into it. Pure functions of record and process:
// which record may be applied, and when, is the ProcessTable's decision. Pipeline thread (the
// TextCache is its own). Nothing fails: the records were checked by Event::parse().
#pragma once

#include "agent/enrich/process.h"
#include "agent/event/event.h"

namespace picket {

// Every record: as whom the process acts now.
// Whether who was `before` cannot be root now by a set-id program: that leaves a saved id of 0.
bool gains_root(const Process& before, uint32_t uid);
void update_credentials(Process& process, const pk_header& header);

// PK_EXEC and PK_FOUND: everything the record tells, except parent and exec time.
void update_from_exec(Process& process, const Event& event, const pk_exec& exec, TextCache& texts);

// PK_FORK: what only the record tells.
void update_from_fork(Process& child, const pk_fork& fork);

// PK_FORK: what a child has from its parent, as the parent is now. Namespaces that the clone flags
// make new are unknown.
void inherit(Process& child, const Process& parent, uint64_t clone_flags);

}  // namespace picket
