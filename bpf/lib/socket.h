/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A socket's ends, from the kernel's own socket. */
#ifndef PICKET_LIB_SOCKET_H
#define PICKET_LIB_SOCKET_H

#include "bpf/lib/base.h"

PK_INLINE bool pk_is_v4_mapped(const __u8 *address) {
  const __u32 *words = (const __u32 *)address;
  return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

/* A v4-mapped IPv6 address is an IPv4 one to everybody who reads it. */
PK_INLINE __u8 pk_normalise(__u8 family, __u8 *local, __u8 *remote) {
  if (family != AF_INET6 || !pk_is_v4_mapped(remote)) return family;
  __builtin_memcpy(remote, remote + 12, 4);
  __builtin_memset(remote + 4, 0, 12);
  if (pk_is_v4_mapped(local)) __builtin_memcpy(local, local + 12, 4);
  __builtin_memset(local + 4, 0, 12);
  return AF_INET;
}

PK_INLINE __u8 pk_protocol(struct sock *sk) {
  __u16 protocol = BPF_CORE_READ(sk, sk_protocol);
  return protocol == IPPROTO_MPTCP ? IPPROTO_TCP : protocol;
}

PK_INLINE void pk_read_addresses(struct sock *sk, __u8 family, __u8 *local, __u8 *remote) {
  if (family == AF_INET6) {
    bpf_core_read(local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
    bpf_core_read(remote, 16, &sk->__sk_common.skc_v6_daddr);
  } else {
    bpf_core_read(local, 4, &sk->__sk_common.skc_rcv_saddr);
    bpf_core_read(remote, 4, &sk->__sk_common.skc_daddr);
  }
}

/* `ends` is zero when called. */
PK_INLINE void pk_fill_ends(struct pk_ends *ends, struct sock *sk, __u64 cookie) {
  __u8 family = BPF_CORE_READ(sk, __sk_common.skc_family);
  ends->socket = cookie;
  ends->family = family;
  ends->kind = BPF_CORE_READ(sk, sk_type);
  if (family != AF_INET && family != AF_INET6) return;
  ends->proto = pk_protocol(sk);
  ends->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
  ends->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
  pk_read_addresses(sk, family, ends->local_addr, ends->remote_addr);
  ends->family = pk_normalise(family, ends->local_addr, ends->remote_addr);
}

#endif
