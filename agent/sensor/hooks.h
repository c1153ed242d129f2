// Every kernel program of the sensor with what its absence means, in words. The source of all
// coverage lines. Constant data; any thread.
#pragma once

#include <span>
#include <string_view>

#include "bpf/picket/calls.h"

namespace picket {

struct Hook {
  enum class When { always, compat_calls, native_calls };

  std::string_view program;  // name in the BPF object
  std::string_view hook;
  std::string_view event;    // by its schema name; empty: serves the handlers' events
  std::string_view missing;  // what is not seen without it
  bool essential = false;    // the agent does not start without it
  When when = When::always;
  // A handler is not attached: the dispatcher of system calls, which is, calls it.
  pk_handler handler = PK_OWN_HOOK;
};

std::span<const Hook> hooks();

inline constexpr std::string_view kRawCalls = "on_sys_exit";        // one program for all calls
inline constexpr std::string_view kSingleCalls = "on_single_call";  // one tracepoint a call
// Called io_uring_submit_sqe until 6.4.
inline constexpr std::string_view kRingSubmission = "tp_btf/io_uring_submit_req";
inline constexpr std::string_view kSetLineage = "set_lineage";  // the agent runs it

// The second tier: it takes away what the other one leaves open. Every event comes without it too.
inline bool is_lsm(const Hook& hook) { return hook.hook.starts_with("lsm/"); }

}  // namespace picket
