/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the agent writes into the kernel and reads back beside the ring: keys and values of the
 * maps that both sides touch. Like events.h it is included by the probes (C) and the agent (C++),
 * so there is one layout and no mirror.
 */
#ifndef PICKET_POLICY_H
#define PICKET_POLICY_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bpf/picket/events.h"

#define PK_CGROUPS_MAX 16384
#define PK_LABELS_MAX 65536
#define PK_LABELS_PER_WORKSPACE \
  16384 /* one workspace cannot take the whole table from the others */
#define PK_LOSSES_MAX 4096
#define PK_SYSCALL_WORDS 8 /* 64 system calls each */

/*
 * Map `cgroups`: cgroup v2 id -> whose it is. Absent: not watched. workspace 0: left out on
 * purpose (the agent itself, pause containers), and everything made below it too.
 */
struct pk_cgroup_scope {
  __u64 workspace; /* cgroup id of the workspace: the key itself, or an ancestor */
  __u32 entered;   /* 1: it had its first process; who comes from outside later is an exec-in */
  __u32 labels;    /* processes that carry this workspace's label */
};

/* Map `roots`: cgroup v2 id -> 1. Every cgroup made directly below becomes a workspace. */

/* Map `labels`: one process -> the workspace it entered first. */
struct pk_process_key {
  __u64 start_ns;
  __u32 pid;
  __u32 zero;
};

enum pk_origin {
  PK_ORIGIN_FIRST =
      1, /* the workspace's own first process, or one that its runtime made on the way to it */
  PK_ORIGIN_EXEC_IN, /* put into the workspace from outside */
  PK_ORIGIN_BORN,    /* made by a process of the workspace */
};

struct pk_label {
  __u64 workspace;
  __u32 origin;  /* enum pk_origin */
  __u32 outside; /* 1: the process has left its workspace's cgroup */
};

/*
 * Variable `reader`, mapped by the agent: when the one that reads the ring wants to be woken.
 * Bit c of urgent[t], written from the rules: a record of type t and class c may match a rule whose
 * answer cannot wait. All ones until the rules are known. Everything else waits for company.
 */
struct pk_reader {
  __u64 urgent[PK_TYPE_END];
  __u32 asleep; /* 1: the ring was empty and the agent waits for whatever comes next */
  __u32 zero;
};

/* What a record tells before any rule is asked. Only an exec has a class of its own; every other
 * record, of which nothing is told, has class PK_CLASS_ANY. */
#define PK_CLASS_ANY 0u
#define PK_CLASS_INET 8u     /* descriptor 0, 1 or 2 is an IP socket */
#define PK_CLASS_EXEC_IN 16u /* PK_EXEC_IN is set */
#define PK_CLASS(layer) (1u + (layer)) /* and the two above, added */
#define PK_CLASSES 33

/* Map `losses`: what the ring refused, ever. Counters only grow; the agent takes differences. */
struct pk_loss_key {
  __u64 workspace; /* 0: none, or no room for a counter of its own */
  __u32 type;      /* enum pk_type; PK_NONE: a process could not be labelled */
  __u32 zero;
};

struct pk_loss {
  __u64 count;
};

#endif
