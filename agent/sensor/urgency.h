// Which records must wake the agent at once, as the kernel asks it of what it is about to tell
// (bpf/picket/policy.h). A value.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "bpf/picket/calls.h"
#include "bpf/picket/events.h"

namespace picket {

struct Urgency {
  // Bit c of [t]: those of type t and class c.
  std::array<uint64_t, PK_TYPE_END> classes{};
  // Of the types that are told by call (pk_is_told_by_call), those of such a call besides.
  std::bitset<PK_CALL_END> calls = std::bitset<PK_CALL_END>().set();
};

}  // namespace picket
