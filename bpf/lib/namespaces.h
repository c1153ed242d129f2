/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The namespaces a task is in, by inode number. */
#ifndef PICKET_LIB_NAMESPACES_H
#define PICKET_LIB_NAMESPACES_H

#include "bpf/lib/base.h"

#define PK_ANONYMOUS_MOUNTS 0xeffffff7u /* of what is mounted nowhere; 0 before 6.18 */

/* The mount namespace that a mount belongs to, if that is not the task's; 0: its own, or nobody's,
 * like that of a pipe or a mount that was not put anywhere. */
PK_INLINE __u32 pk_other_mounts(struct vfsmount *mnt, struct task_struct *task) {
  struct mount *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
  struct mnt_namespace *mounts = BPF_CORE_READ(mount, mnt_ns);
  if (!mounts || mounts == BPF_CORE_READ(task, nsproxy, mnt_ns)) return 0;
  __u32 inum = 0; /* stays, where the pointer is an error code */
  bpf_core_read(&inum, sizeof(inum), &mounts->ns.inum);
  return inum == PK_ANONYMOUS_MOUNTS ? 0 : inum;
}

/* A call changes the pid namespace of the children to come, never one's own. */
PK_INLINE void pk_fill_namespaces(struct pk_system *record, struct task_struct *task) {
  struct nsproxy *nsproxy = BPF_CORE_READ(task, nsproxy);
  record->mnt_ns = BPF_CORE_READ(nsproxy, mnt_ns, ns.inum);
  record->net_ns = BPF_CORE_READ(nsproxy, net_ns, ns.inum);
  record->pid_ns = BPF_CORE_READ(nsproxy, pid_ns_for_children, ns.inum);
  record->cgroup_ns = BPF_CORE_READ(nsproxy, cgroup_ns, ns.inum);
  record->user_ns = BPF_CORE_READ(task, cred, user_ns, ns.inum);
}

#endif
