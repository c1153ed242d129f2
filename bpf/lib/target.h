/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The process that a call is about, found as the kernel finds it: by a number in the caller's pid
 * namespace, or by a descriptor of a process. What is told of it is the kernel's own, as it is when
 * the call ends. Blind spot: another thread that puts another descriptor there meanwhile is told
 * with that one's process.
 */
#ifndef PICKET_LIB_TARGET_H
#define PICKET_LIB_TARGET_H

#include "bpf/lib/fd.h"
#include "bpf/lib/syscall.h"

#define PIDFS_MAGIC 0x50494446
#define PK_PID_LEVELS 4 /* of 64 ways each: more than there are numbers */

#define PTRACE_TRACEME 0
#define EBADF 9
#define EINVAL 22

/* An entry of the tree is a node, by its lowest bits, or what is looked for. */
PK_INLINE struct xa_node *pk_node_of(__u64 entry) {
  return (entry & 3) == 2 ? (struct xa_node *)(entry - 2) : NULL;
}

PK_INLINE struct pid *pk_pid_of_number(struct pid_namespace *ns, __u32 number) {
  __u64 entry = (__u64)BPF_CORE_READ(ns, idr.idr_rt.xa_head);
#pragma unroll
  for (__u32 i = 0; i < PK_PID_LEVELS; i++) {
    struct xa_node *node = pk_node_of(entry);
    if (!node) break;
    __u32 way = number >> (BPF_CORE_READ(node, shift) & 31) & 63;
    entry = 0;
    bpf_probe_read_kernel(
        &entry, sizeof(entry),
        (void *)node + bpf_core_field_offset(struct xa_node, slots) + way * sizeof(entry));
  }
  struct pid *pid = (struct pid *)entry;
  if (!pid || pk_node_of(entry)) return NULL;
  /* The tree may be lower than the number, or have changed meanwhile. */
  struct upid *found = pk_upid(pid, BPF_CORE_READ(ns, level));
  return (__u32)BPF_CORE_READ(found, nr) == number ? pid : NULL;
}

PK_INLINE struct pid *pk_pid_of_descriptor(struct task_struct *task, __u32 fd) {
  struct file *file = pk_file_of_fd(task, fd);
  if (!file) return NULL;
  struct inode *inode = BPF_CORE_READ(file, f_inode);
  unsigned long magic = BPF_CORE_READ(inode, i_sb, s_magic);
  if (magic == PIDFS_MAGIC) return BPF_CORE_READ(inode, i_private);
  return magic == ANON_INODE_FS_MAGIC ? BPF_CORE_READ(file, private_data) : NULL; /* until 6.8 */
}

/* The thread that an argument names. */
PK_INLINE struct task_struct *pk_target_of(struct task_struct *task,
                                           const struct pk_call_state *call) {
  struct pid *pid = NULL;
  switch (call->call) {
    case PK_CALL_ptrace:
    case PK_CALL_perf_event_open:
      if (call->call == PK_CALL_ptrace && call->argument[0] == PTRACE_TRACEME) return NULL;
      pid = pk_pid_of_number(pk_pid_ns(task), call->argument[1]);
      break;
    case PK_CALL_process_vm_readv:
    case PK_CALL_process_vm_writev:
    case PK_CALL_pidfd_open:
      pid = pk_pid_of_number(pk_pid_ns(task), call->argument[0]);
      break;
    case PK_CALL_pidfd_getfd:
    case PK_CALL_process_madvise:
    case PK_CALL_setns:
      if (call->result == -EBADF || call->result == -EINVAL) return NULL; /* it is none */
      pid = pk_pid_of_descriptor(task, call->argument[0]);
      break;
    default:
      return NULL;
  }
  return pid ? pk_task_of_pid(pid, PIDTYPE_PID) : NULL;
}

/* By the kernel's own measure for who may trace whom, before CAP_SYS_PTRACE has its say; and root is
 * more than another user also where neither has a capability. */
PK_INLINE bool pk_is_more_privileged(const struct cred *other, const struct cred *own) {
  struct user_namespace *ns = BPF_CORE_READ(other, user_ns);
  struct user_namespace *own_ns = BPF_CORE_READ(own, user_ns);
  if (ns != own_ns) return BPF_CORE_READ(ns, level) <= BPF_CORE_READ(own_ns, level);
  __u64 has = 0, may = 0;
  bpf_core_read(&has, sizeof(has), &other->cap_permitted);
  bpf_core_read(&may, sizeof(may), &own->cap_permitted);
  if (has & ~may) return true;
  return !BPF_CORE_READ(other, euid.val) && BPF_CORE_READ(own, euid.val);
}

/* All but its name. */
PK_INLINE void pk_fill_target(struct pk_system *record, struct task_struct *task,
                              struct task_struct *target) {
  struct pk_process_key key = pk_key_of(target);
  record->target_pid = key.pid;
  record->target_start_ns = key.start_ns;
  struct pk_label *label = bpf_map_lookup_elem(&labels, &key);
  record->target_cgroup_id = label ? label->workspace : 0;
  const struct cred *cred = BPF_CORE_READ(target, real_cred);
  record->target_uid = BPF_CORE_READ(cred, euid.val);
  record->target_more_privileged = pk_is_more_privileged(cred, BPF_CORE_READ(task, cred));
  record->target_is_told = 1;
}

#endif
