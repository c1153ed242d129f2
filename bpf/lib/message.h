/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What came with a message. */
#ifndef PICKET_LIB_MESSAGE_H
#define PICKET_LIB_MESSAGE_H

#include "bpf/lib/syscall.h"

#define SOL_SOCKET 1
#define SCM_RIGHTS 1

/* What the kernel left in the caller's message: whether descriptors came with it. A thread that
 * changes it meanwhile hides that; a later exec or open of that process tells again. */
PK_INLINE bool pk_got_descriptors(const struct pk_call_state *call) {
  __u64 words[7] = {}; /* struct msghdr: control at 4, its length at 5 */
  __u64 control = 0, length = 0;
  __u32 header[4] = {}; /* length, level, type; of 64 bits the length takes two */
  if (call->result < 0) return false;
  if (bpf_probe_read_user(words, sizeof(words), (const void *)call->argument[1])) return false;
  bool compat = call->flags & PK_COMPAT;
  control = compat ? (__u32)words[2] : words[4];
  length = compat ? words[2] >> 32 : words[5];
  if (!control || length < 12) return false;
  if (bpf_probe_read_user(header, sizeof(header), (const void *)control)) return false;
  return compat ? header[1] == SOL_SOCKET && header[2] == SCM_RIGHTS
                : header[2] == SOL_SOCKET && header[3] == SCM_RIGHTS;
}

#endif
