/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Memory for what is too large for the stack. */
#ifndef PICKET_LIB_SCRATCH_H
#define PICKET_LIB_SCRATCH_H

#include "bpf/lib/base.h"

/* Large records are put together here and copied into the ring once. Used only by tp_btf programs
 * in process context: the tracepoint holds preemption off and none of them fires inside another,
 * so one place per CPU is enough. */
struct pk_scratch {
  char record[PK_RECORD_MAX];
  char path[PK_PATH_MAX +
            256]; /* a path grows backwards from PK_PATH_MAX; a name is at most 255 bytes */
  char name[128];
  __u32 at, truncated; /* of the tail, for pk_forget() */
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pk_scratch);
} scratch __weak SEC(".maps");

PK_INLINE struct pk_scratch *pk_scratch(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&scratch, &zero);
}

#endif
