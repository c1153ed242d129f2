/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The socket family: sockets that are made, named, listen and accept, and unix sockets, which have
 * no other hook. */
#include "bpf/lib/datagram.h"
#include "bpf/lib/holds.h"
#include "bpf/lib/message.h"
#include "bpf/lib/ring.h"
#include "bpf/lib/socket_record.h"

char LICENSE[] SEC("license") = "GPL";

#define PK_ALLOW 1

/* It may have the other end of a program's input and output now. */
PK_INLINE void pk_tell_new_holds(struct task_struct *task, const struct pk_call_state *call) {
  struct pk_label *label = pk_label_of(task);
  if (label && label->connected && call->result >= 0) pk_tell_own_holds(task, true);
}

/*
 * Hook: the end of socket, accept, accept4, of bind, listen and connect of unix sockets, and of
 *   sendto, sendmsg and sendmmsg that name a unix socket (syscall.bpf.c). socket() by its registers;
 *   what was accepted, by the kernel's file at the result, which the call has just put there; names by
 *   dentry.
 * Oldest kernel: 6.1.
 * Cost: a look at the descriptor for every connect of a workspace, 2 us for a record.
 * Blind spot: who swaps the descriptor of a unix connect (dup2) while it blocks on a full queue is
 *   told with the other socket; the name of a connect that failed and of a datagram's receiver is the
 *   caller's claim (PK_USER_TEXT); who gets a datagram; whose thread changes the arguments of an i386 socketcall, which stand in memory, is
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
    case PK_CALL_sendto:
    case PK_CALL_sendmsg:
    case PK_CALL_sendmmsg:
      return pk_on_sent(task, call);
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
      if (pk_got_descriptors(task, call)) pk_tell_own_holds(task, true);
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

/* Accepts of rings that are under way, by what their answers have of them: of one of several answers
 * nothing else says what it is about. */
struct pk_answer {
  __u64 ring;
  __u64 user_data; /* the caller's choice: others may have the same */
};

struct pk_accepts {
  struct io_kiocb *request; /* the latest */
  __u64 count;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, PK_RING_ACCEPTS_MAX);
  __type(key, struct pk_answer);
  __type(value, struct pk_accepts);
} ring_accepts SEC(".maps");

PK_INLINE struct pk_answer pk_answer_of(struct io_kiocb *request) {
  struct pk_answer answer = {.ring = (__u64)BPF_CORE_READ(request, ctx),
                             .user_data = BPF_CORE_READ(request, cqe.user_data)};
  return answer;
}

PK_INLINE void pk_begin_accept(struct io_kiocb *request) {
  struct pk_answer answer = pk_answer_of(request);
  struct pk_accepts *known = bpf_map_lookup_elem(&ring_accepts, &answer);
  struct pk_accepts one = {.request = request, .count = known ? known->count + 1 : 1};
  bpf_map_update_elem(&ring_accepts, &answer, &one, BPF_ANY);
}

PK_INLINE void pk_end_accept(struct io_kiocb *request) {
  struct pk_answer answer = pk_answer_of(request);
  struct pk_accepts *known = bpf_map_lookup_elem(&ring_accepts, &answer);
  if (!known) return;
  if (known->count > 1)
    known->count--;
  else
    bpf_map_delete_elem(&ring_accepts, &answer);
}

/* The request of this answer, as far as it is known; NULL: none accepts under this number. */
PK_INLINE struct io_kiocb *pk_accept_of(__u64 *ctx) {
  struct io_uring_cqe *whole = (void *)ctx[2];
  struct pk_answer answer = {
      .ring = ctx[0], .user_data = answers_are_pointers ? BPF_CORE_READ(whole, user_data) : ctx[2]};
  struct pk_accepts *known = bpf_map_lookup_elem(&ring_accepts, &answer);
  struct io_kiocb *request = known ? known->request : NULL;
  return request && pk_operation(request) == IORING_OP_ACCEPT ? request : NULL;
}

/* A connection of an IP socket that nobody has accepted yet. */
PK_INLINE bool pk_is_unclaimed(struct sock *sk) {
  __u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
  struct pk_flow_entry *flow = cookie ? bpf_map_lookup_elem(&flows, &cookie) : NULL;
  return flow && !flow->pid && flow->ends.direction == PK_DIR_INBOUND;
}

/* A unix connection has the very name of the socket that listened. */
PK_INLINE bool pk_is_connection_of(struct sock *sk, struct sock *listener) {
  if (!sk || !listener || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX) return false;
  struct unix_address *name = BPF_CORE_READ((struct unix_sock *)sk, addr);
  return name && name == BPF_CORE_READ((struct unix_sock *)listener, addr);
}

/* One of several answers to one request, which is not named: a descriptor, or a place in the ring's
 * own table. */
PK_INLINE int pk_on_further_answer(__u64 *ctx) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_label *label = pk_label_of(task);
  int fd = answers_are_pointers ? BPF_CORE_READ((struct io_uring_cqe *)ctx[2], res) : (int)ctx[3];
  if (!label || fd < 0) return 0;
  struct io_kiocb *request = pk_accept_of(ctx);
  bool tabled = request && BPF_CORE_READ((struct io_accept *)request, file_slot);
  struct sock *listener = request ? pk_sock_of_file(BPF_CORE_READ(request, file)) : NULL;
  struct sock *sk = tabled ? NULL : pk_sock_of_fd(task, fd);
  struct pk_call_state call = {.call = PK_CALL_accept4,
                               .result = fd,
                               .workspace = label->workspace,
                               .flags = pk_origin_flags(label) | PK_IO_URING};
  if (tabled)
    pk_on_listened(task, &call, listener);
  else if (sk && (pk_is_unclaimed(sk) || pk_is_connection_of(sk, listener)))
    pk_on_accepted(task, &call, sk);
  else
    return 0;
  pk_tell_new_holds(task, &call);
  return 0;
}

/*
 * Hook: io_uring_complete: what a ring did with sockets, with its result. Which socket says the
 *   request, which has the kernel's file also of a descriptor that was swapped, or of none.
 * Oldest kernel: 6.1.
 * Cost: a look at the operation for every request of the machine that is done; as of the calls for
 *   those of a workspace.
 * Blind spot: as of the calls; unix connections that a request goes on accepting while thousands of
 *   others wait for theirs.
 */
SEC("tp_btf/io_uring_complete")
int on_ring_socket(__u64 *ctx) {
  struct io_kiocb *request = (void *)ctx[1];
  if (!request) return pk_on_further_answer(ctx);
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_call_state call = {};
  if (!pk_take_request(&call, task, pk_ring_socket_call(pk_operation(request)))) return 0;
  call.result = BPF_CORE_READ(request, cqe.res);
  if (call.call == PK_CALL_accept4) pk_end_accept(request);
  pk_on_ring_call(task, &call, request, pk_sock_of_file(BPF_CORE_READ(request, file)));
  return 0;
}

/* Since 6.10 the kernel has its own copy of a send's address from the beginning. */
PK_INLINE bool pk_copies_addresses(struct io_async_msghdr *copy) {
  struct io_async_msghdr___counts *before = (void *)copy; /* up to 6.14 */
  return bpf_core_field_exists(copy->vec) || bpf_core_field_exists(before->free_iov_nr);
}

PK_INLINE void pk_find_ring_address(struct pk_address *address, struct io_kiocb *request,
                                    __u16 call) {
  struct io_async_msghdr *copy = BPF_CORE_READ(request, async_data);
  struct io_sr_msg *message = (void *)request;
  if (pk_copies_addresses(copy)) {
    address->at = (__u64)BPF_CORE_READ(copy, msg.msg_name);
    address->length = BPF_CORE_READ(copy, msg.msg_namelen);
    address->is_kernels = true;
  } else if (call == PK_CALL_sendmsg) {
    pk_find_address(address, (__u64)BPF_CORE_READ(message, umsg), false);
  } else if (bpf_core_field_exists(message->addr)) {
    address->at = (__u64)BPF_CORE_READ(message, addr);
    address->length = BPF_CORE_READ(message, addr_len);
  }
}

/* A socket of the ring's own table is known by nothing but the address. */
PK_INLINE void pk_on_ring_send(struct task_struct *task, const struct pk_call_state *call,
                               struct io_kiocb *request, struct sock *sk) {
  struct pk_address address = {};
  if (sk && !pk_is_datagram_socket(sk)) return;
  pk_find_ring_address(&address, request, call->call);
  pk_on_datagram(task, call, sk, &address);
}

/*
 * Hook: io_uring_submit_req (6.1: io_uring_submit_sqe) for requests that ask not to be told of their
 *   end, and for datagrams to unix sockets, of which the request forgets the receiver before its end.
 *   Accepts are noted for their answers.
 * Oldest kernel: 6.1.
 * Cost: a look at the operation for every request of the machine.
 * Blind spot: whether it succeeds; whom a unix socket reaches, whose name is the caller's claim (of a
 *   datagram only before 6.10); the name of a unix socket that is bound; a socket of the ring's own
 *   table; descriptors that come with a message.
 */
SEC("tp_btf/io_uring_submit_req")
int on_ring_socket_begins(__u64 *ctx) {
  struct io_kiocb *request = (void *)ctx[0];
  struct task_struct *task = bpf_get_current_task_btf();
  struct pk_call_state call = {};
  __u8 operation = pk_begun_operation(request);
  __u16 sends = pk_ring_send_call(operation);
  __u16 name = sends ? sends : pk_ring_socket_call(operation);
  /* What comes with a message is not there yet. */
  if (name == PK_CALL_NONE || name == PK_CALL_recvmsg) return 0;
  if (!sends && name != PK_CALL_accept4 && !pk_is_silent(request)) return 0;
  if (!pk_take_request(&call, task, name)) return 0;
  bool fixed = BPF_CORE_READ(request, flags) & PK_RING_FIXED_FILE;
  struct sock *sk = fixed ? NULL : pk_sock_of_fd(task, BPF_CORE_READ(request, cqe.fd));
  if (sends) {
    pk_on_ring_send(task, &call, request, sk);
    return 0;
  }
  if (name == PK_CALL_accept4) pk_begin_accept(request);
  if (pk_is_silent(request)) pk_on_ring_call(task, &call, request, sk);
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
