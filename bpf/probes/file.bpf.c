/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The file family: names and attributes of files that are made, changed and removed. */
#include "bpf/lib/noted.h"
#include "bpf/lib/object.h"
#include "bpf/lib/ring.h"
#include "bpf/lib/syscall.h"

char LICENSE[] SEC("license") = "GPL";

/* Which argument is what, counted from 1; 0: the call has none. */
struct pk_shape {
  __u8 file; /* a descriptor of what is changed */
  __u8 directory, path, directory2, path2;
  __u8 mode, owner, rdev, size, flags, name;
};

#define PK_SHAPE(call, ...) [PK_CALL_##call] = {__VA_ARGS__}
static const struct pk_shape shapes[PK_CALL_END] = {
    PK_SHAPE(mkdir, .path = 1, .mode = 2),
    PK_SHAPE(mkdirat, .directory = 1, .path = 2, .mode = 3),
    PK_SHAPE(mknod, .path = 1, .mode = 2, .rdev = 3),
    PK_SHAPE(mknodat, .directory = 1, .path = 2, .mode = 3, .rdev = 4),
    PK_SHAPE(rename, .path = 1, .path2 = 2),
    PK_SHAPE(renameat, .directory = 1, .path = 2, .directory2 = 3, .path2 = 4),
    PK_SHAPE(renameat2, .directory = 1, .path = 2, .directory2 = 3, .path2 = 4, .flags = 5),
    PK_SHAPE(link, .path = 1, .path2 = 2),
    PK_SHAPE(linkat, .directory = 1, .path = 2, .directory2 = 3, .path2 = 4, .flags = 5),
    PK_SHAPE(symlink, .path2 = 1, .path = 2),
    PK_SHAPE(symlinkat, .path2 = 1, .directory = 2, .path = 3),
    PK_SHAPE(unlink, .path = 1),
    PK_SHAPE(unlinkat, .directory = 1, .path = 2, .flags = 3),
    PK_SHAPE(rmdir, .path = 1),
    PK_SHAPE(chmod, .path = 1, .mode = 2),
    PK_SHAPE(fchmod, .file = 1, .mode = 2),
    PK_SHAPE(fchmodat, .directory = 1, .path = 2, .mode = 3),
    PK_SHAPE(fchmodat2, .directory = 1, .path = 2, .mode = 3, .flags = 4),
    PK_SHAPE(chown, .path = 1, .owner = 2),
    PK_SHAPE(chown32, .path = 1, .owner = 2),
    PK_SHAPE(lchown, .path = 1, .owner = 2),
    PK_SHAPE(lchown32, .path = 1, .owner = 2),
    PK_SHAPE(fchown, .file = 1, .owner = 2),
    PK_SHAPE(fchown32, .file = 1, .owner = 2),
    PK_SHAPE(fchownat, .directory = 1, .path = 2, .owner = 3, .flags = 5),
    PK_SHAPE(truncate, .path = 1, .size = 2),
    PK_SHAPE(truncate64, .path = 1, .size = 2),
    PK_SHAPE(ftruncate, .file = 1, .size = 2),
    PK_SHAPE(ftruncate64, .file = 1, .size = 2),
    PK_SHAPE(setxattr, .path = 1, .name = 2),
    PK_SHAPE(lsetxattr, .path = 1, .name = 2),
    PK_SHAPE(fsetxattr, .file = 1, .name = 2),
    PK_SHAPE(setxattrat, .directory = 1, .path = 2, .flags = 3, .name = 4),
};

/* i386's first calls of that name have short ids; its later ones have long lengths in two halves. */
PK_INLINE bool pk_has_short_ids(const struct pk_call_state *call) {
  return call->flags & PK_COMPAT && (call->call == PK_CALL_chown || call->call == PK_CALL_lchown ||
                                     call->call == PK_CALL_fchown);
}

PK_INLINE bool pk_has_two_halves(const struct pk_call_state *call) {
  return call->call == PK_CALL_truncate64 || call->call == PK_CALL_ftruncate64;
}

PK_INLINE void pk_fill_asked(struct pk_file *record, const struct pk_call_state *call,
                             const struct pk_shape *shape) {
  record->result = call->result;
  record->size = pk_argument(call, shape->size);
  if (pk_has_two_halves(call)) record->size |= pk_argument(call, shape->size + 1) << 32;
  record->asked_mode = pk_argument(call, shape->mode);
  record->asked_rdev = pk_argument(call, shape->rdev);
  record->flags = pk_argument(call, shape->flags);
  record->asked_owner = record->asked_group = 0xffffffffu;
  if (!shape->owner) return;
  record->asked_owner = pk_argument(call, shape->owner);
  record->asked_group = pk_argument(call, shape->owner + 1);
  if (!pk_has_short_ids(call)) return;
  record->asked_owner = pk_long_id(record->asked_owner);
  record->asked_group = pk_long_id(record->asked_group);
}

/* Of a call with a descriptor: what it was for was noted; without that, what is in it now. */
PK_INLINE void pk_append_changed(struct pk_tail *tail, struct pk_file *record,
                                 struct pk_scratch *scratch, struct task_struct *task, __u32 fd,
                                 struct pk_noted *note) {
  struct file *file = pk_file_of_fd(task, fd);
  bool same = file && (!note || !note->inode || BPF_CORE_READ(file, f_inode) == note->inode);
  if (same)
    pk_fill_object(&record->object, file, task);
  else if (note)
    record->object = note->object;
  if (pk_is_noted(note, 0))
    pk_append_noted(tail, &record->path, &note->text[0]);
  else if (same)
    pk_append_path(tail, &record->path, scratch->path, &file->f_path, BPF_CORE_READ(task, fs));
}

struct pk_named { /* an argument of the call */
  __u64 path;
  int start;
  bool is_relative; /* it may be: its start is told then */
};

/* A name as the kernel resolved it, if that was noted; else the caller's. */
PK_INLINE void pk_append_name(struct pk_tail *tail, struct pk_file *record,
                              struct pk_scratch *scratch, struct task_struct *task,
                              const struct pk_named *name, struct pk_noted *note, __u32 place) {
  pk_str *text = place ? &record->path2 : &record->path;
  if (pk_is_noted(note, place)) {
    pk_append_noted(tail, text, &note->text[place]);
    return;
  }
  record->header.flags |= PK_USER_TEXT;
  pk_append_user_string(tail, text, name->path);
  if (name->is_relative && pk_is_relative(name->path))
    pk_append_start(tail, place ? &record->directory2 : &record->directory, scratch->path, task,
                    name->start);
}

PK_INLINE void pk_append_attribute(struct pk_tail *tail, struct pk_file *record, __u64 name,
                                   struct pk_noted *note) {
  if (note && note->word[0]) {
    pk_append_kernel_string(tail, &record->name, note->word);
    return;
  }
  record->header.flags |= PK_USER_TEXT;
  pk_append_user_string(tail, &record->name, name);
}

/*
 * Hook: the end of the calls that make, change and remove names and attributes (syscall.bpf.c).
 * Oldest kernel: 6.1; fchmodat2 since 6.6, setxattrat since 6.13.
 * Cost: about 2 us a call of a watched process.
 * Blind spot: without a note of the LSM tier nothing tells which file a path led to. With a
 *   descriptor it is the kernel's own file; a path is the text that the caller passed, marked
 *   PK_USER_TEXT, and the directory that it starts from, which is the kernel's. Links on the way are
 *   not followed.
 */
PK_CALL_HANDLER(file) {
  __u32 number = call->call;
  if (number >= PK_CALL_END) return;
  /* Copied by the helper, so that 6.1 need not follow the index any further. */
  struct pk_shape copy = {};
  bpf_probe_read_kernel(&copy, sizeof(copy), &shapes[number]);
  const struct pk_shape *shape = &copy;
  struct pk_scratch *scratch = pk_scratch();
  if (!scratch) return; /* cannot happen */
  struct pk_file *record = (void *)scratch->record;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_call_header(&record->header, PK_FILE, sizeof(*record), task, call);
  pk_fill_asked(record, call, shape);
  bpf_core_read_str(record->comm, sizeof(record->comm), &task->comm);

  struct pk_tail tail = {.record = scratch->record, .at = sizeof(*record)};
  struct pk_noted *note = pk_noted_of(task);
  if (shape->file)
    pk_append_changed(&tail, record, scratch, task, pk_argument(call, shape->file), note);
  struct pk_named first = {
      .path = pk_argument(call, shape->path),
      .start = shape->directory ? pk_argument(call, shape->directory) : AT_FDCWD,
      .is_relative = true,
  };
  if (first.path) pk_append_name(&tail, record, scratch, task, &first, note, 0);
  bool link_text = number == PK_CALL_symlink || number == PK_CALL_symlinkat;
  struct pk_named second = {
      .path = pk_argument(call, shape->path2),
      .start = shape->directory2 ? pk_argument(call, shape->directory2) : AT_FDCWD,
      .is_relative = !link_text,
  };
  if (second.path) pk_append_name(&tail, record, scratch, task, &second, note, 1);
  if (shape->name) pk_append_attribute(&tail, record, pk_argument(call, shape->name), note);
  record->header.size = tail.at;
  if (tail.truncated) record->header.flags |= PK_TRUNCATED;
  pk_send(&record->header, PK_FILE, PK_CLASS_ANY);
  if (takes_notes) pk_forget_notes(task->pid);
}

struct pk_renaming { /* what all of a ring's changes come down to */
  struct filename *name, *name2;
  const char *attribute;
  int start, start2;
  __u32 flags, mode;
};

PK_INLINE void pk_read_renaming(struct pk_renaming *change, struct io_kiocb *request, __u16 call) {
  if (call == PK_CALL_unlinkat) {
    struct io_unlink *unlink = (void *)request;
    change->name = BPF_CORE_READ(unlink, filename);
    change->start = BPF_CORE_READ(unlink, dfd);
    change->flags = BPF_CORE_READ(unlink, flags);
  } else if (call == PK_CALL_mkdirat) {
    struct io_mkdir *mkdir = (void *)request;
    change->name = BPF_CORE_READ(mkdir, filename);
    change->start = BPF_CORE_READ(mkdir, dfd);
    change->mode = BPF_CORE_READ(mkdir, mode);
  } else if (call == PK_CALL_setxattr) {
    struct io_xattr *attribute = (void *)request;
    change->name = BPF_CORE_READ(attribute, filename);
    change->attribute = (const char *)BPF_CORE_READ(attribute, ctx.kname);
    change->start = AT_FDCWD;
  } else if (call == PK_CALL_renameat2) {
    struct io_rename *rename = (void *)request;
    change->name = BPF_CORE_READ(rename, oldpath);
    change->name2 = BPF_CORE_READ(rename, newpath);
    change->start = BPF_CORE_READ(rename, old_dfd);
    change->start2 = BPF_CORE_READ(rename, new_dfd);
    change->flags = BPF_CORE_READ(rename, flags);
  } else {
    struct io_link *link = (void *)request;
    bool symbolic = call == PK_CALL_symlinkat; /* the link first, then what it says */
    change->name = symbolic ? BPF_CORE_READ(link, newpath) : BPF_CORE_READ(link, oldpath);
    change->name2 = symbolic ? BPF_CORE_READ(link, oldpath) : BPF_CORE_READ(link, newpath);
    change->start = symbolic ? BPF_CORE_READ(link, new_dfd) : BPF_CORE_READ(link, old_dfd);
    change->start2 = BPF_CORE_READ(link, new_dfd);
    change->flags = symbolic ? 0 : BPF_CORE_READ(link, flags);
  }
}

/*
 * Hook: io_uring_submit_req (6.1: io_uring_submit_sqe): a ring begins to rename, link, remove or make
 *   something; its request has the kernel's copy of the names.
 * Oldest kernel: 6.1.
 * Cost: a look at the operation for every request of the machine; 2 us for one of a workspace.
 * Blind spot: whether it succeeds, and where links on the way lead to; chmod, chown and truncate,
 *   which rings cannot; fsetxattr and ftruncate, of whose file the open was told.
 */
SEC("tp_btf/io_uring_submit_req")
int on_ring_change(__u64 *ctx) {
  struct io_kiocb *request = (void *)ctx[0];
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_call_state call = {};
  if (!pk_take_request(&call, task, pk_ring_file_call(pk_begun_operation(request)))) return 0;
  struct pk_scratch *scratch = pk_scratch();
  if (!scratch) return 0;
  struct pk_renaming change = {};
  pk_read_renaming(&change, request, call.call);
  struct pk_file *record = (void *)scratch->record;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_call_header(&record->header, PK_FILE, sizeof(*record), task, &call);
  record->flags = change.flags;
  record->asked_mode = change.mode;
  record->asked_owner = record->asked_group = 0xffffffffu;
  bpf_core_read_str(record->comm, sizeof(record->comm), &task->comm);
  struct pk_tail tail = {.record = scratch->record, .at = sizeof(*record)};
  /* Not read through `change`, which would pass for a struct of the kernel's. */
  struct filename *name = change.name, *name2 = change.name2;
  const char *attribute = change.attribute;
  pk_append_kernel_string(&tail, &record->path, BPF_CORE_READ(name, name));
  if (pk_is_relative_name(name))
    pk_append_start(&tail, &record->directory, scratch->path, task, change.start);
  if (name2) {
    pk_append_kernel_string(&tail, &record->path2, BPF_CORE_READ(name2, name));
    if (call.call != PK_CALL_symlinkat && pk_is_relative_name(name2))
      pk_append_start(&tail, &record->directory2, scratch->path, task, change.start2);
  }
  if (attribute) pk_append_kernel_string(&tail, &record->name, attribute);
  record->header.size = tail.at;
  if (tail.truncated) record->header.flags |= PK_TRUNCATED;
  pk_send(&record->header, PK_FILE, PK_CLASS_ANY);
  return 0;
}
