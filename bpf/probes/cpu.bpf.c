/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Processes that keep processors busy: what a miner cannot hide. */
#include "bpf/lib/scope.h"

char LICENSE[] SEC("license") = "GPL";

#define PK_THREADS_MAX 4096

volatile struct pk_cpu_policy cpu_policy;

struct pk_thread_key {
  __u64 start_ns;
  __u32 tid;
  __u32 zero;
};

/* Only threads of processes that are busy have a place: there cannot be many. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, PK_BUSY_MAX);
  __type(key, struct pk_thread_key);
  __type(value, __u64);
} busy SEC(".maps");

struct pk_thread_walk {
  struct list_head *head, *next;
  struct pk_cpu_use use;
  __u64 since_ns; /* the last look; 0: threads are not told apart */
  __u64 interval_ns;
  __u32 threads, busy;
};

PK_INLINE struct task_struct *pk_thread_at(struct list_head *node) {
  return (void *)node - bpf_core_field_offset(struct task_struct, thread_node);
}

/* Time in which the thread was ready but others ran. */
PK_INLINE __u64 pk_waited(struct task_struct *thread) {
  if (!bpf_core_field_exists(thread->sched_info.run_delay)) return 0;
  return BPF_CORE_READ(thread, sched_info.run_delay);
}

/* It ran or was ready in three quarters of the interval or more: on a busy machine a thread that
 * never rests still runs for a part of the time only. Nothing is known of a thread that is seen for
 * the first time, unless it began since. */
PK_INLINE bool pk_was_busy(struct task_struct *thread, __u64 wanted_ns,
                           const struct pk_thread_walk *walk) {
  struct pk_thread_key key = {.start_ns = BPF_CORE_READ(thread, start_boottime),
                              .tid = BPF_CORE_READ(thread, pid)};
  __u64 *known = bpf_map_lookup_elem(&busy, &key);
  __u64 before = known ? *known : key.start_ns >= walk->since_ns ? 0 : wanted_ns;
  bpf_map_update_elem(&busy, &key, &wanted_ns, BPF_ANY);
  return wanted_ns - before >= walk->interval_ns / 4 * 3;
}

static long pk_add_thread(__u32 index, struct pk_thread_walk *walk) {
  if (walk->next == walk->head || !walk->next) return 1;
  struct task_struct *thread = pk_thread_at(walk->next);
  __u64 cpu_ns = BPF_CORE_READ(thread, se.sum_exec_runtime);
  __u64 waited_ns = pk_waited(thread);
  walk->threads++;
  if (walk->since_ns) {
    if (pk_was_busy(thread, cpu_ns + waited_ns, walk)) walk->busy++;
  } else {
    walk->use.cpu_ns += cpu_ns;
    walk->use.user_ns += BPF_CORE_READ(thread, utime);
    walk->use.system_ns += BPF_CORE_READ(thread, stime);
    walk->use.waited_ns += waited_ns;
    walk->use.switches += BPF_CORE_READ(thread, nvcsw);
  }
  struct list_head *at = walk->next;
  walk->next = BPF_CORE_READ(at, next);
  return 0;
}

PK_INLINE void pk_walk_threads(struct pk_thread_walk *walk, struct signal_struct *signal) {
  struct list_head *head =
      (void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);
  walk->head = head;
  walk->next = BPF_CORE_READ(head, next);
  walk->threads = walk->busy = 0;
  bpf_loop(PK_THREADS_MAX, pk_add_thread, walk, 0);
}

PK_INLINE __u64 pk_since(__u64 now, __u64 before) { return now > before ? now - before : 0; }

/* The time that ran is exact; ticks, some of which may be lost, tell only how it is divided. */
PK_INLINE __u64 pk_user_part(__u64 cpu_ns, __u64 user_ns, __u64 system_ns) {
  __u64 ticks = user_ns + system_ns;
  return ticks ? cpu_ns / 1000 * (user_ns * 1000 / ticks) : 0;
}

/*
 * Hook: task iterator, run by the agent once in an interval. Not a sample of who runs now, which a
 *   program can time itself around, and nothing in the scheduler's way: the kernel counts what each
 *   thread used anyhow.
 * Oldest kernel: 6.1.
 * Cost: none between the looks; a look is one comparison for each thread of the machine, a look-up
 *   for each process, 0.2 us for each thread of a workspace (decisions/0015).
 * Blind spot: a process that lives shorter than an interval, and the time between a process's last
 *   look and its end; threads beyond the 4096th; a share below the policy's.
 */
SEC("iter/task")
int on_cpu_look(struct bpf_iter__task *ctx) {
  struct task_struct *task = ctx->task;
  if (!task || task->pid != task->tgid) return 0;
  struct pk_label *label = pk_label_of(task);
  if (!label) return 0;
  struct signal_struct *signal = task->signal;
  struct pk_thread_walk walk = {};
  walk.use.at_ns = bpf_ktime_get_boot_ns();
  walk.use.cpu_ns = BPF_CORE_READ(signal, sum_sched_runtime);
  walk.use.user_ns = BPF_CORE_READ(signal, utime);
  walk.use.system_ns = BPF_CORE_READ(signal, stime);
  walk.use.switches = BPF_CORE_READ(signal, nvcsw);
  pk_walk_threads(&walk, signal);
  struct pk_cpu_use before = label->cpu;
  label->cpu = walk.use;
  if (!before.at_ns) return 0;
  struct pk_cpu record = {
      .interval_ns = pk_since(walk.use.at_ns, before.at_ns),
      .cpu_ns = pk_since(walk.use.cpu_ns, before.cpu_ns),
      .waited_ns = pk_since(walk.use.waited_ns, before.waited_ns),
      .switches = pk_since(walk.use.switches, before.switches),
      .threads = walk.threads,
  };
  record.user_ns = pk_user_part(record.cpu_ns, pk_since(walk.use.user_ns, before.user_ns),
                                pk_since(walk.use.system_ns, before.system_ns));
  __u64 wanted_ns = record.cpu_ns + record.waited_ns;
  if (wanted_ns < record.interval_ns / 100 * cpu_policy.least_percent) return 0;
  walk.since_ns = before.at_ns;
  walk.interval_ns = record.interval_ns;
  pk_walk_threads(&walk, signal);
  record.busy_threads = walk.busy;
  pk_fill_header(&record.header, PK_CPU, sizeof(record), task, label->workspace,
                 pk_origin_flags(label));
  bpf_core_read_str(record.comm, sizeof(record.comm), &task->comm);
  bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
  return 0;
}
