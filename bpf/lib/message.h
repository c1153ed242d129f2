/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What came with a message, and whom one is sent to. */
#ifndef PICKET_LIB_MESSAGE_H
#define PICKET_LIB_MESSAGE_H

#include "bpf/lib/fd.h"
#include "bpf/lib/syscall.h"

#define SOL_SOCKET 1
#define SCM_RIGHTS 1
#define PK_PARTS_LOOKED_AT 4
#define PK_MESSAGES_LOOKED_AT 8 /* of a recvmmsg; of more it is taken for granted */

PK_INLINE bool pk_has_many_messages(const struct pk_call_state *call) {
  return call->call == PK_CALL_sendmmsg || call->call == PK_CALL_recvmmsg ||
         call->call == PK_CALL_recvmmsg_time64;
}

/* struct msghdr; of calls with many struct mmsghdr, which has its length beside it. */
PK_INLINE __u64 pk_message_at(const struct pk_call_state *call, __u32 index) {
  return call->argument[1] + index * (call->flags & PK_COMPAT ? 32 : 64);
}

/* One part of what came beside the bytes: credentials come first. */
PK_INLINE bool pk_is_rights(__u64 *at, __u64 end, bool compat) {
  __u32 words[4] = {}; /* length, level, type; of 64 bits the length takes two */
  __u32 size = compat ? 12 : sizeof(words), align = compat ? 3 : 7;
  if (*at + size > end || bpf_probe_read_user(words, size, (const void *)*at)) return false;
  __u32 level = compat ? words[1] : words[2], type = compat ? words[2] : words[3];
  *at = words[0] < size ? end : *at + ((words[0] + align) & ~align);
  return level == SOL_SOCKET && type == SCM_RIGHTS;
}

PK_INLINE bool pk_has_rights(__u64 message, bool compat) {
  __u64 words[7] = {}; /* struct msghdr: control at 4, its length at 5 */
  if (bpf_probe_read_user(words, compat ? 28 : sizeof(words), (const void *)message)) return false;
  __u64 at = compat ? (__u32)words[2] : words[4];
  __u64 end = at + (compat ? words[2] >> 32 : words[5]);
  if (!at) return false;
  for (__u32 i = 0; i < PK_PARTS_LOOKED_AT; i++)
    if (pk_is_rights(&at, end, compat)) return true;
  return false;
}

/* What the kernel left in the caller's messages: whether descriptors came with one. A thread that
 * changes it meanwhile hides that; a later exec or open of that process tells again. */
PK_INLINE bool pk_got_descriptors(struct task_struct *task, const struct pk_call_state *call) {
  if (call->result < 0) return false;
  bool compat = call->flags & PK_COMPAT;
  if (!pk_has_many_messages(call)) return pk_has_rights(call->argument[1], compat);
  struct sock *sk = pk_sock_of_fd(task, call->argument[0]);
  if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX) return false;
  if (call->result > PK_MESSAGES_LOOKED_AT) return true;
  for (__u32 i = 0; i < PK_MESSAGES_LOOKED_AT; i++) {
    if (i >= call->result) break;
    if (pk_has_rights(pk_message_at(call, i), compat)) return true;
  }
  return false;
}

/* Where the address of a message stands. */
struct pk_address {
  __u64 at; /* 0: it has none */
  __u32 length;
  bool is_kernels; /* a copy that nobody can change any more */
};

PK_INLINE void pk_find_address(struct pk_address *address, __u64 message, bool compat) {
  __u64 words[2] = {}; /* struct msghdr: the address, then its length */
  if (bpf_probe_read_user(words, compat ? 8 : 12, (const void *)message)) return;
  address->at = compat ? (__u32)words[0] : words[0];
  address->length = compat ? words[0] >> 32 : words[1];
}

#endif
