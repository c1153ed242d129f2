/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * System calls at their end, native and 32-bit alike. One raw program sees every call of the
 * machine, so a bitmap of call numbers comes before anything else. A 32-bit call has its own
 * numbers and its arguments in other registers.
 */
#ifndef PICKET_LIB_SYSCALL_H
#define PICKET_LIB_SYSCALL_H

#include "bpf/lib/task.h"

#define PK_X32_BIT 0x40000000ul /* the x32 interface adds it to the native numbers */

enum pk_call_name { PK_CALL_OTHER = 0, PK_CALL_DUP, PK_CALL_DUP2, PK_CALL_DUP3, PK_CALL_FCNTL };

struct pk_call {
  __u32 name; /* enum pk_call_name */
  __u32 compat;
  long result;
  __u32 first;
  __u32 second;
};

/* x86-64 numbers, and their i386 twins. */
enum { NR_DUP = 32, NR_DUP2 = 33, NR_FCNTL = 72, NR_DUP3 = 292 };
enum { NR32_DUP = 41, NR32_FCNTL = 55, NR32_DUP2 = 63, NR32_FCNTL64 = 221, NR32_DUP3 = 330 };

#define PK_WORD(nr) ((nr) >> 6)
#define PK_BIT(nr) (1ull << ((nr)&63))

const volatile __u64 watched_calls[PK_SYSCALL_WORDS] = {
    [0] = PK_BIT(NR_DUP) | PK_BIT(NR_DUP2),
    [PK_WORD(NR_FCNTL)] = PK_BIT(NR_FCNTL),
    [PK_WORD(NR_DUP3)] = PK_BIT(NR_DUP3),
};

const volatile __u64 watched_calls32[PK_SYSCALL_WORDS] = {
    [0] = PK_BIT(NR32_DUP) | PK_BIT(NR32_FCNTL) | PK_BIT(NR32_DUP2),
    [PK_WORD(NR32_FCNTL64)] = PK_BIT(NR32_FCNTL64),
    [PK_WORD(NR32_DUP3)] = PK_BIT(NR32_DUP3),
};

PK_INLINE bool pk_is_watched_call(__u64 nr, bool compat) {
  __u64 word = nr >> 6;
  if (word >= PK_SYSCALL_WORDS) return false;
  __u64 bits = compat ? watched_calls32[word] : watched_calls[word];
  return bits & PK_BIT(nr);
}

PK_INLINE __u32 pk_call_name(__u64 nr) {
  switch (nr) {
    case NR_DUP:
      return PK_CALL_DUP;
    case NR_DUP2:
      return PK_CALL_DUP2;
    case NR_DUP3:
      return PK_CALL_DUP3;
    case NR_FCNTL:
      return PK_CALL_FCNTL;
    default:
      return PK_CALL_OTHER;
  }
}

PK_INLINE __u32 pk_call_name32(__u64 nr) {
  switch (nr) {
    case NR32_DUP:
      return PK_CALL_DUP;
    case NR32_DUP2:
      return PK_CALL_DUP2;
    case NR32_DUP3:
      return PK_CALL_DUP3;
    case NR32_FCNTL:
    case NR32_FCNTL64:
      return PK_CALL_FCNTL;
    default:
      return PK_CALL_OTHER;
  }
}

/* The saved registers are those of the entry: the kernel does not write to the argument registers.
 */
PK_INLINE void pk_decode_call(struct pk_call *call, struct pt_regs *regs, __u64 nr, bool compat,
                              long result) {
  call->compat = compat;
  call->result = result;
  call->name = compat ? pk_call_name32(nr) : pk_call_name(nr);
  call->first = compat ? BPF_CORE_READ(regs, bx) : BPF_CORE_READ(regs, di);
  call->second = compat ? BPF_CORE_READ(regs, cx) : BPF_CORE_READ(regs, si);
}

#endif
