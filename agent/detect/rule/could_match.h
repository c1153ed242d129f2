// Whether one of some conditions could be true of a record that the kernel has not made yet, by
// what it knows before that: the call, or the kind of open. Whatever is not certain could be. Any
// thread. Nothing fails.
#pragma once

#include <span>

#include "agent/detect/rule/partial_evaluation.h"
#include "bpf/picket/calls.h"
#include "bpf/picket/policy.h"

namespace picket::rule {

bool is_decided_by(const Program& program, const CompiledComparison& comparison, Trait trait);

// What a call does, told as this type of event.
bool call_could_match(const Program& program, std::span<const NodeId> conditions, pk_type type,
                      pk_call call);

// An open by name that succeeds, makes no file and is of no interest by itself; `kind`:
// PK_OPENS_OF.
bool open_could_match(const Program& program, std::span<const NodeId> conditions, uint32_t kind);

}  // namespace picket::rule
