/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What is told of a socket: what was made or accepted, and unix sockets by their own names. */
#ifndef PICKET_LIB_SOCKET_RECORD_H
#define PICKET_LIB_SOCKET_RECORD_H

#include "bpf/lib/fd.h"
#include "bpf/lib/message.h"
#include "bpf/lib/path.h"
#include "bpf/lib/syscall.h"

#define AF_NETLINK 16
#define NETLINK_ROUTE 0
#define SOCK_TYPE_MASK 0xf
#define PK_UNIX_NAME 108 /* sun_path */
#define PK_FAMILY 2      /* bytes in front of it */

PK_INLINE struct pk_socket *pk_begin_socket(struct pk_scratch *scratch, struct task_struct *task,
                                            const struct pk_call_state *call) {
  struct pk_socket *record = (void *)scratch->record;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_call_header(&record->header, PK_SOCKET, sizeof(*record), task, call);
  record->result = call->result;
  bpf_core_read_str(record->comm, sizeof(record->comm), &task->comm);
  return record;
}

/* What everybody makes all day says nothing by itself: it is told when it connects or listens. */
PK_INLINE bool pk_is_plain_socket(__u32 family, __u32 type, __u32 protocol) {
  if (family == AF_UNIX) return true;
  if (family == AF_NETLINK) return protocol == NETLINK_ROUTE;
  if (family != AF_INET && family != AF_INET6) return false;
  return type == SOCK_STREAM || type == SOCK_DGRAM;
}

PK_INLINE void pk_on_made(struct task_struct *task, const struct pk_call_state *call) {
  __u32 family = call->argument[0];
  __u32 type = call->argument[1] & SOCK_TYPE_MASK;
  __u32 protocol = call->argument[2];
  struct pk_scratch *scratch = pk_scratch();
  if (!scratch || family > 255 || pk_is_plain_socket(family, type, protocol)) return;
  struct pk_socket *record = pk_begin_socket(scratch, task, call);
  record->ends.family = family;
  record->ends.kind = type;
  record->protocol = protocol;
  if (family == AF_INET || family == AF_INET6) record->ends.proto = protocol;
  pk_send(&record->header, PK_SOCKET, PK_CLASS_ANY);
}

/* The kernel keeps who connected and who listens beside each end of a unix stream. */
PK_INLINE void pk_fill_unix_peer(struct pk_socket *record, struct sock *sk) {
  struct pid *pid = BPF_CORE_READ(sk, sk_peer_pid);
  if (!pid) return;
  record->peer_pid = BPF_CORE_READ(pid, numbers[0].nr);
  struct task_struct *task = pk_task_of_pid(pid, PIDTYPE_TGID);
  if (!task) return;
  struct pk_process_key key = pk_key_of(task);
  record->peer_start_ns = key.start_ns;
  struct pk_label *label = bpf_map_lookup_elem(&labels, &key);
  if (label) record->peer_cgroup_id = label->workspace;
}

/* The name that a unix socket is bound to: by its dentry, which no caller can change. */
PK_INLINE void pk_append_unix_name(struct pk_scratch *scratch, struct pk_socket *record,
                                   struct sock *sk, struct task_struct *task) {
  struct unix_sock *unix_sock = (struct unix_sock *)sk;
  struct pk_tail tail = {.record = scratch->record, .at = sizeof(*record)};
  if (BPF_CORE_READ(unix_sock, path.dentry)) {
    struct pk_walk walk;
    pk_walk_path(&walk, scratch->path, &unix_sock->path, BPF_CORE_READ(task, fs));
    pk_append_walk(&tail, &record->path, &walk);
    record->header.size = tail.at;
    if (tail.truncated) record->header.flags |= PK_TRUNCATED;
    return;
  }
  struct unix_address *address = BPF_CORE_READ(unix_sock, addr);
  if (!address) return;
  __u32 length = BPF_CORE_READ(address, len);
  if (length < 3 || length > 2 + PK_UNIX_NAME) return;
  length -= 3; /* the family and the NUL that makes it abstract */
  char *name = scratch->record + sizeof(*record);
  name[0] = '@';
  bpf_probe_read_kernel(name + 1, length & 127, &address->name[0].sun_path[1]);
  record->path.offset = sizeof(*record);
  record->path.length = 1 + (length & 127);
  record->header.size += record->path.length;
}

/* An address into the scratch's path; its length, 0: it is none of a unix socket that has a name. */
PK_INLINE __u32 pk_read_address(struct pk_scratch *scratch, const struct pk_address *address) {
  __u32 length = address->length;
  if (length <= PK_FAMILY || length > PK_FAMILY + PK_UNIX_NAME) return 0;
  length = PK_MASKED(length, 127);
  const void *from = (const void *)address->at;
  if (address->is_kernels ? bpf_probe_read_kernel(scratch->path, length, from)
                          : bpf_probe_read_user(scratch->path, length, from))
    return 0;
  return *(__u16 *)scratch->path == AF_UNIX ? length : 0;
}

/* The name in it: a path ends with a NUL or the address, in an abstract one NULs are bytes like
 * others. */
PK_INLINE void pk_append_address(struct pk_scratch *scratch, struct pk_socket *record,
                                 const struct pk_address *address, __u32 length) {
  char *name = scratch->record + sizeof(*record), *from = scratch->path + PK_FAMILY;
  length = PK_MASKED(length - PK_FAMILY, 127);
  if (*from) {
    from[length] = 0;
    long copied = bpf_probe_read_kernel_str(name, PK_UNIX_NAME + 1, from);
    length = PK_MASKED(copied > 0 ? copied - 1 : 0, 127);
  } else {
    name[0] = '@';
    bpf_probe_read_kernel(name + 1, PK_MASKED(length - 1, 127), from + 1);
  }
  if (!address->is_kernels) record->header.flags |= PK_USER_TEXT;
  record->path.offset = sizeof(*record);
  record->path.length = length;
  record->header.size += length;
}

/* A connect that failed has no peer: what was asked for stands only in the caller's memory. */
PK_INLINE void pk_append_asked_name(struct pk_scratch *scratch, struct pk_socket *record,
                                    const struct pk_call_state *call) {
  struct pk_address asked = {.at = call->argument[1], .length = call->argument[2]};
  __u32 length = pk_read_address(scratch, &asked);
  if (length) pk_append_address(scratch, record, &asked, length);
}

PK_INLINE void pk_on_unix_call(struct task_struct *task, const struct pk_call_state *call,
                               struct sock *sk) {
  struct pk_scratch *scratch = pk_scratch();
  if (!sk || !scratch || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX) return;
  struct pk_socket *record = pk_begin_socket(scratch, task, call);
  pk_fill_ends(&record->ends, sk, 0);
  record->ends.direction = call->call == PK_CALL_connect  ? PK_DIR_OUTBOUND
                           : call->call == PK_CALL_listen ? PK_DIR_LISTEN
                                                          : PK_DIR_UNKNOWN;
  if (call->call != PK_CALL_connect) {
    pk_append_unix_name(scratch, record, sk, task);
    return pk_send(&record->header, PK_SOCKET, PK_CLASS_ANY);
  }
  struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
  if (call->result == 0 && peer) {
    pk_fill_unix_peer(record, sk);
    pk_append_unix_name(scratch, record, peer, task);
  } else {
    pk_append_asked_name(scratch, record, call);
  }
  pk_send(&record->header, PK_SOCKET, PK_CLASS_ANY);
}

PK_INLINE void pk_own_accepted(__u64 cookie, struct task_struct *task) {
  struct pk_flow_entry *flow = cookie ? bpf_map_lookup_elem(&flows, &cookie) : NULL;
  struct pk_label *label = pk_label_of(task);
  if (!flow || flow->pid || !label) return;
  __u64 workspace = flow->workspace; /* it is counted there */
  pk_own_flow(flow, task, label);
  flow->workspace = workspace;
}

PK_INLINE void pk_on_accepted(struct task_struct *task, const struct pk_call_state *call,
                              struct sock *sk) {
  struct pk_scratch *scratch = pk_scratch();
  if (!sk || !scratch) return;
  struct pk_socket *record = pk_begin_socket(scratch, task, call);
  __u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
  pk_fill_ends(&record->ends, sk, cookie);
  record->ends.direction = PK_DIR_INBOUND;
  if (record->ends.family == AF_UNIX) {
    pk_fill_unix_peer(record, sk);
    pk_append_unix_name(scratch, record, sk, task);
  } else {
    pk_own_accepted(cookie, task);
  }
  pk_send(&record->header, PK_SOCKET, PK_CLASS_ANY);
}

/* Into the ring's own table, or not yet: all that is known is who listens. */
PK_INLINE void pk_on_listened(struct task_struct *task, const struct pk_call_state *call,
                              struct sock *listener) {
  struct pk_scratch *scratch = pk_scratch();
  if (!listener || !scratch) return;
  struct pk_socket *record = pk_begin_socket(scratch, task, call);
  pk_fill_ends(&record->ends, listener, 0);
  record->ends.direction = PK_DIR_INBOUND;
  if (record->ends.family == AF_UNIX) pk_append_unix_name(scratch, record, listener, task);
  pk_send(&record->header, PK_SOCKET, PK_CLASS_ANY);
}

#endif
