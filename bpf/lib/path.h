/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Paths from the kernel's own objects, never from a caller's string: a walk from the dentry up
 * through the mounts to the process's root, and from a kernfs node up to the root of the cgroup
 * tree. Both write backwards from the end of `buffer`. Blind spot: a path longer than about 3.8
 * KiB or 256 steps keeps its tail and is marked as truncated.
 */
#ifndef PICKET_LIB_PATH_H
#define PICKET_LIB_PATH_H

#include "bpf/lib/scratch.h"

#define PK_PATH_STEPS 256
#define PK_NAME_MASK 255 /* a name has at most NAME_MAX (255) bytes */

struct pk_walk {
  char *buffer; /* PK_PATH_MAX + 256 bytes */
  __u32 at;     /* the path is buffer[at .. PK_PATH_MAX) */
  __u32 truncated;
  struct dentry *dentry;
  struct vfsmount *mnt;
  struct dentry *root_dentry;
  struct vfsmount *root_mnt;
  struct kernfs_node *node;
  __u32 done;
};

PK_INLINE struct mount *pk_mount(struct vfsmount *mnt) {
  return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

PK_INLINE void pk_walk_start(struct pk_walk *walk, char *buffer) {
  __builtin_memset(walk, 0, sizeof(*walk));
  walk->buffer = buffer;
  walk->at = PK_PATH_MAX;
}

PK_INLINE void pk_prepend(struct pk_walk *walk, const void *name, __u32 length) {
  length &= PK_NAME_MASK;
  if (walk->at < PK_NAME_MASK + 1) {
    walk->truncated = 1;
    walk->done = 1;
    return;
  }
  __u32 at = (walk->at - length) & (PK_PATH_MAX - 1);
  bpf_probe_read_kernel(walk->buffer + at, length, name);
  walk->at = at;
}

PK_INLINE void pk_prepend_slash(struct pk_walk *walk) {
  __u32 at = (walk->at - 1) & (PK_PATH_MAX - 1);
  walk->buffer[at] = '/';
  walk->at = at;
}

static long pk_dentry_step(__u32 index, void *context) {
  struct pk_walk *walk = context;
  struct dentry *dentry = walk->dentry;
  struct vfsmount *mnt = walk->mnt;
  if (dentry == walk->root_dentry && mnt == walk->root_mnt) {
    walk->done = 1;
    return 1;
  }
  if (dentry == BPF_CORE_READ(mnt, mnt_root)) { /* top of this mount: go on where it is mounted */
    struct mount *mount = pk_mount(mnt);
    struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
    if (parent == mount) {
      /* Not mounted anywhere, like the private copy that runc runs from: the bare name is left. */
      if (walk->at == PK_PATH_MAX && BPF_CORE_READ(dentry, d_parent) != dentry)
        pk_prepend(walk, BPF_CORE_READ(dentry, d_name.name), BPF_CORE_READ(dentry, d_name.len));
      walk->done = 1;
      return 1;
    }
    walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
    walk->mnt = (void *)parent + bpf_core_field_offset(struct mount, mnt);
    return 0;
  }
  struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
  pk_prepend(walk, BPF_CORE_READ(dentry, d_name.name), BPF_CORE_READ(dentry, d_name.len));
  if (parent == dentry ||
      walk->done) { /* no place in any tree: memfd:NAME, pipe; keeps its bare name */
    walk->done = 1;
    return 1;
  }
  pk_prepend_slash(walk);
  walk->dentry = parent;
  return 0;
}

/* The name of `dentry`, on this mount, as a process with this `fs` sees it. */
PK_INLINE void pk_walk_entry(struct pk_walk *walk, char *buffer, struct vfsmount *mnt,
                             struct dentry *dentry, struct fs_struct *fs) {
  pk_walk_start(walk, buffer);
  walk->dentry = dentry;
  walk->mnt = mnt;
  walk->root_dentry = BPF_CORE_READ(fs, root.dentry);
  walk->root_mnt = BPF_CORE_READ(fs, root.mnt);
  if (!walk->dentry || !walk->mnt) return;
  bpf_loop(PK_PATH_STEPS, pk_dentry_step, walk, 0);
  if (!walk->done) walk->truncated = 1;
  if (walk->at == PK_PATH_MAX) pk_prepend_slash(walk);
}

PK_INLINE void pk_walk_path(struct pk_walk *walk, char *buffer, struct path *path,
                            struct fs_struct *fs) {
  pk_walk_entry(walk, buffer, BPF_CORE_READ(path, mnt), BPF_CORE_READ(path, dentry), fs);
}

static long pk_inner_step(__u32 index, void *context) {
  struct pk_walk *walk = context;
  struct dentry *dentry = walk->dentry;
  struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
  if (parent == dentry) {
    walk->done = 1;
    return 1;
  }
  pk_prepend(walk, BPF_CORE_READ(dentry, d_name.name), BPF_CORE_READ(dentry, d_name.len));
  if (walk->done) return 1;
  pk_prepend_slash(walk);
  walk->dentry = parent;
  return 0;
}

/* Where `dentry` lies in its own file system: nobody who mounts can change that. */
PK_INLINE void pk_walk_inner(struct pk_walk *walk, char *buffer, struct dentry *dentry) {
  pk_walk_start(walk, buffer);
  walk->dentry = dentry;
  bpf_loop(PK_PATH_STEPS, pk_inner_step, walk, 0);
  if (!walk->done) walk->truncated = 1;
  if (walk->at == PK_PATH_MAX) pk_prepend_slash(walk);
}

PK_INLINE struct kernfs_node *pk_kernfs_parent(struct kernfs_node *node) {
  if (bpf_core_field_exists(node->__parent)) return BPF_CORE_READ(node, __parent);
  return BPF_CORE_READ((struct kernfs_node___plain *)node, parent);
}

static long pk_kernfs_step(__u32 index, void *context) {
  struct pk_walk *walk = context;
  struct kernfs_node *node = walk->node;
  struct kernfs_node *parent = pk_kernfs_parent(node);
  if (!parent) {
    walk->done = 1;
    return 1;
  }
  /* The node keeps no length: copied to the space behind the path first, then put in front of it.
   */
  char *spare = walk->buffer + PK_PATH_MAX;
  long length = bpf_probe_read_kernel_str(spare, 256, BPF_CORE_READ(node, name));
  if (length <= 1) return 1;
  pk_prepend(walk, spare, length - 1);
  if (walk->done) return 1;
  pk_prepend_slash(walk);
  walk->node = parent;
  return 0;
}

PK_INLINE void pk_walk_cgroup(struct pk_walk *walk, char *buffer, struct kernfs_node *node) {
  pk_walk_start(walk, buffer);
  walk->node = node;
  bpf_loop(PK_PATH_STEPS, pk_kernfs_step, walk, 0);
  if (!walk->done) walk->truncated = 1;
  if (walk->at == PK_PATH_MAX) pk_prepend_slash(walk);
}

/* ---- the tail of a record in scratch memory ---- */

struct pk_tail {
  char *record;
  __u32 at;
  __u32 truncated;
};

/* The verifier follows every way through optional texts with what it knows of the tail's end; sent
 * through memory it knows nothing, and all ways look the same to it. A record's tail is always in
 * scratch memory, which the record begins. */
PK_INLINE void pk_forget(struct pk_tail *tail) {
  volatile struct pk_scratch *scratch = (void *)tail->record;
  scratch->at = tail->at;
  scratch->truncated = tail->truncated;
  tail->at = scratch->at;
  tail->truncated = scratch->truncated;
}

#define PK_TAIL_LAST \
  (PK_RECORD_MAX - PK_PATH_MAX) /* from here on nothing of full length fits any more */

/* The compiler drops a mask that a check has made needless, and the verifier loses a bound that was
 * checked on a copy in another register, or on half of it. */
#define PK_MASKED(value, mask)                                     \
  ({                                                               \
    __u32 masked_ = (value);                                       \
    asm volatile("%0 &= %1" : "+r"(masked_) : "i"((__u32)(mask))); \
    masked_;                                                       \
  })

PK_INLINE __u32 pk_bounded(__u32 at) { return PK_MASKED(at, PK_RECORD_MAX - 1); }

PK_INLINE void pk_append_walk(struct pk_tail *tail, pk_str *string, const struct pk_walk *walk) {
  __u32 at = tail->at;
  __u32 from = walk->at;
  if (walk->truncated) tail->truncated = 1;
  if (at > PK_TAIL_LAST || from > PK_PATH_MAX) {
    tail->truncated = 1;
    return;
  }
  at = pk_bounded(at);
  __u32 length = PK_PATH_MAX - from;
  if (length > PK_PATH_MAX - 1) length = PK_PATH_MAX - 1;
  bpf_probe_read_kernel(tail->record + at, length, walk->buffer + (from & (PK_PATH_MAX - 1)));
  string->offset = at;
  string->length = length;
  tail->at = at + length;
  pk_forget(tail);
}

/* A text of the caller's. It may be another by now than what the kernel read: whoever adds it says
 * so with PK_USER_TEXT when something rests on it. */
PK_INLINE void pk_append_user_string(struct pk_tail *tail, pk_str *string, __u64 from) {
  __u32 at = tail->at;
  if (at > PK_TAIL_LAST) {
    tail->truncated = 1;
    return;
  }
  long length = bpf_probe_read_user_str(tail->record + at, PK_PATH_MAX, (const void *)from);
  if (length <= 1) return;
  if (length > PK_PATH_MAX) return;
  string->offset = at;
  string->length = length - 1;
  tail->at = at + length - 1;
  pk_forget(tail);
}

PK_INLINE void pk_append_kernel_string(struct pk_tail *tail, pk_str *string, const char *from) {
  __u32 at = tail->at;
  if (at > PK_TAIL_LAST) {
    tail->truncated = 1;
    return;
  }
  long length = bpf_probe_read_kernel_str(tail->record + at, PK_PATH_MAX, from);
  if (length <= 1) return;
  if (length > PK_PATH_MAX) return;
  string->offset = at;
  string->length = length - 1;
  tail->at = at + length - 1;
  pk_forget(tail);
}

#endif
