/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Processes that already run in a workspace when the agent starts, or when a cgroup comes under
 * watch. */
#include "bpf/lib/exec_record.h"
#include "bpf/lib/scope.h"

char LICENSE[] SEC("license") = "GPL";

/* The iterator can be preempted and can sleep: it has a place of its own. Only one reader runs it
 * at a time. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pk_scratch);
} found_scratch SEC(".maps");

#define PROC_PID_INIT_INO 0xEFFFFFFCu /* inode of the initial pid namespace, fixed by the kernel */

/* How it came in was not seen. A process whose parent is outside was put in, unless it is the
 * container's own first one: pid 1 of its namespace, or in a namespace that is not this
 * workspace's own, where that cannot be told. */
PK_INLINE __u32 pk_origin_of_found(struct task_struct *task, __u64 workspace) {
  struct task_struct *parent = BPF_CORE_READ(task, real_parent);
  if (pk_workspace_of(parent) == workspace) return PK_ORIGIN_BORN;
  struct pid_namespace *ns = pk_pid_ns(task);
  if (pk_vpid(task) == 1 || BPF_CORE_READ(ns, ns.inum) == PROC_PID_INIT_INO) return PK_ORIGIN_FIRST;
  struct task_struct *reaper = BPF_CORE_READ(ns, child_reaper);
  return pk_workspace_of(reaper) == workspace ? PK_ORIGIN_EXEC_IN : PK_ORIGIN_FIRST;
}

PK_INLINE void pk_append_foreign_argv(struct pk_tail *tail, pk_str *string,
                                      struct task_struct *task) {
  unsigned long from = BPF_CORE_READ(task, mm, arg_start);
  unsigned long length = BPF_CORE_READ(task, mm, arg_end) - from;
  __u32 at = tail->at;
  if (length > PK_ARGV_MAX || at > PK_TAIL_LAST) tail->truncated = 1;
  if (at > PK_TAIL_LAST) return;
  if (length > PK_ARGV_MAX) length = PK_ARGV_MAX;
  if (bpf_copy_from_user_task(tail->record + at, length, (void *)from, task, 0)) {
    tail->truncated = 1;
    return;
  }
  string->offset = at;
  string->length = length;
  tail->at = at + length;
  pk_forget(tail);
}

/*
 * Hook: task iterator, sleepable, so that the arguments of other processes can be read. Records go
 *   into the iterator's own file, not into the ring: thousands of processes cannot overrun it.
 * Oldest kernel: 6.1.
 * Cost: once, at start.
 * Blind spot: only the pid namespace of the agent, which is the machine's.
 * Exactly once: it runs after all other programs are attached, and whoever sets a process's label
 *   first tells of it. Every thread is looked at, for the first one of a process may have ended
 *   while others run: it has no memory, no files and no directories any more.
 */
SEC("iter.s/task")
int on_found(struct bpf_iter__task *ctx) {
  struct seq_file *seq = ctx->meta->seq;
  struct task_struct *task = ctx->task;
  if (!task || pk_label_of(task)) return 0;
  if (BPF_CORE_READ(task, signal, live.counter) == 0) return 0;
  __u64 workspace = pk_workspace_of(task);
  struct file *exe = BPF_CORE_READ(task, mm, exe_file);
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  if (!workspace || !exe || !fs) return 0;
  __u32 zero = 0;
  struct pk_scratch *scratch = bpf_map_lookup_elem(&found_scratch, &zero);
  struct pk_cgroup_scope *own = bpf_map_lookup_elem(&cgroups, &workspace);
  if (!scratch || !own) return 0;
  own->entered = 1;
  __u32 origin = pk_origin_of_found(task, workspace);
  if (!pk_set_label(task, workspace, origin)) return 0;
  struct pk_exec *record = (void *)scratch->record;
  pk_fill_exec(record, PK_FOUND, task, workspace, origin == PK_ORIGIN_EXEC_IN ? PK_EXEC_IN : 0);
  pk_fill_exe(record, exe, fs);
  struct pk_tail tail = {.record = scratch->record, .at = sizeof(*record)};
  pk_append_path(&tail, &record->exe, scratch->path, &exe->f_path, fs);
  pk_append_foreign_argv(&tail, &record->argv, task);
  pk_append_path(&tail, &record->cwd, scratch->path, &fs->pwd, fs);
  pk_finish_exec(record, &tail);
  __u32 size = record->header.size;
  if (size > PK_RECORD_MAX) return 0;
  /* No room left in this read: the kernel drops what was written for this task and shows it again
   * at the next read, where it must not find itself told of already. */
  if (bpf_seq_write(seq, record, size)) pk_drop_label(task, workspace);
  return 0;
}
