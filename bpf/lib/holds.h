/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What a process holds of pipes, FIFOs, unix sockets, masters of pseudo terminals and IP sockets:
 * the ends by which the agent finds out whose input and output a connection is. A walk over the
 * first descriptors, made only when a process connects, is given a connection or opens a FIFO, and
 * when a program starts whose input or output such a process has at its other end.
 */
#ifndef PICKET_LIB_HOLDS_H
#define PICKET_LIB_HOLDS_H

#include "bpf/lib/fd.h"
#include "bpf/lib/scope.h"
#include "bpf/lib/scratch.h"

#define FMODE_READS 1u
#define FMODE_WRITES 2u
#define PK_PTMX_RDEV (5u << 20 | 2)
#define PK_PTS_INO 3 /* devpts numbers its terminals from here on */
#define PK_HOLDERS 3 /* generations above a program that are looked at */

/* What a walk found. In a map and not on the stack: the verifier does not follow what is counted
 * here, so that one round of the walk looks to it like the next. */
struct pk_holds_found {
  struct pk_holds record;
  __u32 channels, outbound, masters, matches;
};

/* Used only by tp_btf programs in process context, as pk_scratch(). */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pk_holds_found);
} holds_scratch __weak SEC(".maps");

struct pk_hold_walk {
  struct file **slots;
  __u64 in, out; /* inodes that are looked for at the other end; 0: none */
  __u32 max;
};

PK_INLINE struct pk_holds_found *pk_holds_place(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&holds_scratch, &zero);
}

PK_INLINE void pk_look_at_socket(struct pk_held *held, struct file *file) {
  struct socket *socket = BPF_CORE_READ(file, private_data);
  struct sock *sk = BPF_CORE_READ(socket, sk);
  __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
  if (family == AF_UNIX) {
    struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
    held->kind = PK_FD_UNIX;
    if (peer) held->peer = BPF_CORE_READ(peer, sk_socket, file, f_inode, i_ino);
    return;
  }
  if (family != AF_INET && family != AF_INET6) return;
  held->kind = PK_FD_INET;
  held->id = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
  held->direction = pk_direction_of(sk, pk_protocol(sk));
}

static long pk_look_at_fd(__u32 fd, struct pk_hold_walk *walk) {
  if (fd >= walk->max) return 1;
  struct pk_holds_found *found = pk_holds_place();
  if (!found) return 1;
  struct file *file = NULL;
  bpf_probe_read_kernel(&file, sizeof(file), walk->slots + fd);
  if (!file) return 0;
  struct inode *inode = BPF_CORE_READ(file, f_inode);
  struct pk_held held = {.fd = fd, .id = BPF_CORE_READ(inode, i_ino)};
  __u32 mode = BPF_CORE_READ(file, f_mode);
  held.reads = !!(mode & FMODE_READS);
  held.writes = !!(mode & FMODE_WRITES);
  held.kind = pk_file_kind(inode);
  __u64 other = held.id;
  switch (held.kind) {
    case PK_FD_PIPE:
    case PK_FD_FIFO:
      found->channels++;
      break;
    case PK_FD_TTY:
      if (BPF_CORE_READ(inode, i_rdev) != PK_PTMX_RDEV) return 0;
      struct tty_file_private *private = BPF_CORE_READ(file, private_data);
      other = held.id = BPF_CORE_READ(private, tty, index) + PK_PTS_INO;
      found->channels++;
      found->masters++;
      break;
    case PK_FD_SOCKET:
      pk_look_at_socket(&held, file);
      other = held.peer;
      if (held.kind == PK_FD_SOCKET || (held.kind == PK_FD_UNIX && !held.peer)) return 0;
      if (held.kind == PK_FD_UNIX) found->channels++;
      if (held.direction == PK_DIR_OUTBOUND) found->outbound++;
      break;
    default:
      return 0;
  }
  if (other && ((other == walk->in && held.writes) || (other == walk->out && held.reads)))
    found->matches++;
  __u32 at = found->record.count;
  if (at >= PK_HELD_MAX) return 1;
  found->record.held[at & (PK_HELD_MAX - 1)] = held;
  found->record.count = at + 1;
  return 0;
}

/* Into pk_holds_place(). */
PK_INLINE void pk_look_at_holds(struct task_struct *task, struct pk_hold_walk *walk) {
  struct pk_holds_found *found = pk_holds_place();
  if (!found || !walk) return;
  __builtin_memset(found, 0, sizeof(*found));
  struct fdtable *table = BPF_CORE_READ(task, files, fdt);
  if (!table) return;
  walk->slots = BPF_CORE_READ(table, fd);
  walk->max = BPF_CORE_READ(table, max_fds);
  bpf_loop(PK_HELD_LOOKED_AT, pk_look_at_fd, walk, 0);
}

PK_INLINE void pk_send_holds(struct task_struct *task, const struct pk_label *label) {
  struct pk_holds_found *found = pk_holds_place();
  struct pk_holds *record;
  if (!found || !PK_RESERVE(record, PK_HOLDS, false, label->workspace)) return;
  __builtin_memcpy(record, &found->record, sizeof(*record));
  pk_fill_header(&record->header, PK_HOLDS, sizeof(*record), task, label->workspace,
                 pk_origin_flags(label));
  pk_submit(record, PK_HOLDS);
}

/* A process got a connection, or an end of something while it may have one. */
static __noinline __attribute__((unused)) void pk_tell_own_holds(struct task_struct *task,
                                                                 bool connects) {
  struct pk_label *label = pk_label_of(task);
  if (!label || !task) return;
  struct pk_hold_walk walk = {};
  pk_look_at_holds(task, &walk);
  struct pk_holds_found *found = pk_holds_place();
  if (!found) return;
  if (found->outbound) label->connected = 1;
  if (found->channels && (found->outbound || !connects)) pk_send_holds(task, label);
}

PK_INLINE bool pk_is_channel(const struct pk_fd *fd) {
  return fd->kind == PK_FD_PIPE || fd->kind == PK_FD_FIFO || fd->kind == PK_FD_UNIX ||
         fd->kind == PK_FD_TTY;
}

/* A program starts, as the record in the scratch says: which of those above it have the other ends of
 * its input and output. A new terminal's master is told of without a connection too: its holder may
 * be a relay in between. Global, so that the verifier looks at it once by itself, and not once for
 * each way that leads here. */
__weak __noinline int pk_tell_holders(void) {
  struct pk_scratch *place = pk_scratch();
  if (!place) return 0;
  struct pk_exec *record = (void *)place->record;
  struct pk_fd *in = &record->fd[0], *out = &record->fd[1];
  if (!pk_is_channel(in) || !pk_is_channel(out)) return 0;
  bool new_terminal = record->tty && record->session == record->header.pid;
  struct task_struct *above = bpf_get_current_task_btf();
#pragma unroll
  for (__u32 i = 0; i < PK_HOLDERS; i++) {
    above = BPF_CORE_READ(above, group_leader, real_parent);
    struct pk_label *label = pk_label_of(above);
    if (!label) return 0;
    if (!label->connected && !new_terminal) continue;
    struct pk_hold_walk walk = {.in = in->inode, .out = out->inode};
    pk_look_at_holds(above, &walk);
    struct pk_holds_found *found = pk_holds_place();
    if (found && found->matches && (found->outbound || found->masters)) pk_send_holds(above, label);
  }
  return 0;
}

#endif
