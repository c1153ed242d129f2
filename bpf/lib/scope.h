/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Which workspace does this task belong to? Two tables answer. `cgroups` knows every cgroup at or
 * below a workspace from its cgroup_mkdir on. `labels` knows every process of a workspace by (pid,
 * start time): set when it enters, inherited at fork, kept when it moves elsewhere. Hot paths ask
 * `labels` only: one lookup, and whoever is not in it leaves.
 */
#ifndef PICKET_LIB_SCOPE_H
#define PICKET_LIB_SCOPE_H

#include "bpf/lib/emit.h"
#include "bpf/lib/task.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, __u8);
} roots __weak SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PK_LABELS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct pk_process_key);
  __type(value, struct pk_label);
} labels __weak SEC(".maps");

PK_INLINE struct pk_label *pk_label_of(struct task_struct *task) {
  struct pk_process_key key = pk_key_of(task);
  return bpf_map_lookup_elem(&labels, &key);
}

PK_INLINE __u64 pk_cgroup_id(struct task_struct *task) {
  return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

PK_INLINE struct pk_cgroup_scope *pk_scope_of(__u64 cgroup_id) {
  struct pk_cgroup_scope *scope = bpf_map_lookup_elem(&cgroups, &cgroup_id);
  return scope && scope->workspace ? scope : NULL;
}

/* By its cgroup, whatever its label says. */
PK_INLINE __u64 pk_workspace_of(struct task_struct *task) {
  struct pk_cgroup_scope *scope = pk_scope_of(pk_cgroup_id(task));
  return scope ? scope->workspace : 0;
}

/* One of `limit` places, or none: exact, however many processes ask at once or are preempted. */
PK_INLINE bool pk_take_place(__u32 *taken, __u32 limit) {
  if (*taken >= limit) return false;
  if (__sync_fetch_and_add(taken, 1) < limit) return true;
  __sync_fetch_and_sub(taken, 1);
  return false;
}

/* Labels a process once: true only for the caller that did it. Everybody else finds the label
 * there. */
static __noinline bool pk_set_label(struct task_struct *task, __u64 workspace, __u32 origin) {
  struct pk_process_key key = pk_key_of(task);
  struct pk_label label = {.workspace = workspace, .origin = origin};
  struct pk_cgroup_scope *own = bpf_map_lookup_elem(&cgroups, &workspace);
  if (own && !pk_take_place(&own->labels, PK_LABELS_PER_WORKSPACE)) {
    pk_count_loss(PK_NONE, workspace);
    return false;
  }
  long error = bpf_map_update_elem(&labels, &key, &label, BPF_NOEXIST);
  if (!error) return true;
  if (own) __sync_fetch_and_sub(&own->labels, 1);
  if (error != -17 /* EEXIST */) pk_count_loss(PK_NONE, workspace);
  return false;
}

/* True only for the caller that took the label away: the end of a process is told once. */
PK_INLINE bool pk_drop_label(struct task_struct *task, __u64 workspace) {
  struct pk_process_key key = pk_key_of(task);
  if (bpf_map_delete_elem(&labels, &key)) return false;
  struct pk_cgroup_scope *own = bpf_map_lookup_elem(&cgroups, &workspace);
  if (own && own->labels) __sync_fetch_and_sub(&own->labels, 1);
  return true;
}

/* Who comes into a workspace from outside: the first one is its own, the others were put there by
 * somebody. */
PK_INLINE __u32 pk_entry_origin(__u64 workspace) {
  struct pk_cgroup_scope *own = bpf_map_lookup_elem(&cgroups, &workspace);
  if (!own) return PK_ORIGIN_EXEC_IN;
  return __sync_lock_test_and_set(&own->entered, 1) ? PK_ORIGIN_EXEC_IN : PK_ORIGIN_FIRST;
}

/* A process without a label, made by one that already lives in the workspace: it was born there,
 * even if its maker has no label yet, as between attaching the probes and the walk over those that
 * run. */
PK_INLINE __u32 pk_origin_by_maker(struct task_struct *maker, __u64 workspace) {
  return pk_workspace_of(maker) == workspace ? PK_ORIGIN_BORN : pk_entry_origin(workspace);
}

/* The label of a process that should have one. A process in a watched cgroup without a label came
 * on a way that no hook of ours told of; it gets one now. */
PK_INLINE struct pk_label *pk_label_or_heal(struct task_struct *task) {
  struct pk_label *label = pk_label_of(task);
  if (label) return label;
  struct pk_cgroup_scope *scope = pk_scope_of(pk_cgroup_id(task));
  if (!scope) return NULL;
  struct task_struct *parent = BPF_CORE_READ(task, real_parent);
  pk_set_label(task, scope->workspace, pk_origin_by_maker(parent, scope->workspace));
  return pk_label_of(task);
}

PK_INLINE __u32 pk_origin_flags(const struct pk_label *label) {
  return label->origin == PK_ORIGIN_EXEC_IN ? PK_EXEC_IN : 0;
}

#endif
