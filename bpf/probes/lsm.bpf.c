/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The LSM tier's eyes: in the middle of a call, where the kernel itself holds what the call is
 * about. They only take notes (lib/noted.h): the record is still made at the call's end, so it is
 * the same on both tiers, and told once. No fentry: the kernel leaves out such a program where it
 * interrupts itself, but never one of these.
 *
 * Every program here returns the value that it was given, read as the last thing from the context,
 * so that the agent can prove it from the instructions before it attaches (agent/sensor/
 * observe_only.h). What it does stands in a function of its own for that.
 */
#include "bpf/lib/noted.h"

char LICENSE[] SEC("license") = "GPL";

/* PK_OBSERVE(file_open, 1) { ... } sees `ctx` with as many arguments; the given value follows. */
#define PK_OBSERVE(hook, arguments)                     \
  static __noinline void pk_observe_##hook(__u64 *ctx); \
  SEC("?lsm/" #hook)                                    \
  int on_lsm_##hook(__u64 *ctx) {                       \
    pk_observe_##hook(ctx);                             \
    return ((volatile __u64 *)ctx)[arguments];          \
  }                                                     \
  static __noinline void pk_observe_##hook(__u64 *ctx)

#define MNT_NS_INTERNAL (-22l) /* a mount that no namespace has: the kernel's own */
#define SB_KERNMOUNT (1ul << 22)

/* A file that one file system opens in another: mounted for itself alone. Unlike a memfd, whose file
 * system was made by the kernel and which processes open through /proc. */
PK_INLINE bool pk_is_in_layer(struct file *file) {
  struct mount *mount = pk_mount(BPF_CORE_READ(file, f_path.mnt));
  return (long)BPF_CORE_READ(mount, mnt_ns) == MNT_NS_INTERNAL &&
         !(BPF_CORE_READ(file, f_path.mnt, mnt_sb, s_flags) & SB_KERNMOUNT);
}

/*
 * Hook: file_open: the kernel has found the file and has not given it a descriptor yet, so that
 *   nobody can swap either; fires for what overlayfs opens by itself in its layers too, which is
 *   left out.
 * Oldest kernel: 6.1, with bpf among its security modules.
 * Cost: one look-up for a stranger's open, about 0.5 us for one of a workspace.
 * Blind spot: O_PATH, for which no security module is asked, and open_by_handle_at, during which
 *   the kernel opens directories by itself: both are told from the descriptor.
 */
PK_OBSERVE(file_open, 1) {
  if (!lsm_fired) lsm_fired = 1;
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_label *label = pk_label_of(task);
  if (!label) return;
  __u16 call = pk_call_inside(task, PK_ON_OPEN);
  if (call == PK_CALL_NONE || call == PK_CALL_open_by_handle_at) return;
  struct file *file = (void *)ctx[0];
  if (pk_is_in_layer(file)) return;
  struct pk_opening opening = {};
  pk_fill_opening(&opening, task, file, 0);
  pk_fill_object(&opening.object, file, task);
  __u32 tid = task->pid;
  if (bpf_map_update_elem(&openings, &tid, &opening, BPF_NOEXIST)) return;
  if (!(opening.mode & FMODE_CREATED) && pk_was_told(&opening.id, label->workspace)) return;
  struct pk_noted *place = pk_new_noted(tid);
  if (place) pk_note_path(&place->text[0], &file->f_path, BPF_CORE_READ(task, fs));
}

/* ---- names and attributes of files: for file.bpf.c ---- */

/* The place for what a call of a workspace's process is about; NULL: it is nobody's business, or
 * only the file system's own part of a call that has its note already. */
PK_INLINE struct pk_noted *pk_begin_note(struct task_struct *task, enum pk_handler handler) {
  if (!pk_label_of(task) || pk_call_inside(task, handler) == PK_CALL_NONE) return NULL;
  return pk_new_noted(task->pid);
}

PK_INLINE struct vfsmount *pk_mount_of(__u64 path) {
  return BPF_CORE_READ((struct path *)path, mnt);
}

/* `directory` and `dentry` as the hooks on names have them. */
PK_INLINE void pk_note_name(__u64 directory, __u64 dentry) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_FILE);
  if (note)
    pk_note_entry(&note->text[0], pk_mount_of(directory), (struct dentry *)dentry,
                  BPF_CORE_READ(task, fs));
}

PK_INLINE void pk_note_two_names(struct vfsmount *from_mount, __u64 from, struct vfsmount *to_mount,
                                 __u64 to) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_FILE);
  if (!note) return;
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  pk_note_entry(&note->text[0], from_mount, (struct dentry *)from, fs);
  pk_note_entry(&note->text[1], to_mount, (struct dentry *)to, fs);
}

/* Of calls by name and by descriptor. */
PK_INLINE void pk_note_changed(__u64 changed) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_FILE);
  if (!note) return;
  struct path *path = (struct path *)changed;
  struct dentry *dentry = BPF_CORE_READ(path, dentry);
  note->inode = BPF_CORE_READ(dentry, d_inode);
  pk_fill_inode(&note->object, dentry, note->inode, task);
  pk_note_path(&note->text[0], path, BPF_CORE_READ(task, fs));
}

/*
 * Hooks: path_*: the kernel has found the directory or the file that a name leads to, followed the
 *   links and holds it; what the caller's memory says now does not matter any more.
 * Oldest kernel: 6.1, with bpf among its security modules and one that asks for paths (AppArmor,
 *   Landlock or TOMOYO).
 * Cost: one look-up for a stranger, about 1 us a name of a workspace.
 * Blind spot: a call that fails before its name is found, which is told with the caller's text, and
 *   ftruncate from 6.2 on, which is told from the descriptor.
 */
PK_OBSERVE(path_mkdir, 3) { pk_note_name(ctx[0], ctx[1]); }
PK_OBSERVE(path_mknod, 4) { pk_note_name(ctx[0], ctx[1]); }
PK_OBSERVE(path_unlink, 2) { pk_note_name(ctx[0], ctx[1]); }
PK_OBSERVE(path_rmdir, 2) { pk_note_name(ctx[0], ctx[1]); }
PK_OBSERVE(path_chmod, 2) { pk_note_changed(ctx[0]); }
PK_OBSERVE(path_chown, 3) { pk_note_changed(ctx[0]); }
PK_OBSERVE(path_truncate, 1) { pk_note_changed(ctx[0]); }
PK_OBSERVE(path_rename, 5) {
  pk_note_two_names(pk_mount_of(ctx[0]), ctx[1], pk_mount_of(ctx[2]), ctx[3]);
}
/* A link's two names are on one mount. */
PK_OBSERVE(path_link, 3) {
  pk_note_two_names(pk_mount_of(ctx[1]), ctx[0], pk_mount_of(ctx[1]), ctx[2]);
}
PK_OBSERVE(path_symlink, 3) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_FILE);
  if (!note) return;
  pk_note_entry(&note->text[0], pk_mount_of(ctx[0]), (struct dentry *)ctx[1],
                BPF_CORE_READ(task, fs));
  pk_note_string(&note->text[1], (const char *)ctx[2]);
}

/*
 * Hook: inode_setxattr, the only one that knows the attribute's name.
 * Oldest kernel: 6.1, with bpf among its security modules.
 * Cost: as above.
 * Blind spot: it knows no mount: of a file by name that is not on the file system of the process's
 *   root the path is the caller's text.
 */
PK_OBSERVE(inode_setxattr, 6) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_FILE);
  if (!note) return;
  struct dentry *dentry = (struct dentry *)ctx[1];
  bpf_probe_read_kernel_str(note->word, sizeof(note->word), (const char *)ctx[2]);
  note->inode = BPF_CORE_READ(dentry, d_inode);
  pk_fill_inode(&note->object, dentry, note->inode, task);
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  struct dentry *root = BPF_CORE_READ(fs, root.dentry);
  bool whole = root == BPF_CORE_READ(root, d_parent); /* no part of a file system */
  if (whole && BPF_CORE_READ(root, d_sb) == BPF_CORE_READ(dentry, d_sb))
    pk_note_entry(&note->text[0], BPF_CORE_READ(fs, root.mnt), dentry, fs);
}

/* ---- mounts and roots: for system.bpf.c ---- */

/*
 * Hooks: sb_mount and its like: the kernel has copied the texts and found the places.
 * Oldest kernel: 6.1, with bpf among its security modules; path_chroot as above.
 * Cost: about 1 us a call; they are rare.
 * Blind spot: fspick, open_tree and mount_setattr, of which no hook has the path; what move_mount
 *   moves, if it is mounted nowhere yet.
 */
PK_OBSERVE(sb_mount, 5) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_SYSTEM);
  if (!note) return;
  pk_note_string(&note->text[0], (const char *)ctx[0]);
  pk_note_path(&note->text[1], (struct path *)ctx[1], BPF_CORE_READ(task, fs));
  bpf_probe_read_kernel_str(note->word, sizeof(note->word), (const char *)ctx[2]);
}

PK_OBSERVE(sb_umount, 2) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_SYSTEM);
  struct vfsmount *mnt = (struct vfsmount *)ctx[0];
  if (note)
    pk_note_entry(&note->text[0], mnt, BPF_CORE_READ(mnt, mnt_root), BPF_CORE_READ(task, fs));
}

PK_OBSERVE(move_mount, 2) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_SYSTEM);
  if (!note) return;
  struct path *from = (struct path *)ctx[0];
  struct mount *moved = (void *)BPF_CORE_READ(from, mnt) - bpf_core_field_offset(struct mount, mnt);
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  if (BPF_CORE_READ(moved, mnt_parent) != moved) pk_note_path(&note->text[0], from, fs);
  pk_note_path(&note->text[1], (struct path *)ctx[1], fs);
}

PK_OBSERVE(sb_pivotroot, 2) { /* the old root's new place comes first */
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_SYSTEM);
  if (!note) return;
  struct fs_struct *fs = BPF_CORE_READ(task, fs);
  pk_note_path(&note->text[0], (struct path *)ctx[1], fs);
  pk_note_path(&note->text[1], (struct path *)ctx[0], fs);
}

PK_OBSERVE(path_chroot, 1) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_noted *note = pk_begin_note(task, PK_ON_SYSTEM);
  if (note) pk_note_path(&note->text[0], (struct path *)ctx[0], BPF_CORE_READ(task, fs));
}
