/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A task's key, its numbers and its credentials, as the kernel holds them. Nothing here reads user
 * memory. */
#ifndef PICKET_LIB_TASK_H
#define PICKET_LIB_TASK_H

#include "bpf/lib/base.h"

/* The process, not the thread: an exec by a thread takes over its leader's pid and start time, so
 * the key stays. */
PK_INLINE struct pk_process_key pk_key_of(struct task_struct *task) {
  struct pk_process_key key = {
      .start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
      .pid = BPF_CORE_READ(task, tgid),
  };
  return key;
}

/* Only inside a system call: x86 keeps "this call is 32-bit" in the task, not in the call's
 * number. */
PK_INLINE bool pk_in_compat_call(struct task_struct *task) {
  if (!bpf_core_field_exists(task->thread_info.status)) return false;
  return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

#define PF_IO_WORKER 0x10
#define PK_NR_IO_URING_ENTER 426 /* of both interfaces */

/* In a worker of a ring, or handing requests to one. */
PK_INLINE bool pk_in_ring(struct task_struct *task) {
  if (BPF_CORE_READ(task, flags) & PF_IO_WORKER) return true;
  struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
  __u64 number = 0;
  bpf_probe_read_kernel(&number, sizeof(number), &regs->orig_ax);
  return number == PK_NR_IO_URING_ENTER;
}

/* The flags of a record's header that the call of the running task gives. */
PK_INLINE __u32 pk_interface_flags(struct task_struct *task) {
  return (pk_in_compat_call(task) ? PK_COMPAT : 0) | (pk_in_ring(task) ? PK_IO_URING : 0);
}

PK_INLINE void pk_fill_header(struct pk_header *header, enum pk_type type, __u32 size,
                              struct task_struct *task, __u64 workspace, __u32 flags) {
  header->size = size;
  header->type = type;
  header->abi = PK_ABI;
  header->time_ns = bpf_ktime_get_boot_ns();
  header->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
  header->cgroup_id = workspace;
  header->pid = BPF_CORE_READ(task, tgid);
  header->tid = BPF_CORE_READ(task, pid);
  const struct cred *cred = BPF_CORE_READ(task, cred);
  header->uid = BPF_CORE_READ(cred, euid.val);
  header->gid = BPF_CORE_READ(cred, egid.val);
  /* The whole set, not its member: the member's name is another on 6.1, its eight bytes are the
   * same. */
  bpf_core_read(&header->cap_effective, sizeof(header->cap_effective), &cred->cap_effective);
  header->flags = flags;
  header->call = PK_CALL_NONE;
  header->zero = 0;
}

/* Its number in the namespace of this depth, and which namespace that is. */
PK_INLINE struct upid *pk_upid(struct pid *pid, unsigned int level) {
  return (void *)pid + bpf_core_field_offset(struct pid, numbers) +
         level * bpf_core_type_size(struct upid);
}

PK_INLINE struct upid *pk_own_upid(struct task_struct *task) {
  struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
  return pk_upid(pid, BPF_CORE_READ(pid, level));
}

PK_INLINE __u32 pk_vpid(struct task_struct *task) {
  struct upid *own = pk_own_upid(task);
  return BPF_CORE_READ(own, nr);
}

/* The pid namespace that the process lives in. */
PK_INLINE struct pid_namespace *pk_pid_ns(struct task_struct *task) {
  struct upid *own = pk_own_upid(task);
  return BPF_CORE_READ(own, ns);
}

/* NULL: it has ended. Of PIDTYPE_TGID the process, of PIDTYPE_PID the thread. */
PK_INLINE struct task_struct *pk_task_of_pid(struct pid *pid, enum pid_type type) {
  struct hlist_head *tasks = (void *)pid + bpf_core_field_offset(struct pid, tasks) +
                             type * bpf_core_type_size(struct hlist_head);
  struct hlist_node *link = BPF_CORE_READ(tasks, first);
  if (!link) return NULL;
  return (void *)link - bpf_core_field_offset(struct task_struct, pid_links) -
         type * bpf_core_type_size(struct hlist_node);
}

PK_INLINE __u32 pk_global_id(struct task_struct *task, enum pid_type type) {
  return BPF_CORE_READ(task, signal, pids[type], numbers[0].nr);
}

#endif
