/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The process family: who was made, what it runs, how it ended. */
#include "bpf/lib/exec_record.h"
#include "bpf/lib/holds.h"
#include "bpf/lib/scope.h"

char LICENSE[] SEC("license") = "GPL";

/* A child belongs to the workspace of the task that made it, whatever cgroup it is put into; a
 * child of a stranger belongs to the cgroup that clone3(CLONE_INTO_CGROUP) made it in, for which
 * no attach is told. */
PK_INLINE struct pk_label *pk_label_child(struct task_struct *child) {
  struct task_struct *maker = bpf_get_current_task_btf();
  struct pk_label *inherited = pk_label_of(maker);
  if (inherited) {
    /* CLONE_PARENT gives the maker's own parent: a runtime's stages stay what they are, first or
     * put in. */
    bool sibling = BPF_CORE_READ(child, real_parent, tgid) != BPF_CORE_READ(maker, tgid);
    pk_set_label(child, inherited->workspace, sibling ? inherited->origin : PK_ORIGIN_BORN);
    struct pk_label *label = pk_label_of(child);
    if (!label) return NULL;
    label->outside = inherited->outside;
    label->lineage = inherited->lineage;
    label->connected = inherited->connected;
    return label;
  }
  struct pk_cgroup_scope *scope = pk_scope_of(pk_cgroup_id(child));
  if (!scope) return NULL;
  pk_set_label(child, scope->workspace, pk_origin_by_maker(maker, scope->workspace));
  return pk_label_of(child);
}

/*
 * Hook: task_newtask, not sched_process_fork: it alone tells the clone flags, and it comes as
 *   early: after the child's cgroup is set, before it is woken. So a fork is in the ring before
 *   anything the child does.
 * Oldest kernel: 6.1.
 * Cost: two look-ups for a stranger's fork, threads leave at once.
 * Blind spot: none for processes; threads are not told, their events carry the process.
 */
SEC("tp_btf/task_newtask")
int BPF_PROG(on_fork, struct task_struct *child, __u64 clone_flags) {
  if (child->pid != child->tgid) return 0;
  struct pk_label *label = pk_label_child(child);
  if (!label) return 0;
  __u64 workspace = label->workspace;
  struct pk_fork *record;
  if (!PK_RESERVE(record, PK_FORK, true, workspace)) return 0;
  pk_fill_header(&record->header, PK_FORK, sizeof(*record), child, workspace,
                 pk_origin_flags(label));
  struct task_struct *parent = BPF_CORE_READ(child, real_parent);
  record->parent_pid = BPF_CORE_READ(parent, tgid);
  record->parent_start_ns = BPF_CORE_READ(parent, group_leader, start_boottime);
  record->vpid = pk_vpid(child);
  record->clone_flags = clone_flags;
  bpf_core_read_str(record->comm, sizeof(record->comm), &child->comm);
  pk_submit(record, PK_FORK);
  return 0;
}

/* The argument area is user memory, but the kernel has just written it and no instruction of the
 * new program has run. */
PK_INLINE void pk_append_argv(struct pk_tail *tail, pk_str *string, struct task_struct *task) {
  unsigned long from = BPF_CORE_READ(task, mm, arg_start);
  unsigned long length = BPF_CORE_READ(task, mm, arg_end) - from;
  __u32 at = tail->at;
  if (length > PK_ARGV_MAX || at > PK_TAIL_LAST) tail->truncated = 1;
  if (at > PK_TAIL_LAST) return;
  if (length > PK_ARGV_MAX) length = PK_ARGV_MAX;
  if (bpf_probe_read_user(tail->record + at, length, (void *)from)) {
    tail->truncated = 1;
    return;
  }
  string->offset = at;
  string->length = length;
  tail->at = at + length;
  pk_forget(tail);
}

/*
 * Hook: sched_process_exec: after the point of no return, before the first instruction of the new
 *   program; the binary is the kernel's own file, descriptors marked close-on-exec are gone,
 *   credentials are the new ones.
 * Oldest kernel: 6.1.
 * Cost: one look-up for a stranger (two if it has no label), about 2 us for a record.
 * Blind spot: argument pages that were swapped out between copy and here are missing, and the
 *   record says truncated.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm) {
  struct pk_label *label = pk_label_or_heal(task);
  if (!label) return 0;
  struct pk_scratch *scratch = pk_scratch();
  if (!scratch) return 0;
  struct pk_exec *record = (void *)scratch->record;
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  struct file *exe = BPF_CORE_READ(bprm, file);
  __u32 flags = pk_origin_flags(label) | (label->compat_exec ? PK_COMPAT : 0);
  label->compat_exec = 0;
  pk_fill_exec(record, PK_EXEC, task, label->workspace, flags);
  pk_fill_exe(record, exe, fs);
  record->argc = BPF_CORE_READ(bprm, argc);

  struct pk_tail tail = {.record = scratch->record, .at = sizeof(*record)};
  pk_append_path(&tail, &record->exe, scratch->path, &exe->f_path, fs);
  pk_append_argv(&tail, &record->argv, task);
  const char *filename = BPF_CORE_READ(bprm, filename);
  const char *interp = BPF_CORE_READ(bprm, interp);
  pk_append_kernel_string(&tail, &record->filename, filename);
  if (interp != filename) pk_append_kernel_string(&tail, &record->interp, interp);
  pk_append_path(&tail, &record->cwd, scratch->path, &fs->pwd, fs);
  pk_finish_exec(record, &tail);
  pk_send(&record->header, PK_EXEC, pk_class_of(record));
  pk_tell_holders();
  return 0;
}

/*
 * Hook: sched_process_exit: the only one that still has the task's identity. It comes once per
 *   thread; `live` is already counted down, so the last thread sees zero. Two that end together
 *   both may: who removes the label tells it.
 * Oldest kernel: 6.1.
 * Cost: one comparison for a thread, one look-up for a stranger's process.
 * Blind spot: none.
 */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task) {
  if (BPF_CORE_READ(task, signal, live.counter) != 0) return 0;
  struct pk_label *label = pk_label_of(task);
  if (!label) return 0;
  __u64 workspace = label->workspace;
  __u32 flags = pk_origin_flags(label);
  if (!pk_drop_label(task, workspace)) return 0;
  struct pk_exit *record;
  if (!PK_RESERVE(record, PK_EXIT, true, workspace)) return 0;
  pk_fill_header(&record->header, PK_EXIT, sizeof(*record), task, workspace, flags);
  int status = BPF_CORE_READ(task, group_leader, exit_code);
  if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
    status = BPF_CORE_READ(task, signal, group_exit_code);
  record->code = (status >> 8) & 0xff;
  record->signal = status & 0x7f;
  pk_submit(record, PK_EXIT);
  return 0;
}
