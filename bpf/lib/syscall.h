/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * System calls at their end. probes/syscall.bpf.c decides whether anybody wants to know of a call
 * (decisions/0010); what is left it decodes once and hands, by tail call, to the handler of its
 * kind. A handler is written once with PK_CALL_HANDLER and comes out as two programs: one for the
 * raw program, one for the per-call tracepoints that replace it when `sensor.compat_calls` is off.
 */
#ifndef PICKET_LIB_SYSCALL_H
#define PICKET_LIB_SYSCALL_H

#include "bpf/lib/scope.h"
#include "bpf/lib/task.h"

struct pk_call_state {
  __u64 workspace;
  long result;
  __u64 argument[PK_ARGS]; /* of a 32-bit call: its 32 bits */
  __u32 flags;             /* of the record's header */
  __u16 call;              /* enum pk_call */
};

/* Both programs run with preemption off, and no call ends inside another's end. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pk_call_state);
} call_state __weak SEC(".maps");

PK_INLINE struct pk_call_state *pk_call_state(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&call_state, &zero);
}

/* The header of a record that a call caused. */
PK_INLINE void pk_fill_call_header(struct pk_header *header, enum pk_type type, __u32 size,
                                   struct task_struct *task, const struct pk_call_state *call) {
  pk_fill_header(header, type, size, task, call->workspace, call->flags);
  header->call = call->call;
}

/* The argument at a place, counted from 1; 0 where the call has none. */
PK_INLINE __u64 pk_argument(const struct pk_call_state *call, __u8 place) {
  __u64 index = (__u64)place - 1;
  asm volatile("" : "+r"(index)); /* the compiler knows the table and would leave the check out */
  return index < PK_ARGS ? call->argument[index] : 0;
}

/* An id of 16 bits, as i386's first calls take them: all ones are -1. */
PK_INLINE __u32 pk_long_id(__u32 id) {
  id &= 0xffff;
  return id == 0xffff ? 0xffffffffu : id;
}

/* PK_CALL_HANDLER(stdio) { ... } sees `task` and `call`. The agent finds the programs by name. */
#define PK_CALL_HANDLER(name)                                                              \
  PK_INLINE void pk_on_##name(struct task_struct *task, const struct pk_call_state *call); \
  SEC("?tp_btf/sys_exit")                                                                  \
  int on_call_##name(void *ctx) {                                                          \
    const struct pk_call_state *call = pk_call_state();                                    \
    if (call) pk_on_##name(bpf_get_current_task_btf(), call);                              \
    return 0;                                                                              \
  }                                                                                        \
  SEC("?tp")                                                                               \
  int on_single_##name(void *ctx) {                                                        \
    const struct pk_call_state *call = pk_call_state();                                    \
    if (call) pk_on_##name(bpf_get_current_task_btf(), call);                              \
    return 0;                                                                              \
  }                                                                                        \
  PK_INLINE void pk_on_##name(struct task_struct *task, const struct pk_call_state *call)

#endif
