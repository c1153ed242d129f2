/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The one way out of the kernel: a single ring, so that fork comes before exec comes before
 * connect. Bulk records (forks, exits, datagram peers: a gap there is mended by a later record)
 * are admitted only while the ring has room to spare; critical ones may fill it. What is refused is
 * counted by type and workspace and never silent. Who wakes the reader at once is another question:
 * the agent answers it from its rules (decisions/0005).
 */
#ifndef PICKET_LIB_EMIT_H
#define PICKET_LIB_EMIT_H

#include "bpf/lib/base.h"

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

/* Large records are put together here and copied into the ring once. Used only by tp_btf programs
 * in process context: the tracepoint holds preemption off and none of them fires inside another,
 * so one place per CPU is enough. */
struct pk_scratch {
  char record[PK_RECORD_MAX];
  char path[PK_PATH_MAX +
            256]; /* a path grows backwards from PK_PATH_MAX; a name is at most 255 bytes */
  char name[128];
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pk_scratch);
} scratch __weak SEC(".maps");

PK_INLINE struct pk_scratch *pk_scratch(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&scratch, &zero);
}

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
}

PK_INLINE bool pk_admit(enum pk_type type, bool bulk, __u64 workspace) {
  if (!bulk) return true;
  __u64 size = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE);
  if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) <= size / 4 * 3) return true;
  pk_count_loss(type, workspace);
  return false;
}

/* The wake-up, not the copy, is what an event costs. What is not urgent waits for a record that is,
 * until a quarter of the ring is filled, or until the reader comes by itself. */
PK_INLINE __u64 pk_wakeup(enum pk_type type, __u32 class) {
  if (reader.urgent[type] >> class & 1) return BPF_RB_FORCE_WAKEUP;
  __u64 size = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE);
  return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= size / 4 ? BPF_RB_FORCE_WAKEUP
                                                                 : BPF_RB_NO_WAKEUP;
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
#define PK_RESERVE(record, record_type, bulk, workspace)           \
  ({                                                               \
    (record) = NULL;                                               \
    if (pk_admit(record_type, bulk, workspace)) {                  \
      (record) = bpf_ringbuf_reserve(&ring, sizeof(*(record)), 0); \
      if (!(record)) pk_count_loss(record_type, workspace);        \
    }                                                              \
    (record);                                                      \
  })

PK_INLINE void pk_submit(void *record, enum pk_type type) {
  bpf_ringbuf_submit(record, pk_wakeup(type, PK_CLASS_ANY));
  pk_wake_sleeper();
}

/* A record of any size, from scratch memory. */
PK_INLINE void pk_send(struct pk_header *header, enum pk_type type, __u32 class) {
  __u32 size = header->size;
  if (size > PK_RECORD_MAX) return; /* cannot happen; the verifier does not know */
  if (bpf_ringbuf_output(&ring, header, size, pk_wakeup(type, class)))
    pk_count_loss(type, header->cgroup_id);
  pk_wake_sleeper();
}

#endif
