/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What it costs to learn of a system call, by dispatch: one raw sys_enter or sys_exit program with
 * a table of calls, or one tracepoint per call. Every variant does the same work for a call of a
 * watched process (read two arguments, count), so what differs is the dispatch. Nothing leaves the
 * kernel and nothing is denied.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "tests/bench/dispatch/calls.h"

char LICENSE[] SEC("license") = "GPL";

#define TS_COMPAT \
  0x2 /* arch/x86/include/asm/thread_info.h: the call came through the 32-bit interface */

struct thread_info {
  __u32 status;
} __attribute__((preserve_access_index));

struct task_struct {
  struct thread_info thread_info;
  struct task_struct* group_leader;
  __u64 start_boottime;
  int tgid;
} __attribute__((preserve_access_index));

struct pt_regs {
  unsigned long orig_ax, di, bx;
} __attribute__((preserve_access_index));

/* One byte per call number, a bit per interface: one load answers for the great majority of calls,
 * and only a hit has to find out which interface it came through. */
const volatile __u8 wanted[BENCH_CALLS];

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, struct bench_process);
  __type(value, __u64);
} labels SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, BENCH_SEEN_END);
  __type(key, __u32);
  __type(value, __u64);
} seen SEC(".maps");

/* The iterator puts the process with this id under watch: user space cannot know a start time to
 * the nanosecond. */
__u32 to_label;

struct bpf_iter__task {
  struct task_struct* task;
} __attribute__((preserve_access_index));

SEC("iter/task")
int label_process(struct bpf_iter__task* context) {
  struct task_struct* task = context->task;
  if (!task || task->tgid != to_label) return 0;
  struct bench_process key = {.start_ns = task->group_leader->start_boottime, .pid = task->tgid};
  __u64 workspace = 1;
  bpf_map_update_elem(&labels, &key, &workspace, BPF_ANY);
  return 0;
}

static __always_inline int is_compat(struct task_struct* task) {
  return (task->thread_info.status & TS_COMPAT) != 0;
}

/* The work that a watched process pays for, and the look-up that everybody else leaves after. */
static __always_inline int on_wanted(struct task_struct* task, __u32 kind, unsigned long argument) {
  struct task_struct* leader = task->group_leader;
  struct bench_process key = {.start_ns = leader->start_boottime, .pid = leader->tgid};
  if (!bpf_map_lookup_elem(&labels, &key)) return 0;
  __u64* count = bpf_map_lookup_elem(&seen, &kind);
  if (count) *count += 1 + (argument == ~0ul - 1);
  return 0;
}

static __always_inline int on_raw(struct pt_regs* regs, unsigned long call) {
  if (call >= BENCH_CALLS) return 0;
  const __u8 interfaces = wanted[call];
  if (!interfaces) return 0;
  struct task_struct* task = bpf_get_current_task_btf();
  if (is_compat(task))
    return interfaces & BENCH_COMPAT ? on_wanted(task, BENCH_SEEN_COMPAT, regs->bx) : 0;
  return interfaces & BENCH_NATIVE ? on_wanted(task, BENCH_SEEN_NATIVE, regs->di) : 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(enter_empty, struct pt_regs* regs, long call) { return 0; }

SEC("tp_btf/sys_enter")
int BPF_PROG(enter_table, struct pt_regs* regs, long call) { return on_raw(regs, call); }

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_table, struct pt_regs* regs, long result) { return on_raw(regs, regs->orig_ax); }

/* The scope look-up before the table of calls: what that table saves. */
SEC("tp_btf/sys_enter")
int BPF_PROG(enter_scope_first, struct pt_regs* regs, long call) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct task_struct* leader = task->group_leader;
  struct bench_process key = {.start_ns = leader->start_boottime, .pid = leader->tgid};
  if (!bpf_map_lookup_elem(&labels, &key)) return 0;
  return on_raw(regs, call);
}

/* Beside per-call tracepoints, which 32-bit calls do not fire: a raw program that answers for those
 * alone. */
SEC("tp_btf/sys_enter")
int BPF_PROG(enter_compat_only, struct pt_regs* regs, long call) {
  struct task_struct* task = bpf_get_current_task_btf();
  const unsigned long number = call;
  if (!is_compat(task) || number >= BENCH_CALLS || !(wanted[number] & BENCH_COMPAT)) return 0;
  return on_wanted(task, BENCH_SEEN_COMPAT, regs->bx);
}

/* The layout every syscalls/sys_enter_* event shares. */
struct call_enter {
  __u64 common;
  __s64 call;
  __u64 arguments[6];
};

SEC("tp")
int call_enter(struct call_enter* context) {
  return on_wanted(bpf_get_current_task_btf(), BENCH_SEEN_NATIVE, context->arguments[0]);
}

struct call_exit {
  __u64 common;
  __s64 call;
  __s64 result;
};

SEC("tp")
int call_exit(struct call_exit* context) {
  return on_wanted(bpf_get_current_task_btf(), BENCH_SEEN_NATIVE, context->result);
}
