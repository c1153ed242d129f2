/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The sockets of workspaces through which bytes move: whose each is, who opened the connection, and
 * how much of it is told. One entry a socket, from its first connect, accepted handshake or first
 * datagram until its end (decisions/0007). A workspace has its share of the table; what finds no room
 * is counted as lost flows and its direction is unknown.
 */
#ifndef PICKET_LIB_FLOW_H
#define PICKET_LIB_FLOW_H

#include "bpf/lib/scope.h"
#include "bpf/lib/socket.h"

struct pk_flow_entry {
  struct pk_ends ends;
  __u64 workspace;
  __u64 start_ns; /* of the owner, as in pk_header; 0 with pid 0: nobody has accepted it yet */
  __u64 cap_effective;
  __u64 opened_ns;
  __u64 told_ns; /* last record, or opening */
  __u64 told_bytes;
  __u64 bytes_in, bytes_out;
  __u32 pid, uid, gid;
  __u32 flags;
  __u32 payload_told; /* 1: the first bytes out were told */
  __u32 dns_segments; /* over TCP, told so far */
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PK_FLOWS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct pk_flow_entry);
} flows __weak SEC(".maps");

PK_INLINE void pk_own_flow(struct pk_flow_entry *flow, struct task_struct *task,
                           const struct pk_label *label) {
  struct pk_header header;
  pk_fill_header(&header, PK_FLOW, 0, task, label->workspace, pk_origin_flags(label));
  flow->workspace = label->workspace;
  flow->start_ns = header.start_ns;
  flow->cap_effective = header.cap_effective;
  flow->uid = header.uid;
  flow->gid = header.gid;
  flow->flags = header.flags;
  flow->pid = header.pid;
}

/* False when there is no room; counted. */
PK_INLINE bool pk_add_flow(struct pk_flow_entry *flow) {
  __u64 cookie = flow->ends.socket;
  __u64 workspace = flow->workspace;
  struct pk_cgroup_scope *own = bpf_map_lookup_elem(&cgroups, &workspace);
  if (own && !pk_take_place(&own->flows, PK_FLOWS_PER_WORKSPACE)) {
    pk_count_loss(PK_FLOW, workspace);
    return false;
  }
  flow->opened_ns = flow->told_ns = bpf_ktime_get_boot_ns();
  long error = bpf_map_update_elem(&flows, &cookie, flow, BPF_NOEXIST);
  if (!error) return true;
  if (own) __sync_fetch_and_sub(&own->flows, 1);
  if (error != -17 /* EEXIST */) pk_count_loss(PK_FLOW, workspace);
  return false;
}

PK_INLINE void pk_drop_flow(__u64 cookie, __u64 workspace) {
  if (bpf_map_delete_elem(&flows, &cookie)) return;
  struct pk_cgroup_scope *own = bpf_map_lookup_elem(&cgroups, &workspace);
  if (own && own->flows) __sync_fetch_and_sub(&own->flows, 1);
}

/* Packets are looked at in whatever task they interrupt: the flow says whose they are. */
PK_INLINE void pk_fill_flow_header(struct pk_header *header, enum pk_type type, __u32 size,
                                   const struct pk_flow_entry *flow) {
  __builtin_memset(header, 0, sizeof(*header));
  header->size = size;
  header->type = type;
  header->abi = PK_ABI;
  header->time_ns = bpf_ktime_get_boot_ns();
  header->start_ns = flow->start_ns;
  header->cgroup_id = flow->workspace;
  header->pid = header->tid = flow->pid;
  header->uid = flow->uid;
  header->gid = flow->gid;
  header->cap_effective = flow->cap_effective;
  header->flags = flow->flags;
}

#define SOCK_DONE 1 /* bit of skc_flags: the peer's FIN has come */

/* From the socket's own counters, so that what was sent again is not counted again. A FIN takes a
 * place in the stream and is no byte. MPTCP keeps its counters elsewhere: its subflows are flows. */
PK_INLINE void pk_read_tcp_bytes(struct pk_flow_entry *flow, struct sock *sk) {
  if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP) return;
  struct tcp_sock *tcp = (struct tcp_sock *)sk;
  __u64 in = BPF_CORE_READ(tcp, bytes_received);
  if (in && BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1) in--;
  flow->bytes_in = in;
  flow->bytes_out = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans);
}

PK_INLINE void pk_tell_flow(struct pk_flow_entry *flow, bool closed) {
  __u64 bytes = flow->bytes_in + flow->bytes_out;
  if (!flow->pid || bytes == 0) return;
  struct pk_flow *record;
  if (!PK_RESERVE(record, PK_FLOW, true, flow->workspace)) return;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_flow_header(&record->header, PK_FLOW, sizeof(*record), flow);
  record->ends = flow->ends;
  record->opened_ns = flow->opened_ns;
  record->bytes_in = flow->bytes_in;
  record->bytes_out = flow->bytes_out;
  record->closed = closed;
  flow->told_ns = record->header.time_ns;
  flow->told_bytes = bytes;
  pk_submit(record, PK_FLOW);
}

#endif
