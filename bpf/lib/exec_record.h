/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What is told of a program that runs: the same record at exec, at the agent's start and when a
 * process enters a workspace. */
#ifndef PICKET_LIB_EXEC_RECORD_H
#define PICKET_LIB_EXEC_RECORD_H

#include "bpf/lib/fd.h"
#include "bpf/lib/namespaces.h"
#include "bpf/lib/path.h"
#include "bpf/lib/task.h"

#define OVERLAYFS_MAGIC 0x794c7630
#define PK_LOGINUID_UNSET 0xffffffffu

/* From 6.13 on the highest bit of the nanoseconds says "somebody asked for this time". */
#define PK_CTIME_NSEC 0x7fffffffu

PK_INLINE __u64 pk_ctime_ns(struct inode *inode) {
  if (bpf_core_field_exists(inode->i_ctime_sec))
    return BPF_CORE_READ(inode, i_ctime_sec) * 1000000000ull +
           (BPF_CORE_READ(inode, i_ctime_nsec) & PK_CTIME_NSEC);
  struct inode___accessor *accessor = (void *)inode;
  if (bpf_core_field_exists(accessor->__i_ctime))
    return BPF_CORE_READ(accessor, __i_ctime.tv_sec) * 1000000000ull +
           BPF_CORE_READ(accessor, __i_ctime.tv_nsec);
  struct inode___timespec *timespec = (void *)inode;
  return BPF_CORE_READ(timespec, i_ctime.tv_sec) * 1000000000ull +
         BPF_CORE_READ(timespec, i_ctime.tv_nsec);
}

PK_INLINE bool pk_is_memfd(struct dentry *dentry) {
  if (BPF_CORE_READ(dentry, d_parent) != dentry)
    return false; /* a file of that name has a directory */
  char name[8] = {};
  bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
  return name[0] == 'm' && name[1] == 'e' && name[2] == 'm' && name[3] == 'f' && name[4] == 'd' &&
         name[5] == ':';
}

/* The overlay keeps the upper dentry right behind its VFS inode (6.1 to 6.18). Overlay may be a
 * module whose types are not in the kernel's BTF, so the place is computed from the size of struct
 * inode. Blind spot: a metadata-only copy-up (chmod of an image file) counts as upper. */
PK_INLINE __u8 pk_overlay_layer(struct inode *inode) {
  struct dentry *upper = NULL;
  if (bpf_probe_read_kernel(&upper, sizeof(upper),
                            (void *)inode + bpf_core_type_size(struct inode)))
    return PK_LAYER_UNKNOWN;
  return upper ? PK_LAYER_UPPER : PK_LAYER_IMAGE;
}

PK_INLINE __u8 pk_layer_of(struct dentry *dentry, struct inode *inode, struct fs_struct *fs) {
  if (pk_is_memfd(dentry)) return PK_LAYER_MEMFD;
  if (BPF_CORE_READ(inode, i_nlink) == 0) return PK_LAYER_DELETED;
  struct super_block *sb = BPF_CORE_READ(inode, i_sb);
  if (BPF_CORE_READ(sb, s_magic) == OVERLAYFS_MAGIC) return pk_overlay_layer(inode);
  /* On a root without overlay nothing tells the image from what came later. */
  return sb == BPF_CORE_READ(fs, root.dentry, d_sb) ? PK_LAYER_UNKNOWN : PK_LAYER_MOUNT;
}

PK_INLINE void pk_fill_credentials(struct pk_exec *record, struct task_struct *task) {
  const struct cred *cred = BPF_CORE_READ(task, cred);
  record->ruid = BPF_CORE_READ(cred, uid.val);
  record->suid = BPF_CORE_READ(cred, suid.val);
  record->rgid = BPF_CORE_READ(cred, gid.val);
  bpf_core_read(&record->cap_permitted, sizeof(record->cap_permitted), &cred->cap_permitted);
  record->user_ns = BPF_CORE_READ(cred, user_ns, ns.inum);
  record->loginuid = PK_LOGINUID_UNSET;
  if (bpf_core_field_exists(task->loginuid)) record->loginuid = BPF_CORE_READ(task, loginuid.val);
}

PK_INLINE void pk_fill_session(struct pk_exec *record, struct task_struct *task) {
  record->session = pk_global_id(task, PIDTYPE_SID);
  record->group = pk_global_id(task, PIDTYPE_PGID);
  struct tty_struct *tty = BPF_CORE_READ(task, signal, tty);
  if (!tty) return;
  __u32 major = BPF_CORE_READ(tty, driver, major);
  __u32 minor = BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index);
  record->tty = 1;
  record->tty_nr =
      (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12); /* as in /proc/PID/stat */
}

PK_INLINE void pk_fill_parent(struct pk_exec *record, struct task_struct *task) {
  struct task_struct *parent = BPF_CORE_READ(task, group_leader, real_parent);
  record->parent_pid = BPF_CORE_READ(parent, tgid);
  record->parent_start_ns = BPF_CORE_READ(parent, group_leader, start_boottime);
  record->vpid = pk_vpid(task);
}

PK_INLINE void pk_fill_exe(struct pk_exec *record, struct file *exe, struct fs_struct *fs) {
  struct inode *inode = BPF_CORE_READ(exe, f_inode);
  record->exe_inode = BPF_CORE_READ(inode, i_ino);
  record->exe_ctime_ns = pk_ctime_ns(inode);
  record->exe_dev = BPF_CORE_READ(inode, i_sb, s_dev);
  record->exe_nlink = BPF_CORE_READ(inode, i_nlink);
  record->layer = pk_layer_of(BPF_CORE_READ(exe, f_path.dentry), inode, fs);
}

/* Everything of fixed size. The record is scratch memory with old content: every field is written
 * here. */
PK_INLINE void pk_fill_exec(struct pk_exec *record, enum pk_type type, struct task_struct *task,
                            __u64 workspace, __u32 flags) {
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_header(&record->header, type, sizeof(*record), task, workspace, flags);
  pk_fill_parent(record, task);
  pk_fill_session(record, task);
  pk_fill_credentials(record, task);
  struct nsproxy *nsproxy = BPF_CORE_READ(task, nsproxy);
  record->mnt_ns = BPF_CORE_READ(nsproxy, mnt_ns, ns.inum);
  if (pk_other_mounts(BPF_CORE_READ(task, fs, pwd.mnt), task))
    record->header.flags |= PK_OUTSIDE_CWD;
  record->net_ns = BPF_CORE_READ(nsproxy, net_ns, ns.inum);
  struct pid_namespace *pid_ns = pk_pid_ns(task);
  record->pid_ns = BPF_CORE_READ(pid_ns, ns.inum);
  for (__u32 i = 0; i < 3; i++) pk_fill_fd(&record->fd[i], task, i);
  bpf_core_read_str(record->comm, sizeof(record->comm), &task->comm);
}

PK_INLINE void pk_append_path(struct pk_tail *tail, pk_str *string, char *buffer, struct path *path,
                              struct fs_struct *fs) {
  struct pk_walk walk;
  pk_walk_path(&walk, buffer, path, fs);
  pk_append_walk(tail, string, &walk);
}

/* What rules ask most: where the program comes from, who put it there, what it talks to. */
PK_INLINE __u32 pk_class_of(const struct pk_exec *record) {
  bool inet = record->fd[0].kind == PK_FD_INET || record->fd[1].kind == PK_FD_INET ||
              record->fd[2].kind == PK_FD_INET;
  return PK_CLASS(record->layer & 7u) + (inet ? PK_CLASS_INET : 0) +
         (record->header.flags & PK_EXEC_IN ? PK_CLASS_EXEC_IN : 0);
}

PK_INLINE void pk_finish_exec(struct pk_exec *record, const struct pk_tail *tail) {
  record->header.size = tail->at;
  if (tail->truncated) record->header.flags |= PK_TRUNCATED;
}

#endif
