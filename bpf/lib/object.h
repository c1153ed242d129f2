/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What a file is: by the kernel's inode and the file system that it lies on, never by its name. */
#ifndef PICKET_LIB_OBJECT_H
#define PICKET_LIB_OBJECT_H

#include "bpf/lib/exec_record.h"
#include "bpf/lib/namespaces.h"

#define PROC_SUPER_MAGIC 0x9fa0

PK_INLINE struct proc_inode *pk_proc_inode(struct inode *inode) {
  return (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
}

/* In the initial pid namespace; 0: the file belongs to nobody. */
PK_INLINE __u32 pk_proc_pid(struct inode *inode) {
  struct pid *pid = BPF_CORE_READ(pk_proc_inode(inode), pid);
  return pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;
}

/* `object` is zero when called; the inode is the one behind the dentry. */
PK_INLINE void pk_fill_inode(struct pk_object *object, struct dentry *dentry, struct inode *inode,
                             struct task_struct *task) {
  struct super_block *sb = BPF_CORE_READ(inode, i_sb);
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  object->inode = BPF_CORE_READ(inode, i_ino);
  object->dev = BPF_CORE_READ(sb, s_dev);
  object->rdev = BPF_CORE_READ(inode, i_rdev);
  object->mode = BPF_CORE_READ(inode, i_mode);
  object->owner = BPF_CORE_READ(inode, i_uid.val);
  object->group = BPF_CORE_READ(inode, i_gid.val);
  object->nlink = BPF_CORE_READ(inode, i_nlink);
  object->magic = BPF_CORE_READ(sb, s_magic);
  if (object->magic == PROC_SUPER_MAGIC) object->proc_pid = pk_proc_pid(inode);
  object->kind = pk_file_kind(inode);
  object->layer = pk_layer_of(dentry, inode, fs);
  object->foreign = sb != BPF_CORE_READ(fs, root.dentry, d_sb);
}

PK_INLINE void pk_fill_object(struct pk_object *object, struct file *file,
                              struct task_struct *task) {
  pk_fill_inode(object, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_inode), task);
  object->mnt_ns = pk_other_mounts(BPF_CORE_READ(file, f_path.mnt), task);
}

#define AT_FDCWD (-100)

/* Where a relative path of a call starts, from the kernel: nothing for a bad descriptor. */
PK_INLINE void pk_append_start(struct pk_tail *tail, pk_str *string, char *buffer,
                               struct task_struct *task, int directory) {
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  if (directory == AT_FDCWD) {
    pk_append_path(tail, string, buffer, &fs->pwd, fs);
    return;
  }
  struct file *file = directory < 0 ? NULL : pk_file_of_fd(task, directory);
  if (file) pk_append_path(tail, string, buffer, &file->f_path, fs);
}

PK_INLINE bool pk_is_relative(__u64 path) {
  char first = 0;
  bpf_probe_read_user(&first, 1, (const void *)path);
  return first != '/';
}

#endif
