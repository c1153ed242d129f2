/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The system family: calls of which name, arguments and result say all there is to say, and signals
 * to strangers. */
#include "bpf/lib/fd.h"
#include "bpf/lib/killed.h"
#include "bpf/lib/name_hash.h"
#include "bpf/lib/namespaces.h"
#include "bpf/lib/noted.h"
#include "bpf/lib/path.h"
#include "bpf/lib/rows.h"
#include "bpf/lib/syscall.h"
#include "bpf/lib/target.h"
#include "bpf/lib/unasked.h"

char LICENSE[] SEC("license") = "GPL";

/* Which arguments are texts, counted from 1, out of their bits; 0: no more. */
struct pk_texts {
  __u8 place[PK_TEXTS];
};

#define PK_LOWEST(bits) \
  ((bits)&0x1    ? 1    \
   : (bits)&0x2  ? 2    \
   : (bits)&0x4  ? 3    \
   : (bits)&0x8  ? 4    \
   : (bits)&0x10 ? 5    \
   : (bits)&0x20 ? 6    \
                 : 0)
#define PK_OTHERS(bits) ((bits) & ((bits)-1))
#define PK_TEXTS_OF(name, bits) \
  [PK_CALL_##name] = {          \
      {PK_LOWEST(bits), PK_LOWEST(PK_OTHERS(bits)), PK_LOWEST(PK_OTHERS(PK_OTHERS(bits)))}},
static const struct pk_texts text_arguments[PK_CALL_END] = {PK_TEXT_ARGUMENTS(PK_TEXTS_OF)};

#define FSCONFIG_SET_STRING 1
#define PK_IDS 3 /* that a call takes at most */

#define PR_SET_DUMPABLE 4
#define PR_SET_KEEPCAPS 8
#define PR_SET_SECCOMP 22
#define PR_SET_SECUREBITS 28
#define PR_SET_MM 35
#define PR_SET_CHILD_SUBREAPER 36
#define PR_SET_NO_NEW_PRIVS 38
#define PR_CAP_AMBIENT 47
#define PR_SET_PTRACER 0x59616d61

#define PTRACE_PEEKTEXT 1
#define PTRACE_PEEKUSER 3
#define PTRACE_CONT 7
#define PTRACE_SINGLESTEP 9
#define PTRACE_SYSCALL 24

/* What changes whom others see, or what it may do. Names of threads are set all day. */
PK_INLINE bool pk_is_told_prctl(__u32 option) {
  switch (option) {
    case PR_SET_DUMPABLE:
    case PR_SET_KEEPCAPS:
    case PR_SET_SECCOMP:
    case PR_SET_SECUREBITS:
    case PR_SET_MM:
    case PR_SET_CHILD_SUBREAPER:
    case PR_SET_NO_NEW_PRIVS:
    case PR_CAP_AMBIENT:
    case PR_SET_PTRACER:
      return true;
    default:
      return false;
  }
}

/* A debugger's steps and looks: who is traced was told when it was attached. */
PK_INLINE bool pk_is_step(__u64 request) {
  return (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) || request == PTRACE_CONT ||
         request == PTRACE_SINGLESTEP || request == PTRACE_SYSCALL;
}

/* Who looks for a program along PATH fails again and again: a name that a program cannot run is told
 * once a minute, for each of its users, errors and, unless it is absolute, directories. */
PK_INLINE bool pk_is_new_failure(struct task_struct *task, const struct pk_call_state *call) {
  bool at = call->call == PK_CALL_execveat;
  struct pk_scratch *scratch = pk_scratch();
  struct pk_opening *opening = pk_empty_opening();
  if (call->result >= 0 || !scratch || !opening) return false;
  scratch->path[0] = 0;
  long length =
      bpf_probe_read_user_str(scratch->path, PK_PATH_MAX, (const void *)call->argument[at ? 1 : 0]);
  struct pk_seen_id *id = &opening->id;
  id->name = pk_hash_text(scratch->path, length > 0 ? length - 1 : 0);
  id->flags = call->call;
  id->result = call->result;
  id->uid = task->cred->euid.val;
  if (scratch->path[0] != '/') pk_seen_from(id, task, at ? call->argument[0] : AT_FDCWD);
  pk_seen_by_program(id, task);
  __u32 repeats = 0;
  return pk_is_new(id, call->workspace, &repeats);
}

PK_INLINE bool pk_is_told(struct task_struct *task, const struct pk_call_state *call) {
  if (call->call == PK_CALL_execve || call->call == PK_CALL_execveat)
    return pk_is_new_failure(task, call);
  if (call->call == PK_CALL_prctl) return pk_is_told_prctl(call->argument[0]);
  if (call->call == PK_CALL_ptrace) return !pk_is_step(call->argument[0]);
  return true;
}

PK_INLINE struct pk_texts pk_texts_of(const struct pk_call_state *call) {
  struct pk_texts texts = {};
  __u32 number = call->call;
  if (number >= PK_CALL_END) return texts;
  /* Copied by the helper, so that 6.1 need not follow the index any further. */
  bpf_probe_read_kernel(&texts, sizeof(texts), &text_arguments[number]);
  if (number == PK_CALL_fsconfig && (__u32)call->argument[1] != FSCONFIG_SET_STRING)
    texts.place[1] = 0; /* its value is no text */
  return texts;
}

/* The kernel's own, if that was noted; else the caller's. */
PK_INLINE void pk_append_text(struct pk_tail *tail, struct pk_system *record, __u32 number,
                              __u64 from, struct pk_noted *note) {
  pk_str *text = &record->text[number];
  if (number < 2 && pk_is_noted(note, number)) {
    pk_append_noted(tail, text, &note->text[number]);
  } else if (number == 2 && note && note->word[0]) {
    pk_append_kernel_string(tail, text, note->word);
  } else if (from) {
    record->header.flags |= PK_USER_TEXT;
    pk_append_user_string(tail, text, from);
  }
}

PK_INLINE void pk_append_texts(struct pk_tail *tail, struct pk_system *record,
                               const struct pk_call_state *call, struct pk_noted *note) {
  struct pk_texts texts = pk_texts_of(call);
#pragma unroll
  for (__u32 i = 0; i < PK_TEXTS; i++)
    pk_append_text(tail, record, i, pk_argument(call, texts.place[i]), note);
}

/* The kernel's own name of what the call made: memfd:NAME, or the path of a mount's root. */
PK_INLINE void pk_append_made(struct pk_tail *tail, struct pk_system *record, char *buffer,
                              struct task_struct *task) {
  struct file *file = pk_file_of_fd(task, record->result);
  if (!file) return;
  struct pk_walk walk;
  pk_walk_path(&walk, buffer, &file->f_path, BPF_CORE_READ(task, fs));
  pk_append_walk(tail, &record->object, &walk);
}

PK_INLINE bool pk_makes_file(__u16 call) {
  return call == PK_CALL_memfd_create || call == PK_CALL_open_tree ||
         call == PK_CALL_open_tree_attr || call == PK_CALL_fsmount || call == PK_CALL_pidfd_getfd;
}

/* Of a program that was loaded its type, which is nowhere in the registers; of one that was refused
 * what the caller asked for. */
PK_INLINE void pk_fill_program_type(struct pk_system *record, struct task_struct *task) {
  __u32 type = 0;
  struct file *file = record->result < 0 ? NULL : pk_file_of_fd(task, record->result);
  struct bpf_prog *program = file ? BPF_CORE_READ(file, private_data) : NULL;
  if (program) {
    type = BPF_CORE_READ(program, type);
  } else {
    bpf_probe_read_user(&type, sizeof(type), (const void *)record->argument[1]);
    record->header.flags |= PK_USER_TEXT;
  }
  record->argument[PK_PROGRAM_TYPE] = type;
}

PK_INLINE bool pk_has_short_ids(const struct pk_call_state *call) {
  if (!(call->flags & PK_COMPAT)) return false;
  switch (call->call) {
    case PK_CALL_setuid:
    case PK_CALL_setgid:
    case PK_CALL_setreuid:
    case PK_CALL_setregid:
    case PK_CALL_setresuid:
    case PK_CALL_setresgid:
    case PK_CALL_setfsuid:
    case PK_CALL_setfsgid:
      return true;
    default:
      return false;
  }
}

/* Whom the call is about. */
PK_INLINE void pk_append_target(struct pk_tail *tail, struct pk_system *record,
                                struct task_struct *task, const struct pk_call_state *call) {
  struct task_struct *target = pk_target_of(task, call);
  if (!target) return;
  pk_fill_target(record, task, target);
  struct task_struct *leader = BPF_CORE_READ(target, group_leader);
  pk_append_kernel_string(tail, &record->text[PK_TARGET_NAME], leader->comm);
}

PK_INLINE void pk_fill_system(struct pk_system *record, struct task_struct *task) {
  pk_fill_namespaces(record, task);
  bpf_core_read_str(record->comm, sizeof(record->comm), &task->comm);
}

/*
 * Hook: the end of the calls listed with PK_ON_SYSTEM (syscall.bpf.c); of an exec, if it failed.
 *   Arguments are the registers',
 *   which another thread cannot change. The namespaces are those after the call, so that what setns
 *   and unshare did is in the record; what memfd_create, open_tree, fsmount and pidfd_getfd made is
 *   named by the kernel, and so is the process that a call is about (target.h).
 * Oldest kernel: 6.1.
 * Cost: about 1 us a call of a watched process; these calls are rare.
 * Blind spot: what a pointer argument pointed to, but for the texts, which are read from user memory
 *   after the call and marked so, unless the LSM tier noted the kernel's; a debugger's single steps.
 */
PK_CALL_HANDLER(system) {
  if (!pk_is_told(task, call)) return;
  struct pk_scratch *scratch = pk_scratch();
  if (!scratch) return;
  struct pk_system *record = (void *)scratch->record;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_call_header(&record->header, PK_SYSTEM, sizeof(*record), task, call);
  record->result = call->result;
  __builtin_memcpy(record->argument, call->argument, sizeof(record->argument));
  if (pk_has_short_ids(call))
    for (__u32 i = 0; i < PK_IDS; i++) record->argument[i] = pk_long_id(record->argument[i]);
  pk_fill_system(record, task);
  if (call->call == PK_CALL_bpf && (__u32)call->argument[0] == BPF_PROG_LOAD)
    pk_fill_program_type(record, task);
  struct pk_tail tail = {.record = scratch->record, .at = sizeof(*record)};
  pk_append_texts(&tail, record, call, pk_noted_of(task));
  pk_append_target(&tail, record, task, call);
  if (record->result >= 0 && pk_makes_file(call->call))
    pk_append_made(&tail, record, scratch->path, task);
  record->header.size = tail.at;
  if (tail.truncated) record->header.flags |= PK_TRUNCATED;
  pk_send(&record->header, PK_SYSTEM, PK_CLASS_ANY);
  if (takes_notes) pk_forget_notes(task->pid);
}

#define SI_USER 0
#define SI_QUEUE (-1)
#define SI_TKILL (-6)
#define SI_MESGQ (-3)
#define SI_SIGIO (-5)
#define POLL_IN 1
#define POLL_HUP 6
#define PK_LINEAGE_STEPS 16

/* The kernel's own signals with a code below zero, of timers and of asynchronous input and output, go
 * to whom they belong, and come in whatever task was interrupted. But who queues a signal chooses its
 * code. */
PK_INLINE bool pk_is_queueing(struct task_struct *task) {
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  __u64 number = ~0ull;
  bpf_probe_read_kernel(&number, sizeof(number), &regs->orig_ax);
  __u16 call = pk_row_of(number, pk_in_compat_call(task)).call;
  return call == PK_CALL_rt_sigqueueinfo || call == PK_CALL_rt_tgsigqueueinfo ||
         call == PK_CALL_pidfd_send_signal;
}

PK_INLINE struct fown_struct *pk_owner_of(struct file *file) {
  struct file___owned *before = (void *)file; /* up to 6.11 */
  if (bpf_core_field_exists(before->f_owner.signum))
    return (void *)file + bpf_core_field_offset(struct file___owned, f_owner);
  return BPF_CORE_READ(file, f_owner);
}

/* A descriptor's signal (F_SETOWN, F_SETSIG) says which: when that is one of the sender's own, with
 * that receiver, nobody else made it come. */
PK_INLINE bool pk_is_of_own_descriptor(struct task_struct *task, struct kernel_siginfo *info,
                                       struct task_struct *target) {
  struct file *file = pk_file_of_fd(task, BPF_CORE_READ(info, _sifields._sigpoll._fd));
  struct fown_struct *owner = file ? pk_owner_of(file) : NULL;
  struct pid *pid = owner ? BPF_CORE_READ(owner, pid) : NULL;
  if (!pid || !BPF_CORE_READ(owner, signum)) return false;
  return pid == BPF_CORE_READ(target, thread_pid) ||
         pid == BPF_CORE_READ(target, signal, pids[PIDTYPE_TGID]) ||
         pid == BPF_CORE_READ(target, signal, pids[PIDTYPE_PGID]);
}

/* Sent by a process on purpose, not by the kernel for it; as which call it is told. */
PK_INLINE __u16 pk_signal_call(struct task_struct *task, struct kernel_siginfo *info,
                               struct task_struct *target) {
  int code = BPF_CORE_READ(info, si_code);
  if (code == SI_USER) return PK_CALL_kill;
  if (code == SI_TKILL) return PK_CALL_tgkill;
  if (code == SI_QUEUE || code == SI_MESGQ || code < SI_TKILL || (code < 0 && pk_is_queueing(task)))
    return PK_CALL_rt_sigqueueinfo;
  bool of_descriptor = (code >= POLL_IN && code <= POLL_HUP) || code == SI_SIGIO;
  return of_descriptor && pk_is_of_own_descriptor(task, info, target) ? PK_CALL_kill : PK_CALL_NONE;
}

PK_INLINE bool pk_is_family(struct task_struct *sender, struct task_struct *target) {
  __u32 own = BPF_CORE_READ(sender, tgid);
  __u32 parent = BPF_CORE_READ(sender, real_parent, tgid);
  __u32 other = BPF_CORE_READ(target, tgid);
  if (other == own || other == parent) return true;
  struct task_struct *at = target;
  for (__u32 i = 0; i < PK_LINEAGE_STEPS; i++) {
    at = BPF_CORE_READ(at, real_parent);
    __u32 pid = BPF_CORE_READ(at, tgid);
    if (pid == own) return true;
    if (pid <= 1) return false;
  }
  return false;
}

struct pk_signal {
  struct pk_system call;
  char target[PK_COMM_LEN];
};

PK_INLINE void pk_name_target(struct pk_signal *record, struct task_struct *target) {
  struct task_struct *leader = BPF_CORE_READ(target, group_leader);
  long length = bpf_core_read_str(record->target, sizeof(record->target), &leader->comm);
  if (length <= 1) return;
  record->call.text[PK_TARGET_NAME].offset = sizeof(record->call);
  record->call.text[PK_TARGET_NAME].length = length - 1;
}

/*
 * Hook: signal_generate, not the end of kill: it has the target itself, whatever number it was
 *   called by in which pid namespace, and runs in the sender.
 * Oldest kernel: 6.1.
 * Cost: a comparison for the kernel's own signals, one look-up for a stranger's.
 * Blind spot: a signal that was refused; pidfd_send_signal and a descriptor's signal are told as kill;
 *   a descriptor's SIGIO without F_SETSIG, which tells nothing of it, and one of a descriptor that
 *   another process holds; descendants more than 16 generations away count as strangers.
 */
SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int sig, struct kernel_siginfo *info, struct task_struct *target) {
  if ((unsigned long)info <= 1) { /* the kernel's own */
    pk_remember_killed(sig, (unsigned long)info, target);
    return 0;
  }
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_label *label = pk_label_of(task);
  if (!label || !sig || pk_is_family(task, target)) return 0;
  __u16 call = pk_signal_call(task, info, target);
  if (!call || !pk_is_asked(call)) return 0;
  __u64 workspace = label->workspace;
  struct pk_signal *record;
  if (!PK_RESERVE(record, PK_SYSTEM, true, workspace)) return 0;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_header(&record->call.header, PK_SYSTEM, sizeof(*record), task, workspace,
                 pk_origin_flags(label));
  record->call.header.call = call;
  pk_fill_target(&record->call, task, target);
  record->call.argument[0] = record->call.target_pid;
  record->call.argument[1] = sig;
  pk_name_target(record, target);
  pk_fill_system(&record->call, task);
  pk_submit(record, PK_SYSTEM);
  return 0;
}
