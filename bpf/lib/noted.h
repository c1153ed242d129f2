/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the LSM tier (probes/lsm.bpf.c) notes down in the middle of a call, where the kernel holds
 * the object itself, for the handler at the call's end, which knows the result. By thread; a note is
 * made only inside a call that has a handler, which takes it away. Blind spot: whoever keeps
 * PK_NOTES_MAX calls waiting (opens of a fifo, of a slow file system) leaves no room for more: the
 * calls of everybody are then told as without this tier.
 */
#ifndef PICKET_LIB_NOTED_H
#define PICKET_LIB_NOTED_H

#include "bpf/lib/path.h"
#include "bpf/lib/rows.h"
#include "bpf/lib/scope.h"
#include "bpf/lib/seen.h"

#define PK_NOTES_MAX 4096 /* the agent makes it 1 where no LSM program is loaded */
#define PK_NOTED_TEXTS_MAX 512
#define PK_WORD_MAX 256

/* Set by the agent: which half of the calls comes to a handler, and whether anybody takes notes. */
const volatile __u8 compat_calls __weak;
const volatile __u8 takes_notes __weak;

/* What an LSM program was called for at all. */
volatile __u32 lsm_fired __weak;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PK_NOTES_MAX);
  __type(key, __u32);
  __type(value, struct pk_opening);
} openings __weak SEC(".maps");

struct pk_noted_text {
  char buffer[PK_PATH_MAX + 256]; /* as of pk_scratch.path */
  __u32 at;                       /* a path is buffer[at .. PK_PATH_MAX) */
  __u32 end;                      /* not 0: a text of this length from the buffer's start */
  __u32 truncated;
  __u32 is_there;
};

/* The programs here may be interrupted by others of their kind: no memory of a processor, but a
 * place of the thread's own. Texts are in the order of the record's. */
struct pk_noted {
  struct pk_noted_text text[2];
  char word[PK_WORD_MAX]; /* an attribute, a type of file systems; empty: none */
  struct inode *inode;    /* of what is changed by descriptor */
  __u64 generation; /* of `unasked`: a call that is no longer asked for leaves its note behind */
  struct pk_object object;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PK_NOTED_TEXTS_MAX);
  __type(key, __u32);
  __type(value, struct pk_noted);
} noted __weak SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pk_noted);
} blank_noted __weak SEC(".maps");

/* The call that this task is in the middle of, if `handler` tells of it. io_uring's workers are in
 * none. */
PK_INLINE __u16 pk_call_inside(struct task_struct *task, enum pk_handler handler) {
  bool compat = pk_in_compat_call(task);
  if (compat && !compat_calls) return PK_CALL_NONE;
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  __u64 number = ~0ull;
  bpf_probe_read_kernel(&number, sizeof(number), &regs->orig_ax);
  struct pk_call_row row = pk_row_of(number, compat);
  return row.handler == handler && pk_is_asked(row.call) ? row.call : PK_CALL_NONE;
}

/* The thread's place, empty; NULL: it has one already, or there is no room. */
PK_INLINE struct pk_noted *pk_new_noted(__u32 tid) {
  __u32 zero = 0;
  struct pk_noted *blank = bpf_map_lookup_elem(&blank_noted, &zero);
  if (!blank || bpf_map_update_elem(&noted, &tid, blank, BPF_NOEXIST)) return NULL;
  struct pk_noted *note = bpf_map_lookup_elem(&noted, &tid);
  if (note) note->generation = unasked.generation;
  return note;
}

PK_INLINE void pk_end_note(struct pk_noted_text *text, const struct pk_walk *walk) {
  text->at = walk->at;
  text->truncated = walk->truncated;
  text->is_there = 1;
}

PK_INLINE void pk_note_entry(struct pk_noted_text *text, struct vfsmount *mnt,
                             struct dentry *dentry, struct fs_struct *fs) {
  struct pk_walk walk;
  pk_walk_entry(&walk, text->buffer, mnt, dentry, fs);
  pk_end_note(text, &walk);
}

PK_INLINE void pk_note_path(struct pk_noted_text *text, struct path *path, struct fs_struct *fs) {
  pk_note_entry(text, BPF_CORE_READ(path, mnt), BPF_CORE_READ(path, dentry), fs);
}

/* A text that the kernel has copied from the caller already. */
PK_INLINE void pk_note_string(struct pk_noted_text *text, const char *from) {
  long length = bpf_probe_read_kernel_str(text->buffer, PK_PATH_MAX, from);
  if (length <= 1) return;
  text->end = length - 1;
  text->is_there = 1;
}

/* This task's note, if there is one. */
PK_INLINE struct pk_noted *pk_noted_of(struct task_struct *task) {
  __u32 tid = task->pid;
  struct pk_noted *note = takes_notes ? bpf_map_lookup_elem(&noted, &tid) : NULL;
  return note && note->generation == unasked.generation ? note : NULL;
}

PK_INLINE bool pk_is_noted(const struct pk_noted *note, __u32 text) {
  return note && note->text[text].is_there;
}

PK_INLINE void pk_append_noted(struct pk_tail *tail, pk_str *string, struct pk_noted_text *text) {
  if (text->end) {
    pk_append_kernel_string(tail, string, text->buffer);
    return;
  }
  struct pk_walk walk = {.buffer = text->buffer, .at = text->at, .truncated = text->truncated};
  pk_append_walk(tail, string, &walk);
}

PK_INLINE void pk_forget_notes(__u32 tid) {
  bpf_map_delete_elem(&openings, &tid);
  bpf_map_delete_elem(&noted, &tid);
}

#endif
