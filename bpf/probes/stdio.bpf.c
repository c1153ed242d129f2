/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The stdio family: a socket becomes standard input, output or error of a program that already
 * runs. */
#include "bpf/lib/holds.h"
#include "bpf/lib/message.h"
#include "bpf/lib/stdio_record.h"
#include "bpf/lib/syscall.h"

char LICENSE[] SEC("license") = "GPL";

#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030

/*
 * Hook: the end of dup, dup2, dup3, fcntl, recvmsg and recvmmsg (syscall.bpf.c). What the call left behind is
 *   looked at, not what it was asked for: the result is the descriptor, the kernel's file is what is in
 *   it. Another thread may put yet another file there before this runs; then that one is told,
 *   which is true too.
 * Oldest kernel: 6.1.
 * Cost: a comparison for every other result, 2 us for a record.
 * Blind spot: descriptors that arrive otherwise (SCM_RIGHTS, pidfd_getfd, socket() after close(0))
 *   are seen at the next exec; those that land on 0 and 1 before they connect, at the connect
 *   (on_sock_state).
 */
PK_CALL_HANDLER(stdio) {
  if (call->call == PK_CALL_recvmsg || pk_has_many_messages(call)) {
    if (pk_got_descriptors(task, call)) pk_tell_own_holds(task, true);
    return;
  }
  if (call->result < 0 || call->result > 2) return;
  bool asks = call->call == PK_CALL_fcntl || call->call == PK_CALL_fcntl64;
  __u32 command = call->argument[1];
  if (asks && command != F_DUPFD && command != F_DUPFD_CLOEXEC) return;
  struct pk_fd landed = {};
  pk_fill_fd(&landed, task, call->result);
  if (landed.kind != PK_FD_INET && landed.kind != PK_FD_UNIX) return;
  /* A local socket is half of everyday plumbing: it may not crowd out what is critical. */
  bool bulk = landed.kind == PK_FD_UNIX;
  struct pk_stdio *record;
  if (!PK_RESERVE(record, PK_STDIO, bulk, call->workspace)) return;
  pk_fill_stdio(record, task, call->workspace, call->flags, call->result, call->argument[0]);
  record->header.call = call->call;
  pk_submit(record, PK_STDIO);
}
