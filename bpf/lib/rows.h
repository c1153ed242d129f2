/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Which call is this, and whose: by its number in the interface that it came through. */
#ifndef PICKET_LIB_ROWS_H
#define PICKET_LIB_ROWS_H

#include "bpf/lib/task.h"

#define PK_X32_BIT 0x40000000u /* the x32 interface adds it to the native numbers */

_Static_assert(PK_CALL_END <= 256, "pk_call_row.call is a byte");

/* The rows of calls that an interface does not have all land on PK_NO_NUMBER, which is never read.
 */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winitializer-overrides"
#define PK_ROW64(name, native, compat, handler, type) [native] = {PK_CALL_##name, handler},
#define PK_ROW32(name, native, compat, handler, type) [compat] = {PK_CALL_##name, handler},
const volatile struct pk_call_row calls64[PK_CALL_NUMBERS] __weak = {PK_CALLS(PK_ROW64)};
const volatile struct pk_call_row calls32[PK_CALL_NUMBERS] __weak = {PK_CALLS(PK_ROW32)};
#pragma clang diagnostic pop

/* `number` as the registers have it: the kernel goes by its lower half alone. */
PK_INLINE struct pk_call_row pk_row_of(__u64 number, bool compat) {
  struct pk_call_row none = {};
  __u32 nr = (__u32)number & ~PK_X32_BIT;
  if (nr >= PK_NO_NUMBER) return none;
  return compat ? calls32[nr] : calls64[nr];
}

#define PK_SOCKETCALL_ARGS PK_ARGS /* no call below has more */

/* i386's socketcall is many calls: which one, says its first argument, by the numbers of
 * linux/net.h. */
PK_INLINE struct pk_call_row pk_row_of_socketcall(__u32 which) {
  struct pk_call_row row = {};
  switch (which) {
    case 1:
      row.call = PK_CALL_socket;
      break;
    case 2:
      row.call = PK_CALL_bind;
      break;
    case 3:
      row.call = PK_CALL_connect;
      break;
    case 4:
      row.call = PK_CALL_listen;
      break;
    case 5:
      row.call = PK_CALL_accept;
      break;
    case 11:
      row.call = PK_CALL_sendto;
      break;
    case 16:
      row.call = PK_CALL_sendmsg;
      break;
    case 17:
      row.call = PK_CALL_recvmsg;
      break;
    case 18:
      row.call = PK_CALL_accept4;
      break;
    case 19:
      row.call = PK_CALL_recvmmsg;
      break;
    case 20:
      row.call = PK_CALL_sendmmsg;
      break;
    default: /* nothing that another hook does not tell */
      return row;
  }
  bool receives = row.call == PK_CALL_recvmsg || row.call == PK_CALL_recvmmsg;
  row.handler = receives ? PK_ON_STDIO : PK_ON_SOCKET;
  return row;
}

#endif
