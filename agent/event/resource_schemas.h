// The schemas of records about what a process uses: memory and processors. Immutable data; included
// by schemas.h only.
#pragma once

#include "agent/event/field.h"
#include "agent/event/schema_header.h"

namespace picket::schema {

// pk_oom
inline constexpr auto kOom = concat(
    kHeader,
    std::to_array<FieldRow>({
        field<&pk_oom::total_vm>("total_vm", "Bytes of its address space"),
        field<&pk_oom::trigger_cgroup_id>("trigger_cgroup_id",
                                          "Workspace of who asked for the memory; 0: none"),
        field<&pk_oom::trigger_pid>("trigger_pid", "Who asked for the memory"),
        field<&pk_oom::score_adjust>("score_adjust", "Its oom_score_adj"),
        field<&pk_oom::comm>("comm", "Kernel name of the process"),
        field<&pk_oom::trigger_comm>("trigger_comm", "Kernel name of who asked for the memory"),
    }));

// pk_cpu
inline constexpr auto kCpu = concat(
    kHeader,
    std::to_array<FieldRow>({
        field<&pk_cpu::interval_ns>("interval_ns", "Length of the interval"),
        field<&pk_cpu::cpu_ns>("cpu_ns", "Time that its threads ran in the interval"),
        field<&pk_cpu::user_ns>("user_ns", "The part of it outside of the kernel"),
        field<&pk_cpu::waited_ns>("waited_ns", "Time that its threads were ready and others ran"),
        field<&pk_cpu::switches>("switches", "Times that a thread gave its processor away itself"),
        field<&pk_cpu::threads>("threads", "Threads of the process"),
        field<&pk_cpu::busy_threads>("busy_threads",
                                     "Threads that ran or were ready nearly all the time; 0 "
                                     "with the first record of a busy time"),
        field<&pk_cpu::comm>("comm", "Kernel name of the process, at most 15 bytes"),
    }));

}  // namespace picket::schema
