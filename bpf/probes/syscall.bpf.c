/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Where system calls come in: which of them concerns anybody, whose it is, and which handler tells
 * of it. */
#include "bpf/lib/rows.h"
#include "bpf/lib/syscall.h"
#include "bpf/lib/unasked.h"

char LICENSE[] SEC("license") = "GPL";

/* Filled by the agent: one handler each for the raw program and for the tracepoints, which the
 * kernel does not let call one another. */
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, PK_HANDLER_END);
  __type(key, __u32);
  __type(value, __u32);
} handlers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, PK_HANDLER_END);
  __type(key, __u32);
  __type(value, __u32);
} single_handlers SEC(".maps");

/* The saved registers are those of the entry: the kernel does not write to the argument registers.
 */
PK_INLINE void pk_read_arguments(__u64 *argument, const struct pt_regs *regs, bool compat) {
  struct pt_regs saved;
  bpf_probe_read_kernel(&saved, sizeof(saved), regs);
  if (compat) {
    argument[0] = (__u32)saved.bx;
    argument[1] = (__u32)saved.cx;
    argument[2] = (__u32)saved.dx;
    argument[3] = (__u32)saved.si;
    argument[4] = (__u32)saved.di;
    argument[5] = (__u32)saved.bp;
  } else {
    argument[0] = saved.di;
    argument[1] = saved.si;
    argument[2] = saved.dx;
    argument[3] = saved.r10;
    argument[4] = saved.r8;
    argument[5] = saved.r9;
  }
}

/* Its arguments stand in the caller's memory: a thread may have changed them since. One by one: behind
 * the last there may be nothing. */
PK_INLINE void pk_read_socketcall(__u64 *argument) {
  const __u32 *from = (const __u32 *)argument[1];
  for (__u32 i = 0; i < PK_SOCKETCALL_ARGS; i++) {
    __u32 value = 0;
    bpf_probe_read_user(&value, sizeof(value), from + i);
    argument[i] = value;
  }
}

/* Sent over a connection, as nearly all is: no address, no news. */
PK_INLINE bool pk_is_plain_send(struct pk_call_row row, struct pt_regs *regs, bool compat) {
  if (row.call != PK_CALL_sendto) return false;
  return !(compat ? (__u32)BPF_CORE_READ(regs, di) : BPF_CORE_READ(regs, r8));
}

/* True when the call is somebody's business: it is decoded then. */
PK_INLINE bool pk_take_call(struct task_struct *task, const struct pt_regs *regs,
                            struct pk_call_row row, bool compat, long result) {
  struct pk_label *label = pk_label_of(task);
  struct pk_call_state *call = pk_call_state();
  if (!label || !call) return false;
  call->workspace = label->workspace;
  call->result = result;
  call->flags = pk_origin_flags(label) | (compat ? PK_COMPAT : 0);
  call->call = row.call;
  pk_read_arguments(call->argument, regs, compat);
  return true;
}

/*
 * Hook: raw sys_exit: the only one that comes for 32-bit calls too, which the per-call tracepoints
 *   leave out. At the end, because the result is needed and the kernel's objects are in place.
 * Oldest kernel: 6.1.
 * Cost: about 100 ns for every system call of the machine, two bytes read for the unwatched ones, a
 *   look-up for a stranger's watched ones.
 * Blind spot: what never ends (a call in which the process dies) has no end; exec, connect and
 *   io_uring have hooks of their own.
 */
SEC("?tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result) {
  struct task_struct *task = bpf_get_current_task_btf();
  bool compat = pk_in_compat_call(task);
  struct pk_call_row row = pk_row_of(BPF_CORE_READ(regs, orig_ax), compat);
  bool is_socketcall = row.call == PK_CALL_socketcall;
  if (!is_socketcall && pk_is_plain_send(row, regs, compat)) return 0;
  if (is_socketcall) row = pk_row_of_socketcall(BPF_CORE_READ(regs, bx));
  if (!row.handler || !pk_is_asked(row.call)) return 0;
  if (!pk_take_call(task, regs, row, compat, result)) return 0;
  if (is_socketcall) {
    struct pk_call_state *call = pk_call_state();
    if (call) pk_read_socketcall(call->argument);
  }
  bpf_tail_call(ctx, &handlers, row.handler);
  return 0;
}

struct pk_exit_context { /* of every tracepoint syscalls:sys_exit_* */
  __u64 common;
  __s32 nr;
  __u32 garbage;
  __s64 result;
};

/*
 * Hook: the per-call tracepoints, one for each watched call, taken instead of sys_exit when
 *   `sensor.compat_calls` is off.
 * Oldest kernel: 6.1, needs tracefs.
 * Cost: nothing for unwatched calls but the kernel's own slow path.
 * Blind spot: 32-bit calls; coverage says so.
 */
SEC("?tp")
int on_single_call(struct pk_exit_context *ctx) {
  struct task_struct *task = bpf_get_current_task_btf();
  __u32 nr = ctx->nr;
  if (nr >= PK_NO_NUMBER) return 0;
  struct pk_call_row row = calls64[nr];
  if (!pk_is_asked(row.call)) return 0;
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  if (pk_is_plain_send(row, regs, false)) return 0;
  if (pk_take_call(task, regs, row, false, ctx->result))
    bpf_tail_call(ctx, &single_handlers, row.handler);
  return 0;
}
