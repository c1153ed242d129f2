/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What every probe includes first: kernel structs, helpers, the ABI, and the few constants the
 * kernel keeps in headers. */
#ifndef PICKET_LIB_BASE_H
#define PICKET_LIB_BASE_H

#include "bpf/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/picket/events.h"
#include "bpf/picket/policy.h"

#define PK_INLINE static __always_inline

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP \
  262 /* reported as TCP: the byte of the record cannot hold it, and TCP is what is on the wire */

#define SOCK_STREAM 1
#define SOCK_DGRAM 2

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define TCP_LISTEN 10

#endif
