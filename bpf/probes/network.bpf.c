/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The network family: who asked for which connection. Never from the descriptor table at the end
 * of a system call (dup2 changes it meanwhile, for sure) and never from user memory.
 *
 * The cgroup programs sit at the root of the cgroup tree, not at each workspace: a program there
 * decides by the task that calls now, so a workspace's first connect is seen without waiting for
 * user space to attach, a process that moved to another cgroup keeps being seen, and so is a
 * socket made elsewhere and handed in. The price is one look-up for every stranger's connect. They
 * only look: every path returns 1, and the agent proves that on the instructions before it
 * attaches.
 */
#include "bpf/lib/holds.h"
#include "bpf/lib/scope.h"
#include "bpf/lib/stdio_record.h"

char LICENSE[] SEC("license") = "GPL";

#define PK_ALLOW 1

struct pk_peer {
  __u64 socket;
  __u32 pid;
  __u16 port;
  __u16 family;
  __u8 address[16];
};

/* First-seen filter for datagrams without connect. What an attacker pushes out of it is merely
 * told again. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct pk_peer);
  __type(value, __u8);
} peers SEC(".maps");

PK_INLINE bool pk_is_new_peer(const struct pk_connect *record) {
  struct pk_peer peer = {.socket = record->socket,
                         .pid = record->header.pid,
                         .port = record->remote_port,
                         .family = record->family};
  __builtin_memcpy(peer.address, record->remote_addr, sizeof(peer.address));
  __u8 seen = 1;
  return bpf_map_update_elem(&peers, &peer, &seen, BPF_NOEXIST) == 0;
}

/* The address as the kernel will use it: its own copy, after every program below has had its say.
 */
PK_INLINE void pk_read_peer(struct pk_connect *record, struct bpf_sock_addr *ctx, bool v6) {
  __u32 *remote = (__u32 *)record->remote_addr;
  if (v6) {
    remote[0] = ctx->user_ip6[0];
    remote[1] = ctx->user_ip6[1];
    remote[2] = ctx->user_ip6[2];
    remote[3] = ctx->user_ip6[3];
  } else {
    remote[0] = ctx->user_ip4;
  }
  record->remote_port = bpf_ntohs(ctx->user_port);
  record->family = pk_normalise(v6 ? AF_INET6 : AF_INET, record->local_addr, record->remote_addr);
}

/* A datagram socket's flow: until its end, or until it is connected to somebody else. */
static __noinline void pk_begin_datagrams(const struct pk_connect *made,
                                          const struct pk_label *label, bool connects) {
  if (!made || !label) return;
  struct pk_flow_entry flow = {.ends = {.socket = made->socket,
                                        .family = made->family,
                                        .proto = made->proto,
                                        .direction = PK_DIR_OUTBOUND,
                                        .kind = SOCK_DGRAM,
                                        .local_port = made->local_port,
                                        .remote_port = made->remote_port}};
  __builtin_memcpy(flow.ends.remote_addr, made->remote_addr, sizeof(flow.ends.remote_addr));
  pk_own_flow(&flow, bpf_get_current_task_btf(), label);
  struct pk_flow_entry *before = bpf_map_lookup_elem(&flows, &flow.ends.socket);
  if (before && connects) {
    pk_tell_flow(before, true);
    pk_drop_flow(flow.ends.socket, before->workspace);
  }
  pk_add_flow(&flow);
}

PK_INLINE void pk_observe(struct bpf_sock_addr *ctx, bool v6, __u8 source) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_label *label = pk_label_of(task);
  if (!label) return;
  bool denied = bpf_get_retval() < 0; /* programs of cgroups below ran before this one */
  /* A TCP connect that is let through is told once, when it starts: on_sock_state. */
  if (ctx->type == SOCK_STREAM && !denied) return;
  struct pk_connect made = {};
  pk_fill_header(&made.header, PK_CONNECT, sizeof(made), task, label->workspace,
                 pk_origin_flags(label) | pk_interface_flags(task));
  made.socket = bpf_get_socket_cookie(ctx);
  made.source = source;
  made.proto = ctx->protocol;
  if (ctx->protocol == IPPROTO_MPTCP) made.proto = IPPROTO_TCP;
  made.denied = denied;
  made.local_port = ctx->sk->src_port;
  pk_read_peer(&made, ctx, v6);
  bpf_get_current_comm(made.comm, sizeof(made.comm));
  if (source == PK_CONNECT_SENDMSG && !denied && !pk_is_new_peer(&made)) return;
  if (!denied) pk_begin_datagrams(&made, label, source == PK_CONNECT_CGROUP);
  struct pk_connect *record;
  if (!PK_RESERVE(record, PK_CONNECT, !denied, label->workspace)) return;
  __builtin_memcpy(record, &made, sizeof(*record));
  pk_submit(record, PK_CONNECT);
}

/*
 * Hook: cgroup/connect4 and connect6: the kernel's copy of the address, in the caller's context,
 *   for UDP (also connected through io_uring) and for every refusal by a cgroup control.
 * Oldest kernel: 6.1 (bpf_get_retval in these hooks).
 * Cost: one look-up for a stranger.
 * Blind spot: raw sockets do not come here; a TCP connect without a route ends before it starts
 *   and is not told.
 */
SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx) {
  pk_observe(ctx, false, PK_CONNECT_CGROUP);
  return PK_ALLOW;
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx) {
  pk_observe(ctx, true, PK_CONNECT_CGROUP);
  return PK_ALLOW;
}

/*
 * Hook: cgroup/sendmsg4 and sendmsg6: datagrams with an address of their own, on sockets that
 *   never call connect.
 * Oldest kernel: 6.1.
 * Cost: one look-up for a stranger; for a workspace's process a second one per datagram.
 * Blind spot: only the first datagram of a process to a peer through a socket is told.
 */
SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx) {
  pk_observe(ctx, false, PK_CONNECT_SENDMSG);
  return PK_ALLOW;
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx) {
  pk_observe(ctx, true, PK_CONNECT_SENDMSG);
  return PK_ALLOW;
}

PK_INLINE void pk_tell_connect(struct sock *socket, __u64 cookie, struct task_struct *task,
                               const struct pk_label *label) {
  struct pk_connect *record;
  if (!PK_RESERVE(record, PK_CONNECT, false, label->workspace)) return;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_header(&record->header, PK_CONNECT, sizeof(*record), task, label->workspace,
                 pk_origin_flags(label) | pk_interface_flags(task));
  __u8 family = BPF_CORE_READ(socket, __sk_common.skc_family);
  record->socket = cookie;
  record->source = PK_CONNECT_STATE;
  record->proto = pk_protocol(socket);
  record->local_port = BPF_CORE_READ(socket, __sk_common.skc_num);
  record->remote_port = bpf_ntohs(BPF_CORE_READ(socket, __sk_common.skc_dport));
  pk_read_addresses(socket, family, record->local_addr, record->remote_addr);
  record->family = pk_normalise(family, record->local_addr, record->remote_addr);
  bpf_get_current_comm(record->comm, sizeof(record->comm));
  pk_submit(record, PK_CONNECT);
}

/* A socket that is standard input and output already becomes a connection now, in place. Both must
 * be this socket: a daemon that closed its descriptors has its first connections on 0 and 1, each
 * another socket, and reads no commands there. */
PK_INLINE void pk_tell_stdio(struct sock *socket, struct task_struct *task,
                             const struct pk_label *label) {
  struct file *file = BPF_CORE_READ(socket, sk_socket, file);
  if (!file || pk_file_of_fd(task, 0) != file || pk_file_of_fd(task, 1) != file) return;
  struct pk_stdio *record;
  if (!PK_RESERVE(record, PK_STDIO, false, label->workspace)) return;
  pk_fill_stdio(record, task, label->workspace, pk_origin_flags(label), 0, 0);
  pk_submit(record, PK_STDIO);
}

PK_INLINE int pk_on_outbound(const struct sock *sk) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_label *label = pk_label_of(task);
  if (!label) return 0;
  __u64 cookie = bpf_get_socket_cookie((void *)sk);
  struct pk_flow_entry flow = {};
  pk_fill_ends(&flow.ends, (struct sock *)sk, cookie);
  flow.ends.direction = PK_DIR_OUTBOUND;
  pk_own_flow(&flow, task, label);
  pk_add_flow(&flow);
  pk_tell_connect((struct sock *)sk, cookie, task, label);
  pk_tell_stdio((struct sock *)sk, task, label);
  pk_tell_own_holds(task, true);
  return 0;
}

/* Runs in whatever task the packet interrupted: the socket's own cgroup says whose it is, never
 * `current`. Which process it is says who accepts it. */
PK_INLINE int pk_on_inbound(const struct sock *sk) {
  struct sock *socket = (struct sock *)sk;
  struct pk_cgroup_scope *scope = pk_scope_of(BPF_CORE_READ(socket, sk_cgrp_data.cgroup, kn, id));
  if (!scope) return 0;
  struct pk_flow_entry flow = {.workspace = scope->workspace};
  pk_fill_ends(&flow.ends, socket, bpf_get_socket_cookie((void *)sk));
  flow.ends.direction = PK_DIR_INBOUND;
  pk_add_flow(&flow); /* one that is there was opened from both sides at once: it stays outbound */
  return 0;
}

PK_INLINE int pk_on_closed(struct sock *sk) {
  __u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
  struct pk_flow_entry *flow = cookie ? bpf_map_lookup_elem(&flows, &cookie) : NULL;
  if (!flow) return 0;
  pk_read_tcp_bytes(flow, sk);
  pk_tell_flow(flow, true);
  pk_drop_flow(cookie, flow->workspace);
  return 0;
}

PK_INLINE int pk_on_listening(const struct sock *sk) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_label *label = pk_label_of(task);
  if (!label) return 0;
  struct pk_socket *record;
  if (!PK_RESERVE(record, PK_SOCKET, false, label->workspace)) return 0;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_header(&record->header, PK_SOCKET, sizeof(*record), task, label->workspace,
                 pk_origin_flags(label) | pk_interface_flags(task));
  record->header.call = PK_CALL_listen;
  pk_fill_ends(&record->ends, (struct sock *)sk, bpf_get_socket_cookie((void *)sk));
  record->ends.direction = PK_DIR_LISTEN;
  bpf_get_current_comm(record->comm, sizeof(record->comm));
  pk_submit(record, PK_SOCKET);
  return 0;
}

/*
 * Hook: inet_sock_set_state. CLOSE to SYN_SENT and to LISTEN run in the caller's context, with the
 *   address the kernel uses, whatever the way (connect, io_uring, TCP fast open). SYN_RECV to
 *   ESTABLISHED marks accepted sockets, so that a shell on one can be told from a shell on a
 *   connection it opened. To CLOSE: nothing more will move.
 * Oldest kernel: 6.1.
 * Cost: some comparisons for other transitions, one look-up for a stranger.
 * Blind spot: the local port is not chosen yet; a socket is taken for accepted only if its
 *   listener was made in a workspace; a connection that ends before anybody accepts it is not told
 *   as a flow.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_sock_state, const struct sock *sk, int old_state, int new_state) {
  if (new_state == TCP_CLOSE) return pk_on_closed((struct sock *)sk);
  if (old_state == TCP_CLOSE && new_state == TCP_SYN_SENT) return pk_on_outbound(sk);
  if (old_state == TCP_CLOSE && new_state == TCP_LISTEN) return pk_on_listening(sk);
  if (old_state == TCP_SYN_RECV && new_state == TCP_ESTABLISHED) return pk_on_inbound(sk);
  return 0;
}
