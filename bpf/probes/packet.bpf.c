/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Packets of the workspaces' sockets: how much moves, the first bytes that a new connection sends,
 * DNS. The programs sit at the root of the cgroup tree, let everything pass, and ask only whether
 * the packet's socket is in the table of flows.
 */
#include "bpf/lib/flow.h"

char LICENSE[] SEC("license") = "GPL";

#define PK_ALLOW 1
#define ETH_P_IPV6 0x86dd
#define PK_PORT_DNS 53
#define PK_DNS_HEADER 12
#define PK_DNS_SEGMENTS 256 /* of one TCP connection; a resolver may keep it for long */

const volatile __u64 flow_interval_ns = 60000000000ull; /* the agent sets its own before load */

/* Room in the ring is not cleared by the kernel. */
static const char zeros[PK_DNS_LARGE] = {};

struct pk_packet {
  __u32 transport; /* offset of the transport header */
  __u32 payload;
  __u32 length; /* of the payload */
  bool v6;
};

/* Of IPv6 only packets without extension headers are taken apart; the others are counted. */
PK_INLINE bool pk_parse(struct __sk_buff *skb, const struct pk_flow_entry *flow,
                        struct pk_packet *packet) {
  bool tcp = flow->ends.proto == IPPROTO_TCP;
  __u8 byte = 0;
  packet->v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
  if (bpf_skb_load_bytes(skb, packet->v6 ? 6 : 0, &byte, 1)) return false;
  packet->transport = packet->v6 ? 40 : (byte & 15) * 4;
  if (packet->v6 && byte != flow->ends.proto) return false;
  __u32 header = 8;
  if (tcp) {
    if (bpf_skb_load_bytes(skb, packet->transport + 12, &byte, 1)) return false;
    header = (byte >> 4) * 4;
  }
  packet->payload = packet->transport + header;
  if (skb->len < packet->payload) return false;
  packet->length = skb->len - packet->payload;
  return true;
}

/* The peer of this packet: a socket that is not connected has many. */
PK_INLINE void pk_read_packet_peer(struct __sk_buff *skb, const struct pk_packet *packet,
                                   struct pk_ends *ends, bool out) {
  __u16 port = 0;
  bpf_skb_load_bytes(skb, packet->transport + (out ? 2 : 0), &port, sizeof(port));
  ends->remote_port = bpf_ntohs(port);
  __builtin_memset(ends->remote_addr, 0, sizeof(ends->remote_addr));
  if (packet->v6)
    bpf_skb_load_bytes(skb, out ? 24 : 8, ends->remote_addr, 16);
  else
    bpf_skb_load_bytes(skb, out ? 16 : 12, ends->remote_addr, 4);
  ends->family = packet->v6 ? AF_INET6 : AF_INET;
}

/* Copies at most `room` bytes of the payload; how many, 0 when that failed. Its length is never 0
 * here, which the verifier of 6.1 believes only of a number that has just been added to. */
PK_INLINE __u32 pk_copy_payload(struct __sk_buff *skb, const struct pk_packet *packet, __u8 *bytes,
                                __u32 room) {
  __u32 last = packet->length - 1;
  asm volatile("" : "+r"(last));
  if (last > room - 1) last = room - 1;
  asm volatile("" : "+r"(last));
  __u32 length = last + 1;
  return bpf_skb_load_bytes(skb, packet->payload, bytes, length) ? 0 : length;
}

struct pk_small_dns {
  struct pk_dns dns;
  __u8 bytes[PK_DNS_SMALL];
};
struct pk_large_dns {
  struct pk_dns dns;
  __u8 bytes[PK_DNS_LARGE];
};

PK_INLINE void pk_fill_dns(struct pk_dns *record, __u8 *bytes, __u32 room, struct __sk_buff *skb,
                           const struct pk_flow_entry *flow, const struct pk_packet *packet,
                           bool out) {
  __builtin_memset(record, 0, sizeof(*record));
  bpf_probe_read_kernel(bytes, room, zeros);
  pk_fill_flow_header(&record->header, PK_DNS, sizeof(*record) + room, flow);
  record->ends = flow->ends;
  pk_read_packet_peer(skb, packet, &record->ends, out);
  record->answer = !out;
  if (packet->length > room) record->header.flags |= PK_TRUNCATED;
  record->message.length = pk_copy_payload(skb, packet, bytes, room);
  record->message.offset = sizeof(*record);
}

PK_INLINE void pk_tell_dns(struct __sk_buff *skb, const struct pk_flow_entry *flow,
                           const struct pk_packet *packet, bool out) {
  if (packet->length <= PK_DNS_SMALL) {
    struct pk_small_dns *small;
    if (!PK_RESERVE(small, PK_DNS, true, flow->workspace)) return;
    pk_fill_dns(&small->dns, small->bytes, sizeof(small->bytes), skb, flow, packet, out);
    pk_submit(small, PK_DNS);
  } else {
    struct pk_large_dns *large;
    if (!PK_RESERVE(large, PK_DNS, true, flow->workspace)) return;
    pk_fill_dns(&large->dns, large->bytes, sizeof(large->bytes), skb, flow, packet, out);
    pk_submit(large, PK_DNS);
  }
}

struct pk_payload_room {
  struct pk_payload payload;
  __u8 bytes[PK_PAYLOAD_MAX];
};

PK_INLINE void pk_tell_payload(struct __sk_buff *skb, struct pk_flow_entry *flow,
                               const struct pk_packet *packet) {
  if (__sync_lock_test_and_set(&flow->payload_told, 1)) return;
  struct pk_payload_room *record;
  if (!PK_RESERVE(record, PK_PAYLOAD, true, flow->workspace)) return;
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_flow_header(&record->payload.header, PK_PAYLOAD, sizeof(*record), flow);
  record->payload.ends = flow->ends;
  struct bpf_sock *sk = skb->sk;
  struct tcp_sock *tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
  if (tcp) {
    __u64 received = BPF_CORE_READ(tcp, bytes_received);
    record->payload.received = received > 0xffffffffull ? 0xffffffffu : received;
  }
  record->payload.data.length = pk_copy_payload(skb, packet, record->bytes, sizeof(record->bytes));
  record->payload.data.offset = sizeof(record->payload);
  pk_submit(record, PK_PAYLOAD);
}

PK_INLINE bool pk_is_due(const struct pk_flow_entry *flow) {
  return bpf_ktime_get_boot_ns() - flow->told_ns >= flow_interval_ns;
}

/* Every segment that is received is acknowledged, so one direction is enough to look at the clock. */
PK_INLINE void pk_on_segment(struct __sk_buff *skb, struct pk_flow_entry *flow, bool out) {
  if (out && flow->pid && pk_is_due(flow)) {
    struct bpf_sock *sk = skb->sk;
    struct tcp_sock *tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
    if (tcp) pk_read_tcp_bytes(flow, (struct sock *)tcp);
    if (flow->bytes_in + flow->bytes_out != flow->told_bytes) pk_tell_flow(flow, false);
  }
  if (flow->ends.direction != PK_DIR_OUTBOUND) return;
  bool dns = flow->ends.remote_port == PK_PORT_DNS && flow->dns_segments < PK_DNS_SEGMENTS;
  bool first = out && !flow->payload_told;
  struct pk_packet packet;
  if ((!dns && !first) || !pk_parse(skb, flow, &packet) || packet.length == 0) return;
  if (dns) {
    flow->dns_segments++;
    pk_tell_dns(skb, flow, &packet, out);
  } else {
    pk_tell_payload(skb, flow, &packet);
  }
}

PK_INLINE void pk_on_datagram(struct __sk_buff *skb, struct pk_flow_entry *flow, bool out) {
  struct pk_packet packet;
  if (!pk_parse(skb, flow, &packet)) return;
  __sync_fetch_and_add(out ? &flow->bytes_out : &flow->bytes_in, packet.length);
  if (pk_is_due(flow) && flow->bytes_in + flow->bytes_out != flow->told_bytes)
    pk_tell_flow(flow, false);
  if (flow->ends.proto != IPPROTO_UDP || packet.length < PK_DNS_HEADER) return;
  __u16 port = 0;
  bpf_skb_load_bytes(skb, packet.transport + (out ? 2 : 0), &port, sizeof(port));
  if (port == bpf_htons(PK_PORT_DNS)) pk_tell_dns(skb, flow, &packet, out);
}

PK_INLINE void pk_on_packet(struct __sk_buff *skb, bool out) {
  __u64 cookie = bpf_get_socket_cookie(skb);
  struct pk_flow_entry *flow = bpf_map_lookup_elem(&flows, &cookie);
  if (!flow) return;
  if (flow->ends.proto == IPPROTO_TCP)
    pk_on_segment(skb, flow, out);
  else
    pk_on_datagram(skb, flow, out);
}

/*
 * Hook: cgroup_skb egress and ingress: every packet with the socket it belongs to, before it is cut
 *   into fragments and after it is put together; in the clear only what the process itself does not
 *   encrypt. The periodic record of a flow is made here, by the first packet after the interval, so
 *   that nobody has to walk anything.
 * Oldest kernel: 6.1.
 * Cost: one look-up for a stranger's packet (docs/decisions/0007).
 * Blind spot: sockets older than the agent; IPv6 datagrams with extension headers; a flow that falls
 *   silent within an interval is told when it ends; raw and packet sockets.
 */
SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb) {
  pk_on_packet(skb, true);
  return PK_ALLOW;
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb) {
  pk_on_packet(skb, false);
  return PK_ALLOW;
}

/*
 * Hook: cgroup/sock_release: the last descriptor of a datagram socket is closed. TCP goes on after
 *   that and ends in on_sock_state.
 * Oldest kernel: 6.1.
 * Cost: one look-up for a stranger.
 * Blind spot: none.
 */
SEC("cgroup/sock_release")
int on_release(struct bpf_sock *ctx) {
  __u64 cookie = bpf_get_socket_cookie(ctx);
  struct pk_flow_entry *flow = bpf_map_lookup_elem(&flows, &cookie);
  if (flow && flow->ends.kind == SOCK_DGRAM) {
    pk_tell_flow(flow, true);
    pk_drop_flow(cookie, flow->workspace);
  }
  return PK_ALLOW;
}
