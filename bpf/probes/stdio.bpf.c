/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The stdio family: a socket becomes standard input, output or error of a program that already
 * runs. */
#include "bpf/lib/scope.h"
#include "bpf/lib/stdio_record.h"
#include "bpf/lib/syscall.h"

char LICENSE[] SEC("license") = "GPL";

#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030

/* What the call left behind is looked at, not what it was asked for: the result is the descriptor,
 * the kernel's file is what is in it. Another thread may put yet another file there before this
 * runs; then that one is told, which is true too. */
PK_INLINE void pk_on_duplicate(struct task_struct *task, const struct pk_call *call) {
  if (call->result < 0 || call->result > 2) return;
  if (call->name == PK_CALL_FCNTL && call->second != F_DUPFD && call->second != F_DUPFD_CLOEXEC)
    return;
  struct pk_label *label = pk_label_of(task);
  if (!label) return;
  struct pk_fd landed = {};
  pk_fill_fd(&landed, task, call->result);
  if (landed.kind != PK_FD_INET && landed.kind != PK_FD_UNIX) return;
  /* A local socket is half of everyday plumbing: it may not crowd out what is critical. */
  bool bulk = landed.kind == PK_FD_UNIX;
  struct pk_stdio *record;
  if (!PK_RESERVE(record, PK_STDIO, bulk, label->workspace)) return;
  pk_fill_stdio(record, task, label->workspace,
                pk_origin_flags(label) | (call->compat ? PK_COMPAT : 0), call->result, call->first);
  pk_submit(record, PK_STDIO);
}

/*
 * Hook: raw sys_exit: the only one that comes for 32-bit calls too, which the per-call tracepoints
 *   leave out.
 * Oldest kernel: 6.1.
 * Cost: about 100 ns for every system call of the machine, a bitmap test for the unwatched ones.
 * Blind spot: descriptors that arrive otherwise (SCM_RIGHTS, pidfd_getfd, socket() after close(0))
 *   are seen at the next exec; those that land on 0 and 1 before they connect, at the connect
 *   (on_sock_state).
 */
SEC("?tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result) {
  struct task_struct *task = bpf_get_current_task_btf();
  bool compat = pk_in_compat_call(task);
  __u64 nr = BPF_CORE_READ(regs, orig_ax) & ~PK_X32_BIT;
  if (!pk_is_watched_call(nr, compat)) return 0;
  struct pk_call call;
  pk_decode_call(&call, regs, nr, compat, result);
  pk_on_duplicate(task, &call);
  return 0;
}

struct pk_exit_context { /* of every tracepoint syscalls:sys_exit_* */
  __u64 common;
  __s64 nr;
  __s64 result;
};

PK_INLINE int pk_on_single(struct pk_exit_context *ctx) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_call call;
  pk_decode_call(&call, (struct pt_regs *)bpf_task_pt_regs(task), ctx->nr, false, ctx->result);
  pk_on_duplicate(task, &call);
  return 0;
}

/*
 * Hook: the per-call tracepoints, taken instead of sys_exit when `sensor.compat_calls` is off.
 * Oldest kernel: 6.1, needs tracefs.
 * Cost: nothing for unwatched calls but the kernel's own slow path.
 * Blind spot: 32-bit calls; coverage says so.
 */
SEC("?tp/syscalls/sys_exit_dup")
int on_dup(struct pk_exit_context *ctx) { return pk_on_single(ctx); }

SEC("?tp/syscalls/sys_exit_dup2")
int on_dup2(struct pk_exit_context *ctx) { return pk_on_single(ctx); }

SEC("?tp/syscalls/sys_exit_dup3")
int on_dup3(struct pk_exit_context *ctx) { return pk_on_single(ctx); }

SEC("?tp/syscalls/sys_exit_fcntl")
int on_fcntl(struct pk_exit_context *ctx) { return pk_on_single(ctx); }
