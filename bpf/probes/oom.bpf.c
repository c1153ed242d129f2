/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Processes that the kernel kills because memory ran out. */
#include "bpf/lib/killed.h"
#include "bpf/lib/scope.h"

char LICENSE[] SEC("license") = "GPL";

#define PK_PAGE 4096ull
#define PK_PID_LIMIT (1ull << 22) /* no number of a process is as large, every address is larger */

/* Up to 6.8 the hook tells a number, and the signal just sent has the task. A process that dies of
 * its own asking gets no signal: it is the current one. */
PK_INLINE struct task_struct *pk_oom_victim(__u64 told) {
  if (told >= PK_PID_LIMIT) return (struct task_struct *)told;
  struct task_struct *current = (struct task_struct *)bpf_get_current_task();
  if ((__u64)(__u32)BPF_CORE_READ(current, pid) == told) return current;
  __u32 zero = 0;
  struct pk_killed *killed = bpf_map_lookup_elem(&last_killed, &zero);
  if (!killed || killed->pid != told) return NULL;
  return (struct task_struct *)killed->task;
}

/*
 * Hook: mark_victim: told once for each process that the out-of-memory killer chose, of the whole
 *   machine or of one memory cgroup, while the victim cannot go yet. It runs in who asked for the
 *   memory.
 * Oldest kernel: 6.1. Up to 6.8 it tells a number only; the task is that of the signal just before
 *   (on_signal).
 * Cost: rare.
 * Blind spot: on kernels before 6.9 a victim that was ending anyway; processes that share its memory
 *   and die with it; what a user-space killer (systemd-oomd) does is a signal.
 */
SEC("tp_btf/mark_victim")
int on_oom(__u64 *ctx) {
  struct task_struct *victim = pk_oom_victim(ctx[0]);
  if (!victim) return 0;
  struct pk_label *label = pk_label_of(victim);
  if (!label) return 0;
  __u64 workspace = label->workspace;
  struct pk_oom *record;
  if (!PK_RESERVE(record, PK_OOM, false, workspace)) return 0;
  pk_fill_header(&record->header, PK_OOM, sizeof(*record), victim, workspace,
                 pk_origin_flags(label));
  struct task_struct *trigger = (struct task_struct *)bpf_get_current_task();
  struct pk_label *other = pk_label_of(trigger);
  record->total_vm = BPF_CORE_READ(victim, mm, total_vm) * PK_PAGE;
  record->trigger_cgroup_id = other ? other->workspace : 0;
  record->trigger_pid = BPF_CORE_READ(trigger, tgid);
  record->score_adjust = BPF_CORE_READ(victim, signal, oom_score_adj);
  bpf_core_read_str(record->comm, sizeof(record->comm), &victim->comm);
  bpf_core_read_str(record->trigger_comm, sizeof(record->trigger_comm), &trigger->comm);
  pk_submit(record, PK_OOM);
  return 0;
}
