/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * How much of the ring a workspace may hold, so that one that makes events as fast as it can takes
 * nothing from the others, and hides nothing of its own that somebody waits for. What it holds is
 * counted from the moment on at which everything it had put in was read; three bounds, by how much
 * a gap hurts:
 *   bulk (forks, exits, datagram peers: a later record mends the gap)   a quarter of the ring
 *   ordinary                                                           three eighths
 *   urgent (a loaded rule that calls for somebody could match)          three quarters
 * Bulk that a rule calls for counts as ordinary. Bulk of anybody may fill three quarters of the ring, what is
 * ordinary seven eighths, and a workspace that holds next to nothing fifteen sixteenths: several loud ones leave room
 * to a quiet one, and the rest to what is urgent.
 * Two processors may count at the same time: a bound can be overrun by a record or two.
 */
#ifndef PICKET_LIB_SHARE_H
#define PICKET_LIB_SHARE_H

#include "bpf/lib/base.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PK_CGROUPS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct pk_cgroup_scope);
} cgroups __weak SEC(".maps");

enum pk_rank { PK_BULK, PK_ORDINARY, PK_URGENT };

struct pk_ring_state {
  __u64 size;
  __u64 filled;
  __u64 read; /* position up to which the reader is done */
};

PK_INLINE bool pk_has_room(const struct pk_ring_state *ring, enum pk_rank rank, bool quiet) {
  if (rank == PK_URGENT) return true;
  return ring->filled <= ring->size / 16 * (quiet ? 15 : rank == PK_ORDINARY ? 14 : 12);
}

PK_INLINE __u64 pk_bound(const struct pk_ring_state *ring, enum pk_rank rank) {
  if (rank == PK_URGENT) return ring->size / 4 * 3;
  return rank == PK_ORDINARY ? ring->size / 8 * 3 : ring->size / 4;
}

/* True when a record of `size` bytes may go in; it is counted then. */
PK_INLINE bool pk_take_share(const struct pk_ring_state *ring, __u64 workspace, __u32 size,
                             enum pk_rank rank) {
  struct pk_cgroup_scope *own = bpf_map_lookup_elem(&cgroups, &workspace);
  if (!own) return pk_has_room(ring, rank, false);
  if (own->last <= ring->read) own->held = 0;
  if (!pk_has_room(ring, rank, own->held <= ring->size / 32)) return false;
  if (own->held + size > pk_bound(ring, rank)) return false;
  own->held += size;
  own->last = ring->read + ring->filled + size;
  return true;
}

PK_INLINE __u64 pk_held(__u64 workspace) {
  struct pk_cgroup_scope *own = bpf_map_lookup_elem(&cgroups, &workspace);
  return own ? own->held : 0;
}

#endif
