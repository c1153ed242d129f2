/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Shared by the dispatch probe (C, kernel) and its driver (C++). */
#ifndef PICKET_BENCH_DISPATCH_CALLS_H
#define PICKET_BENCH_DISPATCH_CALLS_H

#include <linux/types.h>

#define BENCH_CALLS 512 /* both tables end below */
#define BENCH_NATIVE 1
#define BENCH_COMPAT 2

enum bench_seen { BENCH_SEEN_NATIVE = 0, BENCH_SEEN_COMPAT, BENCH_SEEN_END };

struct bench_process {
  __u64 start_ns;
  __u64 pid;
};

#endif
