/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Datagrams to unix sockets that name their receiver themselves, without a connect. Told as
 * connects are: each socket's first to an address, or the first that ends otherwise.
 */
#ifndef PICKET_LIB_DATAGRAM_H
#define PICKET_LIB_DATAGRAM_H

#include "bpf/lib/name_hash.h"
#include "bpf/lib/socket_record.h"

#define PK_SENT_MAX 8192
#define PK_SENDS_MAX 1024 /* messages of one sendmmsg: the kernel takes no more */

struct pk_sent {
  __u64 name; /* its keyed hash */
  __u64 socket;
  __u32 pid;
  __s32 error; /* or 0 */
};

/* What an attacker pushes out of it is merely told again. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, PK_SENT_MAX);
  __type(key, struct pk_sent);
  __type(value, __u8);
} sent __weak SEC(".maps");

PK_INLINE bool pk_is_datagram_socket(struct sock *sk) {
  return BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX &&
         BPF_CORE_READ(sk, sk_type) == SOCK_DGRAM;
}

/* `sk`: NULL where only the address tells what it is. */
PK_INLINE void pk_on_datagram(struct task_struct *task, const struct pk_call_state *call,
                              struct sock *sk, const struct pk_address *address) {
  struct pk_scratch *scratch = pk_scratch();
  __u32 length = address->at && scratch ? pk_read_address(scratch, address) : 0;
  if (!length || !scratch) return;
  struct pk_sent key = {
      .name = pk_hash_text(scratch->path, length),
      .socket = sk ? BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino) : 0,
      .pid = BPF_CORE_READ(task, tgid),
      .error = call->result < 0 ? call->result : 0,
  };
  __u8 seen = 1;
  if (bpf_map_update_elem(&sent, &key, &seen, BPF_NOEXIST)) return;
  struct pk_socket *record = pk_begin_socket(scratch, task, call);
  record->ends.family = AF_UNIX;
  record->ends.kind = SOCK_DGRAM;
  record->ends.direction = PK_DIR_OUTBOUND;
  pk_append_address(scratch, record, address, length);
  pk_send(&record->header, PK_SOCKET, PK_CLASS_ANY);
}

/* Of many messages those that the kernel took; else the first, which it refused. */
static long pk_send_step(__u32 index, struct pk_call_state *call) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct sock *sk = pk_sock_of_fd(task, call->argument[0]);
  struct pk_address address = {};
  pk_find_address(&address, pk_message_at(call, index), call->flags & PK_COMPAT);
  if (sk) pk_on_datagram(task, call, sk, &address);
  return 0;
}

PK_INLINE void pk_on_sent(struct task_struct *task, const struct pk_call_state *call) {
  struct sock *sk = pk_sock_of_fd(task, call->argument[0]);
  struct pk_address address = {.at = call->argument[4], .length = call->argument[5]};
  if (!sk || !pk_is_datagram_socket(sk)) return;
  if (call->call == PK_CALL_sendmmsg) {
    struct pk_call_state each = *call;
    __u32 count = call->result < 1 ? 1 : call->result > PK_SENDS_MAX ? PK_SENDS_MAX : call->result;
    bpf_loop(count, pk_send_step, &each, 0);
    return;
  }
  if (call->call == PK_CALL_sendmsg)
    pk_find_address(&address, call->argument[1], call->flags & PK_COMPAT);
  pk_on_datagram(task, call, sk, &address);
}

#endif
