/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Who drives a process: what the agent decided becomes part of the process's label. */
#include "bpf/lib/scope.h"

char LICENSE[] SEC("license") = "GPL";

/*
 * Hook: none; the agent runs it. An update of the map from outside would put a whole label in the
 *   place of one that a hook changes meanwhile, or of one that is gone; this writes in place.
 * Oldest kernel: 6.1.
 * Cost: a system call of the agent, about 1 us, when an exec changed who drives the process.
 * Blind spot: what the process makes between its exec and this has the label from before; the agent
 *   writes it anew for each of those when it reads of their forks.
 */
SEC("syscall")
int set_lineage(struct pk_lineage_change *change) {
  struct pk_process_key key = change->key;
  struct pk_label *label = bpf_map_lookup_elem(&labels, &key);
  if (!label) return 0;
  label->lineage = change->lineage;
  return 1;
}
