/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The one way out of the kernel: a single ring, so that fork comes before exec comes before
 * connect. A workspace has its share of it (share.h), and bulk records are admitted only while the
 * ring has room to spare. What is refused is counted by type and workspace and never silent. Who
 * wakes the reader at once is another question: the agent answers it from its rules
 * (decisions/0005).
 */
#ifndef PICKET_LIB_EMIT_H
#define PICKET_LIB_EMIT_H

#include "bpf/lib/scratch.h"
#include "bpf/lib/share.h"

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20); /* the agent sets its own size before load */
} ring __weak SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PK_LOSSES_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct pk_loss_key);
  __type(value, struct pk_loss);
} losses __weak SEC(".maps");

volatile struct pk_reader reader __weak;
volatile __u32 has_lost
    __weak; /* 1: a counter of `losses` has grown since the agent wrote 0 here */

static __noinline void pk_count_loss(__u32 type, __u64 workspace) {
  struct pk_loss_key key = {.workspace = workspace, .type = type};
  struct pk_loss *loss = bpf_map_lookup_elem(&losses, &key);
  if (!loss) {
    struct pk_loss none = {};
    bpf_map_update_elem(&losses, &key, &none, BPF_NOEXIST);
    loss = bpf_map_lookup_elem(&losses, &key);
  }
  if (!loss) { /* the table is full: the agent made an entry without workspace for that */
    key.workspace = 0;
    loss = bpf_map_lookup_elem(&losses, &key);
    if (!loss) return;
  }
  __sync_fetch_and_add(&loss->count, 1);
  if (!has_lost) has_lost = 1;
}

PK_INLINE bool pk_is_urgent(enum pk_type type, __u32 class, __u8 call) {
  if (pk_is_told_by_call(type) && reader.calm[call]) return false;
  return reader.urgent[type] >> class & 1;
}

PK_INLINE enum pk_rank pk_rank_of(bool bulk, bool urgent) {
  return (bulk ? PK_BULK : PK_ORDINARY) + (urgent ? 1 : 0);
}

/* False: refused, and counted. */
static __noinline bool pk_admit(__u32 type, __u64 workspace, __u32 size, __u32 rank) {
  struct pk_ring_state state = {
      .size = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE),
      .filled = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA),
      .read = bpf_ringbuf_query(&ring, BPF_RB_CONS_POS),
  };
  if (pk_take_share(&state, workspace, size, rank)) return true;
  pk_count_loss(type, workspace);
  return false;
}

/* The wake-up, not the copy, is what an event costs. What is not urgent waits for a record that is,
 * until a quarter of the ring is filled or an eighth by its workspace, or until the reader comes by
 * itself. */
PK_INLINE __u64 pk_wakeup(bool urgent, __u64 workspace) {
  if (urgent) return BPF_RB_FORCE_WAKEUP;
  __u64 size = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE);
  bool loud =
      bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= size / 4 || pk_held(workspace) >= size / 8;
  return loud ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* A reader that found nothing for a while sleeps until the first record of any kind. It says so and
 * then looks into the ring once more; here the record comes first and then the question: one of the
 * two sees the other. The bell is a record that is thrown away. */
PK_INLINE void pk_wake_sleeper(void) {
  if (!reader.asleep || !__sync_lock_test_and_set(&reader.asleep, 0)) return;
  void *bell = bpf_ringbuf_reserve(&ring, 8, 0);
  if (bell) bpf_ringbuf_discard(bell, BPF_RB_FORCE_WAKEUP);
}

/* A record of constant size is made in place: NULL means refused, and counted. */
#define PK_RESERVE(record, record_type, bulk, workspace)                                     \
  ({                                                                                         \
    (record) = NULL;                                                                         \
    if (pk_admit(record_type, workspace, sizeof(*(record)),                                  \
                 pk_rank_of(bulk, pk_is_urgent(record_type, PK_CLASS_ANY, PK_CALL_NONE)))) { \
      (record) = bpf_ringbuf_reserve(&ring, sizeof(*(record)), 0);                           \
      if (!(record)) pk_count_loss(record_type, workspace);                                  \
    }                                                                                        \
    (record);                                                                                \
  })

PK_INLINE void pk_submit(void *record, enum pk_type type) {
  const struct pk_header *header = record;
  bool urgent = pk_is_urgent(type, PK_CLASS_ANY, header->call);
  bpf_ringbuf_submit(record, pk_wakeup(urgent, header->cgroup_id));
  pk_wake_sleeper();
}

/* A record of any size, from scratch memory. */
PK_INLINE void pk_send_ranked(struct pk_header *header, enum pk_type type, __u32 class, bool bulk) {
  __u32 size = header->size;
  __u64 workspace = header->cgroup_id;
  barrier_var(size);                /* what is checked is what is used: 6.1 loses sight of copies */
  if (size > PK_RECORD_MAX) return; /* cannot happen; the verifier does not know */
  bool urgent = pk_is_urgent(type, class, header->call);
  if (!pk_admit(type, workspace, size, pk_rank_of(bulk, urgent))) return;
  if (bpf_ringbuf_output(&ring, header, size, pk_wakeup(urgent, workspace)))
    pk_count_loss(type, workspace);
  pk_wake_sleeper();
}

PK_INLINE void pk_send(struct pk_header *header, enum pk_type type, __u32 class) {
  pk_send_ranked(header, type, class, false);
}

#endif
