/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Which opens need telling (decisions/0006). The names that matter come from the agent; what was
 * told before is remembered exactly, so that nothing new can pass for something known.
 */
#ifndef PICKET_LIB_SEEN_H
#define PICKET_LIB_SEEN_H

#include "bpf/lib/object.h"
#include "bpf/lib/unasked.h"

#define SYSFS_MAGIC 0x62656572
#define CGROUP_SUPER_MAGIC 0x27e0eb
#define CGROUP2_SUPER_MAGIC 0x63677270
#define DEBUGFS_MAGIC 0x64626720
#define TRACEFS_MAGIC 0x74726163
#define SECURITYFS_MAGIC 0x73636673
#define BPF_FS_MAGIC 0xcafe4a11
#define EFIVARFS_MAGIC 0xde5e81e4
#define BINFMTFS_MAGIC 0x42494e4d

#define FMODE_READ 0x1u
#define FMODE_WRITE 0x2u
#define FMODE_CREATED 0x100000u

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PK_NAMES_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, __u32);
} names __weak SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, PK_SEEN_MAX);
  __type(key, struct pk_seen_key);
  __type(value, struct pk_seen);
} seen __weak SEC(".maps");

/* All there is to know of an open but its path and its result. */
struct pk_opening {
  struct pk_seen_id id;
  struct pk_object object;
  struct file *file;
  __u32 mode; /* FMODE_* */
  __u32 interest;
  __u32 kind; /* PK_OPENS_OF(...) */
  __u32 zero;
};

/* On the stack there is no room for it beside a walk over descriptors (holds.h), which before 6.13
 * counts to the same 512 bytes. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pk_opening);
} opening_scratch __weak SEC(".maps");

PK_INLINE struct pk_opening *pk_empty_opening(void) {
  __u32 zero = 0;
  struct pk_opening *opening = bpf_map_lookup_elem(&opening_scratch, &zero);
  if (opening) __builtin_memset(opening, 0, sizeof(*opening));
  return opening;
}

PK_INLINE __u64 pk_hash_dentry(struct dentry *dentry) {
  struct pk_name name = {};
  __u32 length = BPF_CORE_READ(dentry, d_name.len);
  if (length > PK_NAME_HASHED) length = PK_NAME_HASHED;
  bpf_probe_read_kernel(&name, length, BPF_CORE_READ(dentry, d_name.name));
  return pk_hash_name(&name);
}

PK_INLINE __u32 pk_name_bits(__u64 hash) {
  __u32 *bits = bpf_map_lookup_elem(&names, &hash);
  return bits ? *bits : 0;
}

/* As rules tell them apart. A mounted file has the name of the place where it is mounted, whatever it
 * is called where it comes from; where all opens are asked for, `names` may lack some. */
PK_INLINE __u32 pk_kind_of_open(struct file *file, struct dentry *dentry, __u32 name, __u32 mode) {
  bool named =
      name & PK_NAME_ASKED || !unasked.opens || BPF_CORE_READ(file, f_path.mnt, mnt_root) == dentry;
  return PK_OPENS_OF(mode & FMODE_READ, mode & FMODE_WRITE, named);
}

PK_INLINE __u32 pk_name_interest(__u32 own, __u32 directory, bool writes) {
  __u32 interest = 0;
  if (own & PK_NAME_SECRET || directory & PK_NAME_SECRET_DIR) interest |= PK_OF_SECRET;
  if (writes && (own & PK_NAME_PERSISTENCE || directory & PK_NAME_PERSISTENCE_DIR))
    interest |= PK_OF_PERSISTENCE;
  return interest;
}

/* By what the kernel says that it is. */
PK_INLINE __u32 pk_object_interest(struct task_struct *task, struct inode *inode,
                                   struct super_block *sb, bool writes) {
  switch (BPF_CORE_READ(sb, s_magic)) {
    case PROC_SUPER_MAGIC: {
      __u32 pid = pk_proc_pid(inode);
      if (pid && pid != (__u32)BPF_CORE_READ(task, tgid) && pid != (__u32)BPF_CORE_READ(task, pid))
        return PK_OF_PROCESS;
      return writes || (!pid && BPF_CORE_READ(pk_proc_inode(inode), sysctl)) ? PK_OF_KERNEL : 0;
    }
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC:
    case EFIVARFS_MAGIC:
    case BINFMTFS_MAGIC:
      return PK_OF_KERNEL;
    case OVERLAYFS_MAGIC:
      return sb != BPF_CORE_READ(task, fs, root.dentry, d_sb) ? PK_OF_OTHER_ROOT : 0;
    default:
      break;
  }
  __u32 type = BPF_CORE_READ(inode, i_mode) & S_IFMT;
  if (type == S_IFBLK || type == S_IFIFO) return PK_OF_DEVICE;
  if (type != S_IFCHR) return 0;
  __u32 rdev = BPF_CORE_READ(inode, i_rdev);
  __u32 minor = rdev & 0xfffff;
  /* null, zero, full, random, urandom; terminals */
  if (rdev >> 20 == 1)
    return minor == 3 || minor == 5 || (minor >= 7 && minor <= 9) ? 0 : PK_OF_DEVICE;
  return pk_char_kind(rdev) == PK_FD_CHAR ? PK_OF_DEVICE : 0;
}

/* On the way of every open: `task` is the current one, which the verifier lets be read directly. */
PK_INLINE void pk_seen_by_process(struct pk_seen_id *id, struct task_struct *task) {
  const struct cred *cred = task->cred;
  id->who = task->group_leader->start_boottime;
  id->pid = task->tgid;
  id->exec_id = task->self_exec_id;
  id->uid = cred->euid.val;
  id->gid = cred->egid.val;
  bpf_core_read(&id->cap_effective, sizeof(id->cap_effective), &cred->cap_effective);
}

PK_INLINE struct file *pk_file_of_current(struct task_struct *task, __u32 fd) {
  struct fdtable *table = task->files->fdt;
  struct file *file = NULL;
  if (fd >= table->max_fds) return NULL;
  bpf_probe_read_kernel(&file, sizeof(file), &table->fd[fd]);
  return file;
}

PK_INLINE void pk_seen_by_program(struct pk_seen_id *id, struct task_struct *task) {
  struct inode *exe = BPF_CORE_READ(task, mm, exe_file, f_inode);
  id->who = BPF_CORE_READ(exe, i_ino);
  id->pid = BPF_CORE_READ(exe, i_sb, s_dev);
}

/* Where a name starts makes it another one. */
PK_INLINE void pk_seen_from(struct pk_seen_id *id, struct task_struct *task, int directory) {
  struct fs_struct *fs = task->fs;
  id->parent = (__u64)BPF_CORE_READ(fs, root.dentry);
  struct file *file = directory < 0 ? NULL : pk_file_of_current(task, directory);
  struct path *start = directory == AT_FDCWD ? &fs->pwd : file ? &file->f_path : NULL;
  if (!start) return;
  id->dentry = (__u64)BPF_CORE_READ(start, dentry);
  id->mount = (__u64)BPF_CORE_READ(start, mnt);
}

PK_INLINE bool pk_same_open(const struct pk_seen_id *a, const struct pk_seen_id *b) {
  const __u64 *left = (const void *)a, *right = (const void *)b;
  __u64 differs = 0;
  for (__u32 i = 0; i < sizeof(*a) / 8; i++) differs |= left[i] ^ right[i];
  return !differs;
}

PK_INLINE __u64 pk_seen_slot(const struct pk_seen_id *id) {
  __u64 hash = (id->inode ^ id->name ^ id->dentry) * 0x9e3779b97f4a7c15ull;
  hash = (hash ^ hash >> 29 ^ id->who ^ id->flags) * 0xbf58476d1ce4e5b9ull;
  return (hash >> 32) & (PK_SEEN_SLOTS - 1);
}

/* Whether pk_is_new() will say no; with time to spare until it says yes again. */
PK_INLINE bool pk_was_told(const struct pk_seen_id *id, __u64 workspace) {
  struct pk_seen_key key = {.workspace = workspace, .slot = pk_seen_slot(id)};
  struct pk_seen *known = bpf_map_lookup_elem(&seen, &key);
  return known && pk_same_open(&known->id, id) &&
         bpf_ktime_get_boot_ns() - known->told_ns < PK_SEEN_AGAIN_NS / 2;
}

/* True when it is to be told; `repeats` says how often it came again since it last was. */
PK_INLINE bool pk_is_new(const struct pk_seen_id *id, __u64 workspace, __u32 *repeats) {
  struct pk_seen_key key = {.workspace = workspace, .slot = pk_seen_slot(id)};
  __u64 now = bpf_ktime_get_boot_ns();
  struct pk_seen *known = bpf_map_lookup_elem(&seen, &key);
  *repeats = 0;
  if (known && pk_same_open(&known->id, id)) {
    __sync_fetch_and_add(&known->repeats, 1);
    if (now - known->told_ns < PK_SEEN_AGAIN_NS) return false;
    known->told_ns = now;
    __u64 count = __sync_lock_test_and_set(&known->repeats, 0);
    *repeats = count > 0xffffffffull ? 0xffffffffu : count;
    return true;
  }
  struct pk_seen one = {.id = *id, .told_ns = now};
  bpf_map_update_elem(&seen, &key, &one, BPF_ANY);
  return true;
}

/* `opening` is zero when called; `asked` are flags that the kernel's file has forgotten by now. */
PK_INLINE void pk_fill_opening(struct pk_opening *opening, struct task_struct *task,
                               struct file *file, __u32 asked) {
  struct inode *inode = BPF_CORE_READ(file, f_inode);
  struct super_block *sb = BPF_CORE_READ(inode, i_sb);
  struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
  struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
  struct pk_seen_id *id = &opening->id;
  opening->file = file;
  opening->mode = BPF_CORE_READ(file, f_mode);
  bool writes = opening->mode & FMODE_WRITE;
  id->name = pk_hash_dentry(dentry);
  __u32 name_bits = pk_name_bits(id->name);
  opening->interest = pk_object_interest(task, inode, sb, writes) |
                      pk_name_interest(name_bits, pk_name_bits(pk_hash_dentry(parent)), writes);
  if (pk_other_mounts(BPF_CORE_READ(file, f_path.mnt), task)) opening->interest |= PK_OF_OTHER_ROOT;
  id->inode = BPF_CORE_READ(inode, i_ino);
  id->dev = BPF_CORE_READ(sb, s_dev);
  id->flags = BPF_CORE_READ(file, f_flags) | asked;
  opening->kind = pk_kind_of_open(file, dentry, name_bits, opening->mode);
  if (!opening->interest && unasked.opens >> opening->kind & 1) {
    pk_seen_by_program(id, task);
    return;
  }
  id->dentry = (__u64)dentry;
  id->parent = (__u64)parent;
  id->mount = (__u64)BPF_CORE_READ(file, f_path.mnt);
  pk_seen_by_process(id, task);
}

#endif
