/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The socket family: sockets that are made, named, listen and accept, and unix sockets, which have
 * no other hook. */
#include "bpf/lib/holds.h"
#include "bpf/lib/message.h"
#include "bpf/lib/path.h"
#include "bpf/lib/ring.h"
#include "bpf/lib/syscall.h"

char LICENSE[] SEC("license") = "GPL";

#define PK_ALLOW 1
#define AF_NETLINK 16
#define NETLINK_ROUTE 0
#define SOCK_TYPE_MASK 0xf
#define PK_UNIX_NAME 108 /* sun_path */

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

PK_INLINE struct sock *pk_sock_of_file(struct file *file) {
  if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK) return NULL;
  struct socket *socket = BPF_CORE_READ(file, private_data);
  return BPF_CORE_READ(socket, sk);
}

PK_INLINE struct sock *pk_sock_of_fd(struct task_struct *task, __u32 fd) {
  return pk_sock_of_file(pk_file_of_fd(task, fd));
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

/* A connect that failed has no peer: what was asked for stands only in the caller's memory. */
PK_INLINE void pk_append_asked_name(struct pk_scratch *scratch, struct pk_socket *record,
                                    const struct pk_call_state *call) {
  const char *from = (const char *)call->argument[1] + 2;
  char *name = scratch->record + sizeof(*record);
  char first = 0;
  if (call->argument[2] < 3 || bpf_probe_read_user(&first, 1, from)) return;
  __u32 at = first ? 0 : 1;
  if (!first) name[0] = '@';
  long length = bpf_probe_read_user_str(name + at, PK_UNIX_NAME, from + at);
  if (length <= 1 || length > PK_UNIX_NAME) return;
  record->header.flags |= PK_USER_TEXT;
  record->path.offset = sizeof(*record);
  record->path.length = length - 1 + at;
  record->header.size += record->path.length;
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

/* It may have the other end of a program's input and output now. */
PK_INLINE void pk_tell_new_holds(struct task_struct *task, const struct pk_call_state *call) {
  struct pk_label *label = pk_label_of(task);
  if (label && label->connected && call->result >= 0) pk_tell_own_holds(task, true);
}

/*
 * Hook: the end of socket, accept, accept4, and of bind, listen and connect of unix sockets
 *   (syscall.bpf.c). socket() by its registers; what was accepted, by the kernel's file at the
 *   result, which the call has just put there; names by dentry.
 * Oldest kernel: 6.1.
 * Cost: a look at the descriptor for every connect of a workspace, 2 us for a record.
 * Blind spot: who swaps the descriptor of a unix connect (dup2) while it blocks on a full queue is
 *   told with the other socket; the name of a connect that failed is the caller's claim
 *   (PK_USER_TEXT); whose thread changes the arguments of an i386 socketcall, which stand in memory, is
 *   told of another descriptor.
 */
PK_CALL_HANDLER(socket) {
  switch (call->call) {
    case PK_CALL_socket:
      return pk_on_made(task, call);
    case PK_CALL_accept:
    case PK_CALL_accept4:
      if (call->result >= 0) pk_on_accepted(task, call, pk_sock_of_fd(task, call->result));
      break;
    default:
      pk_on_unix_call(task, call, pk_sock_of_fd(task, call->argument[0]));
  }
  pk_tell_new_holds(task, call);
}

/* The arguments of a request, as its call has them. */
PK_INLINE void pk_read_ring_arguments(struct pk_call_state *call, struct io_kiocb *request) {
  if (call->call == PK_CALL_socket) {
    struct io_socket *made = (void *)request;
    call->argument[0] = BPF_CORE_READ(made, domain);
    call->argument[1] = BPF_CORE_READ(made, type);
    call->argument[2] = BPF_CORE_READ(made, protocol);
  } else if (call->call == PK_CALL_connect) {
    struct io_connect *connect = (void *)request;
    call->argument[1] = (__u64)BPF_CORE_READ(connect, addr);
    call->argument[2] = BPF_CORE_READ(connect, addr_len);
  } else if (call->call == PK_CALL_recvmsg) {
    struct io_sr_msg *message = (void *)request;
    call->argument[1] = (__u64)BPF_CORE_READ(message, umsg);
  }
}

/* What was accepted; of what no descriptor leads to, the listener alone is known. */
PK_INLINE void pk_on_ring_accepted(struct task_struct *task, const struct pk_call_state *call,
                                   struct io_kiocb *request, struct sock *listener) {
  struct io_accept *accept = (void *)request;
  if (call->result < 0) return;
  if (!BPF_CORE_READ(accept, file_slot) && !pk_is_silent(request))
    pk_on_accepted(task, call, pk_sock_of_fd(task, call->result));
  else
    pk_on_listened(task, call, listener);
}

/* `sk`: that the request is about. */
PK_INLINE void pk_on_ring_call(struct task_struct *task, struct pk_call_state *call,
                               struct io_kiocb *request, struct sock *sk) {
  pk_read_ring_arguments(call, request);
  switch (call->call) {
    case PK_CALL_socket:
      return pk_on_made(task, call);
    case PK_CALL_recvmsg:
      if (pk_got_descriptors(call)) pk_tell_own_holds(task, true);
      return;
    case PK_CALL_accept4:
      pk_on_ring_accepted(task, call, request, sk);
      break;
    default:
      pk_on_unix_call(task, call, sk);
  }
  pk_tell_new_holds(task, call);
}

/* Set by the agent: the tracepoint has a pointer to the answer (since 6.14), or its parts. */
const volatile __u8 answers_are_pointers;

/* One of several answers to one request, which is not named. Where it may be a descriptor of a
 * connection that nobody has accepted yet, that is what the request does. */
PK_INLINE int pk_on_further_answer(__u64 *ctx) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_label *label = pk_label_of(task);
  if (!label) return 0;
  int fd = answers_are_pointers ? BPF_CORE_READ((struct io_uring_cqe *)ctx[2], res) : (int)ctx[3];
  struct sock *sk = fd < 0 ? NULL : pk_sock_of_fd(task, fd);
  __u64 cookie = sk ? BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) : 0;
  struct pk_flow_entry *flow = cookie ? bpf_map_lookup_elem(&flows, &cookie) : NULL;
  if (!flow || flow->pid || flow->ends.direction != PK_DIR_INBOUND) return 0;
  struct pk_call_state call = {.call = PK_CALL_accept4,
                               .result = fd,
                               .workspace = label->workspace,
                               .flags = pk_origin_flags(label) | PK_IO_URING};
  pk_on_accepted(task, &call, sk);
  pk_tell_new_holds(task, &call);
  return 0;
}

/*
 * Hook: io_uring_complete: what a ring did with sockets, with its result. Which socket says the
 *   request, which has the kernel's file also of a descriptor that was swapped, or of none.
 * Oldest kernel: 6.1.
 * Cost: a look at the operation for every request of the machine that is done; as of the calls for
 *   those of a workspace.
 * Blind spot: as of the calls; of a request that goes on accepting, unix connections and what it
 *   puts into the ring's own table.
 */
SEC("tp_btf/io_uring_complete")
int on_ring_socket(__u64 *ctx) {
  struct io_kiocb *request = (void *)ctx[1];
  if (!request) return pk_on_further_answer(ctx);
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_call_state call = {};
  if (!pk_take_request(&call, task, pk_ring_socket_call(pk_operation(request)))) return 0;
  call.result = BPF_CORE_READ(request, cqe.res);
  pk_on_ring_call(task, &call, request, pk_sock_of_file(BPF_CORE_READ(request, file)));
  return 0;
}

/*
 * Hook: io_uring_submit_req (6.1: io_uring_submit_sqe) for requests that ask not to be told of their
 *   end.
 * Oldest kernel: 6.1.
 * Cost: a look at the operation for every request of the machine.
 * Blind spot: whether it succeeds; whom a unix socket reaches, whose name is the caller's claim;
 *   the name of a unix socket that is bound; a socket of the ring's own table; descriptors that
 *   come with a message.
 */
SEC("tp_btf/io_uring_submit_req")
int on_ring_socket_begins(__u64 *ctx) {
  struct io_kiocb *request = (void *)ctx[0];
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_call_state call = {};
  __u16 name = pk_ring_socket_call(pk_begun_operation(request));
  /* What comes with a message is not there yet. */
  if (name == PK_CALL_NONE || name == PK_CALL_recvmsg || !pk_is_silent(request)) return 0;
  if (!pk_take_request(&call, task, name)) return 0;
  bool fixed = BPF_CORE_READ(request, flags) & PK_RING_FIXED_FILE;
  struct sock *sk = fixed ? NULL : pk_sock_of_fd(task, BPF_CORE_READ(request, cqe.fd));
  pk_on_ring_call(task, &call, request, sk);
  return 0;
}

PK_INLINE void pk_on_bound(struct bpf_sock *ctx, bool v6) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_label *label = pk_label_of(task);
  if (!label) return;
  struct pk_socket made = {};
  made.ends.socket = bpf_get_socket_cookie(ctx);
  made.ends.family = v6 ? AF_INET6 : AF_INET;
  made.ends.kind = ctx->type;
  made.ends.proto = ctx->protocol == IPPROTO_MPTCP ? IPPROTO_TCP : ctx->protocol;
  made.ends.local_port = ctx->src_port;
  __u32 *local = (__u32 *)made.ends.local_addr;
  if (v6) {
    local[0] = ctx->src_ip6[0];
    local[1] = ctx->src_ip6[1];
    local[2] = ctx->src_ip6[2];
    local[3] = ctx->src_ip6[3];
    if (pk_is_v4_mapped(made.ends.local_addr)) {
      made.ends.family = AF_INET;
      local[0] = local[3];
      local[1] = local[2] = local[3] = 0;
    }
  } else {
    local[0] = ctx->src_ip4;
  }
  pk_fill_header(&made.header, PK_SOCKET, sizeof(made), task, label->workspace,
                 pk_origin_flags(label) | pk_interface_flags(task));
  made.header.call = PK_CALL_bind;
  bpf_get_current_comm(made.comm, sizeof(made.comm));
  struct pk_socket *record;
  if (!PK_RESERVE(record, PK_SOCKET, true, label->workspace)) return;
  __builtin_memcpy(record, &made, sizeof(*record));
  pk_submit(record, PK_SOCKET);
}

/*
 * Hook: cgroup/post_bind4 and post_bind6: in the caller's context, with the address and the port
 *   that the socket has got.
 * Oldest kernel: 6.1.
 * Cost: one look-up for a stranger.
 * Blind spot: a bind that fails, and the port that a connect chooses.
 */
SEC("cgroup/post_bind4")
int on_bind4(struct bpf_sock *ctx) {
  pk_on_bound(ctx, false);
  return PK_ALLOW;
}

SEC("cgroup/post_bind6")
int on_bind6(struct bpf_sock *ctx) {
  pk_on_bound(ctx, true);
  return PK_ALLOW;
}
