/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What is told when a socket becomes a standard descriptor, or when one that is becomes a
 * connection. */
#ifndef PICKET_LIB_STDIO_RECORD_H
#define PICKET_LIB_STDIO_RECORD_H

#include "bpf/lib/fd.h"
#include "bpf/lib/task.h"

PK_INLINE void pk_fill_stdio(struct pk_stdio *record, struct task_struct *task, __u64 workspace,
                             __u32 flags, __u32 target, __u32 source) {
  __builtin_memset(record, 0, sizeof(*record));
  pk_fill_header(&record->header, PK_STDIO, sizeof(*record), task, workspace, flags);
  record->target = target;
  record->source = source;
  for (__u32 i = 0; i < 3; i++) pk_fill_fd(&record->fd[i], task, i);
}

#endif
