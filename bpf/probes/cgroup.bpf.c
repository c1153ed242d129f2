/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The cgroup family: how a workspace comes to be, who enters it, who leaves, how it ends. */
#include "bpf/lib/exec_record.h"
#include "bpf/lib/rows.h"
#include "bpf/lib/scope.h"
#include "bpf/picket/container_name.h"

char LICENSE[] SEC("license") = "GPL";

#define PK_INIT_NAME "runc:[2:INIT]"

/* Ids are unique within one hierarchy only, and the tracepoints tell of the v1 ones too. */
PK_INLINE bool pk_is_unified(struct cgroup *cgroup) {
  return BPF_CORE_READ(cgroup, root, hierarchy_id) == 0;
}

PK_INLINE void pk_send_cgroup(enum pk_type type, struct task_struct *task, struct cgroup *cgroup,
                              __u64 workspace, __u32 attach, __u32 flags) {
  struct pk_scratch *scratch = pk_scratch();
  if (!scratch) return;
  struct pk_cgroup *record = (void *)scratch->record;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_header(&record->header, type, sizeof(*record), task, workspace, flags);
  struct kernfs_node *node = BPF_CORE_READ(cgroup, kn);
  struct kernfs_node *parent = pk_kernfs_parent(node);
  record->id = BPF_CORE_READ(node, id);
  record->parent_id = BPF_CORE_READ(parent, id);
  record->level = BPF_CORE_READ(cgroup, level);
  record->attach = attach;
  struct pk_tail tail = {.record = scratch->record, .at = sizeof(*record)};
  struct pk_walk walk;
  pk_walk_cgroup(&walk, scratch->path, node);
  pk_append_walk(&tail, &record->path, &walk);
  record->header.size = tail.at;
  if (tail.truncated) record->header.flags |= PK_TRUNCATED;
  pk_send(&record->header, type, PK_CLASS_ANY);
}

PK_INLINE bool pk_has_container_name(struct kernfs_node *node) {
  struct pk_scratch *scratch = pk_scratch();
  if (!scratch) return false;
  __builtin_memset(scratch->name, 0, sizeof(scratch->name));
  long length =
      bpf_probe_read_kernel_str(scratch->name, PK_CONTAINER_NAME_ROOM, BPF_CORE_READ(node, name));
  return length > 1 && pk_is_container_name(scratch->name, length - 1);
}

/* False when the cgroup is nobody's, or left out. */
PK_INLINE bool pk_scope_for_new(struct kernfs_node *node, __u64 id, struct pk_cgroup_scope *scope) {
  struct kernfs_node *parent = pk_kernfs_parent(node);
  __u64 parent_id = BPF_CORE_READ(parent, id);
  struct pk_cgroup_scope *above = bpf_map_lookup_elem(&cgroups, &parent_id);
  if (above) {
    scope->workspace = above->workspace;
    return true;
  }
  if (!bpf_map_lookup_elem(&roots, &parent_id) && !pk_has_container_name(node)) return false;
  scope->workspace = id;
  return true;
}

/*
 * Hook: cgroup_mkdir: a container's cgroup is made before its first process (18 ms before,
 *   measured with CRI), so everything in it is seen. Below a workspace everything belongs to it;
 *   below a left-out cgroup everything is left out.
 * Oldest kernel: 6.1.
 * Cost: rare.
 * Blind spot: a container whose cgroup has a free name outside `workspaces.cgroup_roots` is found
 *   when runc's init starts in it (on_rename); with another runtime not at all.
 */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_cgroup_mkdir, struct cgroup *cgroup, const char *path) {
  if (!pk_is_unified(cgroup)) return 0;
  struct kernfs_node *node = BPF_CORE_READ(cgroup, kn);
  __u64 id = BPF_CORE_READ(node, id);
  struct pk_cgroup_scope scope = {};
  if (!pk_scope_for_new(node, id, &scope)) return 0;
  if (bpf_map_update_elem(&cgroups, &id, &scope, BPF_NOEXIST)) {
    if (!bpf_map_lookup_elem(&cgroups, &id)) pk_count_loss(PK_CGROUP_MKDIR, scope.workspace);
    return 0;
  }
  if (scope.workspace)
    pk_send_cgroup(PK_CGROUP_MKDIR, bpf_get_current_task_btf(), cgroup, scope.workspace, 0, 0);
  return 0;
}

/*
 * Hook: cgroup_rmdir: the cgroup is empty and its id is never used again.
 * Oldest kernel: 6.1.
 * Cost: rare.
 * Blind spot: none.
 */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_cgroup_rmdir, struct cgroup *cgroup, const char *path) {
  if (!pk_is_unified(cgroup)) return 0;
  __u64 id = BPF_CORE_READ(cgroup, kn, id);
  struct pk_cgroup_scope *scope = bpf_map_lookup_elem(&cgroups, &id);
  if (!scope) return 0;
  __u64 workspace = scope->workspace;
  bpf_map_delete_elem(&cgroups, &id);
  if (workspace)
    pk_send_cgroup(PK_CGROUP_RMDIR, bpf_get_current_task_btf(), cgroup, workspace, 0, 0);
  return 0;
}

/* A process that enters runs something already: tell what, as for those found at start. Arguments
 * are another process's memory, which cannot be read here unless it moved itself: the record then
 * says that it is truncated. */
PK_INLINE void pk_send_entered(struct task_struct *task, __u64 workspace, __u32 flags) {
  struct pk_scratch *scratch = pk_scratch();
  if (!scratch) return;
  struct pk_exec *record = (void *)scratch->record;
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  struct file *exe = BPF_CORE_READ(task, mm, exe_file);
  if (!exe || !fs) return; /* it is ending */
  pk_fill_exec(record, PK_FOUND, task, workspace, flags);
  pk_fill_exe(record, exe, fs);
  struct pk_tail tail = {.record = scratch->record, .at = sizeof(*record), .truncated = 1};
  pk_append_path(&tail, &record->exe, scratch->path, &exe->f_path, fs);
  pk_append_path(&tail, &record->cwd, scratch->path, &fs->pwd, fs);
  pk_finish_exec(record, &tail);
  pk_send(&record->header, PK_FOUND, PK_CLASS_ANY);
}

/*
 * Hook: cgroup_attach_task: called by whoever moves the task, after the move, while forks of the
 *   moved process are held off.
 * Oldest kernel: 6.1.
 * Cost: rare.
 * Blind spot: clone3(CLONE_INTO_CGROUP) moves nobody; on_fork covers it.
 */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_cgroup_attach, struct cgroup *cgroup, const char *path, struct task_struct *task,
             bool threadgroup) {
  if (!pk_is_unified(cgroup)) return 0;
  struct pk_cgroup_scope *scope = pk_scope_of(BPF_CORE_READ(cgroup, kn, id));
  struct pk_label *label = pk_label_of(task);
  if (label) {
    bool outside = !scope || scope->workspace != label->workspace;
    if (outside == label->outside) return 0;
    label->outside = outside;
    pk_send_cgroup(PK_CGROUP_ATTACH, task, cgroup, label->workspace,
                   outside ? PK_ATTACH_LEAVE : PK_ATTACH_ENTER, pk_origin_flags(label));
    return 0;
  }
  if (!scope) return 0;
  __u64 workspace = scope->workspace;
  __u32 origin = pk_entry_origin(workspace);
  if (!pk_set_label(task, workspace, origin)) return 0;
  __u32 flags = origin == PK_ORIGIN_EXEC_IN ? PK_EXEC_IN : 0;
  pk_send_cgroup(PK_CGROUP_ATTACH, task, cgroup, workspace, PK_ATTACH_ENTER, flags);
  pk_send_entered(task, workspace, flags);
  return 0;
}

PK_INLINE bool pk_is_runc_init(const char *name) {
  char text[16] = {};
  bpf_probe_read_kernel_str(text, sizeof(text), name);
  const char init[] = PK_INIT_NAME;
  for (unsigned i = 0; i < sizeof(init); i++)
    if (text[i] != init[i]) return false;
  return true;
}

/* An exec takes its program's name while it is still the call that it was made as: what sets the
 * new program up forgets that. */
PK_INLINE void pk_note_compat_exec(struct task_struct *task) {
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  __u64 number = ~0ull;
  bpf_probe_read_kernel(&number, sizeof(number), &regs->orig_ax);
  __u16 call = pk_row_of(number, true).call;
  if (call != PK_CALL_execve && call != PK_CALL_execveat) return;
  struct pk_label *label = pk_label_of(task);
  if (label) label->compat_exec = 1;
}

/*
 * Hook: task_rename: runc's last stage names itself in the container's cgroup before it runs the
 *   container's program. It finds containers whose cgroup has a free name (`runc run demo` makes
 *   /demo). `runc exec` takes the name where it was started, often in the runtime's own cgroup, and
 *   moves afterwards: then runc, its parent, is in the same cgroup. And an exec by the 32-bit interface
 *   is known as one here and no more when it is told.
 * Oldest kernel: 6.1.
 * Cost: 16 bytes compared for every exec and thread name of the machine.
 * Blind spot: a stranger can take the name and so have its own cgroup watched; it cannot have one
 *   left out.
 */
SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *task, const char *name) {
  if (pk_in_compat_call(task)) pk_note_compat_exec(task);
  if (!pk_is_runc_init(name)) return 0;
  struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
  if (BPF_CORE_READ(cgroup, level) == 0) return 0;
  if (BPF_CORE_READ(task, real_parent, cgroups, dfl_cgrp) == cgroup) return 0; /* runc exec */
  __u64 id = BPF_CORE_READ(cgroup, kn, id);
  struct pk_cgroup_scope scope = {.workspace = id};
  if (bpf_map_update_elem(&cgroups, &id, &scope, BPF_NOEXIST)) return 0; /* known, or left out */
  pk_send_cgroup(PK_CGROUP_MKDIR, task, cgroup, id, 0, 0);
  __u32 origin = pk_entry_origin(id);
  if (!pk_set_label(task, id, origin)) return 0;
  pk_send_cgroup(PK_CGROUP_ATTACH, task, cgroup, id, PK_ATTACH_ENTER, 0);
  pk_send_entered(task, id, 0);
  return 0;
}
