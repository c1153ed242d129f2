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
#define IORING_OP_SENDMSG 9
#define IORING_OP_RECVMSG 10
#define IORING_OP_ACCEPT 13
#define IORING_OP_CONNECT 16
#define IORING_OP_OPENAT 18
#define IORING_OP_SEND 26
#define IORING_OP_OPENAT2 28
#define IORING_OP_RENAMEAT 35
#define IORING_OP_UNLINKAT 36
#define IORING_OP_MKDIRAT 37
#define IORING_OP_SYMLINKAT 38
#define IORING_OP_LINKAT 39
#define IORING_OP_SETXATTR 42
#define IORING_OP_SOCKET 45 /* since 5.19 */
#define IORING_OP_SEND_ZC 47
#define IORING_OP_SENDMSG_ZC 48
#define IORING_OP_BIND 56 /* since 6.11, as listen */
#define IORING_OP_LISTEN 57

/* Bits of a request's flags: those of its entry in the ring. */
#define PK_RING_FIXED_FILE 0x1u /* on a file of the ring's own table */
#define PK_RING_SILENT 0x40u    /* nothing is told of its end when it succeeds */

/* The call that a request stands for, by who tells of it. */
PK_INLINE __u16 pk_ring_file_call(__u8 operation) {
  switch (operation) {
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
    case IORING_OP_SETXATTR:
      return PK_CALL_setxattr;
    default:
      return PK_CALL_NONE;
  }
}

PK_INLINE __u16 pk_ring_open_call(__u8 operation) {
  switch (operation) {
    case IORING_OP_OPENAT:
      return PK_CALL_openat;
    case IORING_OP_OPENAT2:
      return PK_CALL_openat2;
    default:
      return PK_CALL_NONE;
  }
}

PK_INLINE __u16 pk_ring_socket_call(__u8 operation) {
  switch (operation) {
    case IORING_OP_SOCKET:
      return PK_CALL_socket;
    case IORING_OP_BIND:
      return PK_CALL_bind;
    case IORING_OP_LISTEN:
      return PK_CALL_listen;
    case IORING_OP_ACCEPT:
      return PK_CALL_accept4;
    case IORING_OP_CONNECT:
      return PK_CALL_connect;
    case IORING_OP_RECVMSG:
      return PK_CALL_recvmsg;
    default:
      return PK_CALL_NONE;
  }
}

/* Of a datagram. */
PK_INLINE __u16 pk_ring_send_call(__u8 operation) {
  switch (operation) {
    case IORING_OP_SEND:
    case IORING_OP_SEND_ZC:
      return PK_CALL_sendto;
    case IORING_OP_SENDMSG:
    case IORING_OP_SENDMSG_ZC:
      return PK_CALL_sendmsg;
    default:
      return PK_CALL_NONE;
  }
}

PK_INLINE __u8 pk_operation(struct io_kiocb *request) { return BPF_CORE_READ(request, opcode); }

/* The same where the tracepoint's argument has its type: without a helper, as every request of the
 * machine comes here. */
PK_INLINE __u8 pk_begun_operation(struct io_kiocb *request) { return request->opcode; }

/* Of its end no hook hears, unless it fails: it is told when it begins. */
PK_INLINE bool pk_is_silent(struct io_kiocb *request) {
  return BPF_CORE_READ(request, flags) & PK_RING_SILENT;
}

/* True when `name`, the call that a request stands for, is somebody's business. */
PK_INLINE bool pk_take_request(struct pk_call_state *call, struct task_struct *task, __u16 name) {
  if (name == PK_CALL_NONE || !pk_is_asked(name)) return false;
  struct pk_label *label = pk_label_of(task);
  if (!label) return false;
  call->call = name;
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
