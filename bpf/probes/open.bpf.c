/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The open family: which file a descriptor was opened for, and which was refused. */
#include "bpf/lib/holds.h"
#include "bpf/lib/name_hash.h"
#include "bpf/lib/noted.h"
#include "bpf/lib/ring.h"
#include "bpf/lib/seen.h"
#include "bpf/lib/syscall.h"

char LICENSE[] SEC("license") = "GPL";

#define O_WRONLY 01
#define O_RDWR 02
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_FOR_OPEN_ONLY (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC) /* the kernel's file forgets them */

#define EPERM 1
#define EACCES 13
#define EROFS 30

struct pk_asked { /* by the caller */
  __u64 path;
  int directory;
  __u32 flags;
  __u32 mode;
  __u32 resolve;
};

PK_INLINE void pk_read_asked(struct pk_asked *asked, const struct pk_call_state *call) {
  asked->directory = AT_FDCWD;
  if (call->call == PK_CALL_open || call->call == PK_CALL_creat) {
    bool creat = call->call == PK_CALL_creat;
    asked->path = call->argument[0];
    asked->flags = creat ? O_CREAT | O_WRONLY | O_TRUNC : call->argument[1];
    asked->mode = creat ? call->argument[1] : call->argument[2];
    return;
  }
  if (call->call == PK_CALL_open_by_handle_at) { /* no path: the handle is its name */
    asked->directory = -1;
    asked->flags = call->argument[2];
    return;
  }
  asked->directory = call->argument[0];
  asked->path = call->argument[1];
  asked->flags = call->argument[2];
  asked->mode = call->argument[3];
  if (call->call != PK_CALL_openat2) return;
  __u64 how[3] = {}; /* struct open_how: flags, mode, resolve */
  bpf_probe_read_user(how, sizeof(how), (const void *)call->argument[2]);
  asked->flags = how[0];
  asked->mode = how[1];
  asked->resolve = how[2];
}

PK_INLINE struct pk_open *pk_begin_open(struct pk_scratch *place, struct task_struct *task,
                                        const struct pk_call_state *call,
                                        const struct pk_asked *asked) {
  struct pk_open *record = (void *)place->record;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_call_header(&record->header, PK_OPEN, sizeof(*record), task, call);
  record->result = call->result;
  record->asked_mode = asked->flags & O_CREAT ? asked->mode : 0;
  bpf_core_read_str(record->comm, sizeof(record->comm), &task->comm);
  return record;
}

/* `kind` (PK_OPENS_OF) of one by name that is of no interest and makes no file. */
PK_INLINE void pk_end_open(struct pk_open *record, const struct pk_tail *tail, __u32 kind) {
  record->header.size = tail->at;
  if (tail->truncated) record->header.flags |= PK_TRUNCATED;
  /* What is of interest is rare, and may take the room of what is not. */
  bool bulk = !(record->interest & ~PK_OF_REFUSED);
  __u16 call = record->header.call;
  bool by_name = call != PK_CALL_NONE && call != PK_CALL_open_by_handle_at;
  bool plain = by_name && !record->interest && !record->created;
  pk_send_ranked(&record->header, PK_OPEN, plain ? PK_CLASS_PLAIN(kind & 7) : PK_CLASS_ANY, bulk);
}

PK_INLINE void pk_fill_opened(struct pk_object *object, struct task_struct *task,
                              const struct pk_opening *opening, struct file *now) {
  *object = opening->object;
  if (now != opening->file) return;
  if (object->kind == PK_FD_NONE) /* not noted */
    pk_fill_object(object, now, task);
  else /* an overlay makes its copy after the note */
    object->layer = pk_layer_of(BPF_CORE_READ(now, f_path.dentry), BPF_CORE_READ(now, f_inode),
                                BPF_CORE_READ(task, fs));
}

/* Its path as it was noted, else as it is now if the descriptor still holds the same file. */
PK_INLINE void pk_append_opened(struct pk_tail *tail, struct pk_open *record,
                                struct pk_scratch *place, struct task_struct *task,
                                const struct pk_opening *opening, struct file *now) {
  struct pk_noted *note = pk_noted_of(task);
  if (pk_is_noted(note, 0))
    pk_append_noted(tail, &record->path, &note->text[0]);
  else if (now == opening->file)
    pk_append_path(tail, &record->path, place->path, &now->f_path, BPF_CORE_READ(task, fs));
}

/* Only of what is of interest: who looks for a kernel's file does not want to know where it was
 * mounted. */
PK_INLINE void pk_append_inner(struct pk_tail *tail, struct pk_open *record, char *buffer,
                               struct file *file) {
  struct pk_walk walk;
  pk_walk_inner(&walk, buffer, BPF_CORE_READ(file, f_path.dentry));
  pk_append_walk(tail, &record->inner, &walk);
}

PK_INLINE void pk_tell_open(struct task_struct *task, const struct pk_call_state *call,
                            const struct pk_asked *asked, const struct pk_opening *opening,
                            struct file *now, __u32 repeats) {
  struct pk_scratch *place = pk_scratch();
  if (!place) return;
  struct pk_open *record = pk_begin_open(place, task, call, asked);
  pk_fill_opened(&record->object, task, opening, now);
  record->flags = opening->id.flags;
  record->interest = opening->interest;
  record->repeats = repeats;
  record->reads = !!(opening->mode & FMODE_READ);
  record->writes = !!(opening->mode & FMODE_WRITE);
  record->created = !!(opening->mode & FMODE_CREATED);
  struct pk_tail tail = {.record = place->record, .at = sizeof(*record)};
  pk_append_opened(&tail, record, place, task, opening, now);
  if (opening->interest && now && now == opening->file)
    pk_append_inner(&tail, record, place->path, now);
  if (asked->path) pk_append_user_string(&tail, &record->raw, asked->path);
  pk_end_open(record, &tail, opening->kind);
}

PK_INLINE void pk_on_opened(struct task_struct *task, const struct pk_call_state *call,
                            const struct pk_asked *asked, struct pk_opening *opening,
                            struct file *now) {
  /* Each process's own is told, asked for or not: rules know these by the call alone. */
  if (call->call == PK_CALL_open_by_handle_at) pk_seen_by_process(&opening->id, task);
  __u32 repeats = 0;
  bool is_new = pk_is_new(&opening->id, call->workspace, &repeats);
  if (is_new || opening->mode & FMODE_CREATED)
    pk_tell_open(task, call, asked, opening, now, repeats);
}

/* Of the name alone, which the scratch's path has: as it is in the caller's memory by now, marked as
 * that, or the kernel's copy of a ring's request. */
PK_INLINE void pk_tell_name(struct pk_scratch *place, struct task_struct *task,
                            const struct pk_call_state *call, const struct pk_asked *asked,
                            __u32 interest, __u32 repeats) {
  struct pk_open *record = pk_begin_open(place, task, call, asked);
  if (!(call->flags & PK_IO_URING)) record->header.flags |= PK_USER_TEXT;
  record->flags = asked->flags;
  record->interest = interest;
  record->repeats = repeats;
  record->writes = !!(asked->flags & (O_WRONLY | O_RDWR));
  record->reads = !(asked->flags & O_WRONLY);
  bool is_relative = place->path[0] != '/';
  struct pk_tail tail = {.record = place->record, .at = sizeof(*record)};
  pk_append_kernel_string(&tail, &record->raw, place->path);
  if (is_relative) pk_append_start(&tail, &record->directory, place->path, task, asked->directory);
  pk_end_open(record, &tail, 0); /* refused: of interest */
}

/* There is no file to look at, but a name of `length` bytes in the scratch's path. */
PK_INLINE void pk_on_nothing(struct task_struct *task, const struct pk_call_state *call,
                             const struct pk_asked *asked, struct pk_scratch *place, __u32 length) {
  struct pk_opening *opening = pk_empty_opening();
  if (!opening) return;
  struct pk_seen_id *id = &opening->id;
  id->name = pk_hash_text(place->path, length);
  id->flags = asked->flags;
  id->resolve = asked->resolve;
  id->result = call->result;
  pk_seen_from(id, task, asked->directory);
  pk_seen_by_process(id, task);
  __u32 repeats = 0;
  if (pk_is_new(id, call->workspace, &repeats))
    pk_tell_name(place, task, call, asked, PK_OF_REFUSED, repeats);
}

/* Refused, or to be written to, or nothing is left of it. What was not found is no news. */
PK_INLINE bool pk_is_told_failure(const struct pk_call_state *call, const struct pk_asked *asked) {
  bool denied = call->result == -EPERM || call->result == -EACCES || call->result == -EROFS;
  return call->result >= 0 || denied || asked->flags & (O_WRONLY | O_RDWR);
}

/*
 * Hook: the end of open, openat, openat2, creat and open_by_handle_at (syscall.bpf.c): the result is
 *   the descriptor. What was opened is what the LSM tier noted; without it, what is in the
 *   descriptor: the kernel's own file, which no other thread can swap a name of.
 * Oldest kernel: 6.1.
 * Cost: about 0.3 us for an open that was told before, 2 us for a record.
 * Blind spot: repeats of what was told (decisions/0006); of a refused open the path is the caller's.
 *   Without a note another thread can put another file into the descriptor between the kernel's last
 *   step and this one (architecture.md has the measured rate).
 */
PK_CALL_HANDLER(open) {
  struct pk_asked asked = {};
  pk_read_asked(&asked, call);
  /* Another thread may have emptied the descriptor already. */
  struct file *file = call->result >= 0 ? pk_file_of_current(task, call->result) : NULL;
  __u32 tid = task->pid;
  struct pk_opening *opening = takes_notes ? bpf_map_lookup_elem(&openings, &tid) : NULL;
  if (opening && call->result >= 0) {
    pk_on_opened(task, call, &asked, opening, file);
  } else if (file) {
    struct pk_opening *found = pk_empty_opening();
    if (!found) return;
    pk_fill_opening(found, task, file, asked.flags & O_FOR_OPEN_ONLY);
    pk_on_opened(task, call, &asked, found, file);
  } else if (pk_is_told_failure(call, &asked)) {
    struct pk_scratch *place = pk_scratch();
    if (!place) return;
    place->path[0] = 0;
    long length = bpf_probe_read_user_str(place->path, PK_PATH_MAX, (const void *)asked.path);
    pk_on_nothing(task, call, &asked, place, length > 0 ? length - 1 : 0);
  }
  if (file && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFIFO)
    pk_tell_own_holds(task, false);
  if (takes_notes) pk_forget_notes(tid);
}

/* A ring's request loses its name before it is told of as refused: until then it is kept here, by
 * the request. */
struct pk_ring_name {
  char text[PK_PATH_MAX];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PK_RING_NAMES_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct pk_ring_name);
} ring_names SEC(".maps");

PK_INLINE void pk_read_asked_of_ring(struct pk_asked *asked, struct io_open *open) {
  asked->directory = BPF_CORE_READ(open, dfd);
  asked->flags = BPF_CORE_READ(open, how.flags);
  asked->mode = BPF_CORE_READ(open, how.mode);
  asked->resolve = BPF_CORE_READ(open, how.resolve);
}

PK_INLINE void pk_on_ring_opened(struct task_struct *task, const struct pk_call_state *call,
                                 struct io_open *open, const struct pk_ring_name *name) {
  struct pk_asked asked = {};
  pk_read_asked_of_ring(&asked, open);
  bool tabled = BPF_CORE_READ(open, file_slot);
  struct file *file = call->result < 0 || tabled ? NULL : pk_file_of_current(task, call->result);
  if (file) {
    struct pk_opening *found = pk_empty_opening();
    if (!found) return;
    pk_fill_opening(found, task, file, asked.flags & O_FOR_OPEN_ONLY);
    pk_on_opened(task, call, &asked, found, file);
    return;
  }
  struct pk_scratch *place = pk_scratch();
  if (!name || !place || !pk_is_told_failure(call, &asked)) return;
  long length = bpf_probe_read_kernel_str(place->path, PK_PATH_MAX, name->text);
  if (call->result >= 0 && tabled)
    pk_tell_name(place, task, call, &asked, 0, 0);
  else
    pk_on_nothing(task, call, &asked, place, length > 0 ? length - 1 : 0);
}

/*
 * Hook: io_uring_complete: an openat of a ring is done, and its descriptor in place. Its arguments
 *   differ from kernel to kernel, but for the request, which keeps the result.
 * Oldest kernel: 6.1.
 * Cost: a look at the operation for every request of the machine that is done; as of openat for those
 *   of a workspace.
 * Blind spot: as of openat; what a name into the ring's own table leads to: no descriptor does.
 */
SEC("tp_btf/io_uring_complete")
int on_ring_opened(__u64 *ctx) {
  struct io_kiocb *request = (void *)ctx[1];
  if (!request) return 0; /* one of several answers to one request */
  __u16 opens = pk_ring_open_call(pk_operation(request));
  if (opens == PK_CALL_NONE) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  __u64 key = (__u64)request;
  struct pk_ring_name *name = bpf_map_lookup_elem(&ring_names, &key);
  struct pk_call_state call = {};
  if (pk_take_request(&call, task, opens)) {
    call.result = BPF_CORE_READ(request, cqe.res);
    pk_on_ring_opened(task, &call, (struct io_open *)request, name);
  }
  if (name) bpf_map_delete_elem(&ring_names, &key);
  return 0;
}

/*
 * Hook: io_uring_submit_req (6.1: io_uring_submit_sqe): an openat of a ring begins. The kernel's copy
 *   of its name is noted until it is done. One that asks not to be told of its end, and one for whose
 *   name there is no room, is told now.
 * Oldest kernel: 6.1.
 * Cost: a look at the operation for every request of the machine; 1 us for one of a workspace.
 * Blind spot: of what is told now where the name leads to, and whether it does.
 */
SEC("tp_btf/io_uring_submit_req")
int on_ring_open(__u64 *ctx) {
  struct io_kiocb *request = (void *)ctx[0];
  struct task_struct *task = bpf_get_current_task_btf();
  struct io_open *open = (void *)request;
  struct pk_call_state call = {};
  if (!pk_take_request(&call, task, pk_ring_open_call(pk_begun_operation(request)))) return 0;
  struct pk_scratch *place = pk_scratch();
  if (!place) return 0;
  place->path[0] = 0;
  struct filename *name = BPF_CORE_READ(open, filename);
  bpf_probe_read_kernel_str(place->path, PK_PATH_MAX, BPF_CORE_READ(name, name));
  __u64 key = (__u64)request;
  if (!pk_is_silent(request) && !bpf_map_update_elem(&ring_names, &key, place->path, BPF_ANY))
    return 0;
  struct pk_asked asked = {};
  pk_read_asked_of_ring(&asked, open);
  pk_tell_name(place, task, &call, &asked, 0, 0);
  return 0;
}

/*
 * Hook: io_uring_fail_link: a request that waited for another will never run, and may end without a
 *   word. Nothing is told; its name is forgotten.
 * Oldest kernel: 6.1.
 * Cost: a look-up for every such request of the machine.
 * Blind spot: none.
 */
SEC("tp_btf/io_uring_fail_link")
int on_ring_unlinked(__u64 *ctx) {
  __u64 key = ctx[1];
  bpf_map_delete_elem(&ring_names, &key);
  return 0;
}
