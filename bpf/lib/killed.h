/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Whom the kernel itself sent SIGKILL last, on each processor: up to 6.8 the out-of-memory killer
 * names its victim by number only, right after the signal and without leaving the processor. */
#ifndef PICKET_LIB_KILLED_H
#define PICKET_LIB_KILLED_H

#include "bpf/lib/base.h"

#define SIGKILL 9
#define SEND_SIG_PRIV 1ul /* in the place of an info: from the kernel */

struct pk_killed {
  __u64 task; /* its address */
  __u32 pid;
  __u32 zero;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pk_killed);
} last_killed __weak SEC(".maps");

PK_INLINE void pk_remember_killed(int sig, unsigned long info, struct task_struct *target) {
  if (sig != SIGKILL || info != SEND_SIG_PRIV) return;
  __u32 zero = 0;
  struct pk_killed *killed = bpf_map_lookup_elem(&last_killed, &zero);
  if (!killed) return;
  killed->task = (__u64)target;
  killed->pid = BPF_CORE_READ(target, pid);
}

#endif
