/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What io_uring does for a process: the same calls, without a system call of their own. The request
 * has the kernel's copy of what was asked for, which no thread can change any more. Its operations
 * run in the thread that submits, in a worker of the process or in its polling thread: all of them
 * threads of the process that owns the ring.
 */
#ifndef PICKET_LIB_RING_H
#define PICKET_LIB_RING_H

#include "bpf/lib/syscall.h"
#include "bpf/lib/unasked.h"

/* <linux/io_uring.h> */
#define IORING_OP_OPENAT 18
#define IORING_OP_OPENAT2 28
#define IORING_OP_RENAMEAT 35
#define IORING_OP_UNLINKAT 36
#define IORING_OP_MKDIRAT 37
#define IORING_OP_SYMLINKAT 38
#define IORING_OP_LINKAT 39

PK_INLINE __u16 pk_ring_call(__u8 operation) {
  switch (operation) {
    case IORING_OP_OPENAT:
      return PK_CALL_openat;
    case IORING_OP_OPENAT2:
      return PK_CALL_openat2;
    case IORING_OP_RENAMEAT:
      return PK_CALL_renameat2;
    case IORING_OP_UNLINKAT:
      return PK_CALL_unlinkat;
    case IORING_OP_MKDIRAT:
      return PK_CALL_mkdirat;
    case IORING_OP_SYMLINKAT:
      return PK_CALL_symlinkat;
    case IORING_OP_LINKAT:
      return PK_CALL_linkat;
    default:
      return PK_CALL_NONE;
  }
}

PK_INLINE bool pk_is_ring_open(__u16 call) {
  return call == PK_CALL_openat || call == PK_CALL_openat2;
}

/* True when the request is somebody's business. */
PK_INLINE bool pk_take_request(struct pk_call_state *call, struct task_struct *task,
                               struct io_kiocb *request) {
  call->call = pk_ring_call(BPF_CORE_READ(request, opcode));
  if (call->call == PK_CALL_NONE || !pk_is_asked(call->call)) return false;
  struct pk_label *label = pk_label_of(task);
  if (!label) return false;
  call->workspace = label->workspace;
  call->flags = pk_origin_flags(label) | PK_IO_URING;
  return true;
}

PK_INLINE bool pk_is_relative_name(struct filename *name) {
  char first = 0;
  bpf_probe_read_kernel(&first, 1, BPF_CORE_READ(name, name));
  return first != '/';
}

#endif
