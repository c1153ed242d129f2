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
#define PK_FLOWS_MAX 65536
#define PK_FLOWS_PER_WORKSPACE 8192
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
  __u64 held;      /* bytes of the ring, by its workspace's entry (bpf/lib/share.h) */
  __u64 last;      /* position in the ring behind its last record */
  __u32 flows;     /* sockets that are counted for it */
  __u32 zero;
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

/* Who drives a process, by what was started above it (docs/lineage.md). */
enum pk_driver {
  PK_BY_UNKNOWN = 0,
  PK_BY_HUMAN,
  PK_BY_IDE,
  PK_BY_BUILD,
  PK_BY_PACKAGE_MANAGER,
  PK_BY_AI_AGENT,
  PK_BY_SERVICE,
  PK_BY_PLATFORM,
  PK_DRIVER_END
};

/* Decided by the agent at an exec, inherited here at a fork. */
struct pk_lineage {
  __u8 driver;    /* enum pk_driver: the nearest */
  __u8 terminals; /* 1: a shell on a terminal that starts right below is a person's */
  __u16 zero;
  __u32 agent;     /* hash of the AI agent's kind; 0: none above it */
  __u32 agent_pid; /* the agent's first process, which stands for its session */
  __u32 zero2;
  __u64 agent_start_ns;
};

/* What the threads of a process had used at the last look (bpf/probes/cpu.bpf.c). */
struct pk_cpu_use {
  __u64 at_ns; /* 0: none yet */
  __u64 cpu_ns;
  __u64 user_ns; /* this and the next by ticks, where the kernel counts so */
  __u64 system_ns;
  __u64 waited_ns;
  __u64 switches;
};

struct pk_label {
  __u64 workspace;
  __u32 origin;  /* enum pk_origin */
  __u32 outside; /* 1: the process has left its workspace's cgroup */
  struct pk_lineage lineage;
  struct pk_cpu_use cpu;
  __u32 connected;   /* 1: it, or who made it, opened or was given a connection */
  __u32 compat_exec; /* 1: it is about to run a program, by the 32-bit interface */
};

/* Argument of the program set_lineage, which the agent runs; it answers 0 when the process is gone. */
struct pk_lineage_change {
  struct pk_process_key key;
  struct pk_lineage lineage;
};

/*
 * Variable `reader`, mapped by the agent: when the one that reads the ring wants to be woken.
 * Bit c of urgent[t], written from the rules: a record of type t and class c may match a rule whose
 * answer cannot wait. All ones until the rules are known. Everything else waits for company.
 */
struct pk_reader {
  __u64 urgent[PK_TYPE_END];
  __u8 calm[256]; /* by enum pk_call: what it does can match none, where that is told by call */
  __u32 asleep;   /* 1: the ring was empty and the agent waits for whatever comes next */
  __u32 zero;
};

/* What a record tells before any rule is asked: of an exec its traits, of an open whether it is of
 * interest by itself. Every other record, of which nothing is told, has class PK_CLASS_ANY. */
#define PK_CLASS_ANY 0u
#define PK_CLASS_PLAIN(kind) (1u + (kind)) /* of an open that is of no interest: PK_OPENS_OF(...) */
#define PK_CLASS_INET 8u                   /* descriptor 0, 1 or 2 is an IP socket */
#define PK_CLASS_EXEC_IN 16u               /* PK_EXEC_IN is set */
#define PK_CLASS(layer) (1u + (layer))     /* and the two above, added */
#define PK_CLASSES 33

/* A system call alone says what these are about, and thus whether a rule asks for it. */
static inline __attribute__((always_inline)) int pk_is_told_by_call(enum pk_type type) {
  return type == PK_SYSTEM || type == PK_FILE || type == PK_SOCKET;
}

/*
 * Map `names`: hash of a name -> PK_NAME_* bits. The last two components of what is opened are
 * looked up; longer names than PK_NAME_HASHED count with their first bytes only.
 */
#define PK_NAMES_MAX 4096
#define PK_NAME_HASHED 32
#define PK_NAME_SECRET 0x1u      /* a file of this name keeps secrets */
#define PK_NAME_PERSISTENCE 0x2u /* what is written there is run some day */
#define PK_NAME_SECRET_DIR 0x4u  /* the same of a directory of this name */
#define PK_NAME_PERSISTENCE_DIR 0x8u
#define PK_NAME_ASKED 0x10u /* a loaded rule asks for files of this name */

struct pk_name {
  __u64 words[PK_NAME_HASHED / 8]; /* the bytes, then zeros */
};

static inline __attribute__((always_inline)) __u64 pk_hash_name(const struct pk_name *name) {
  __u64 hash = 0xcbf29ce484222325ull;
  for (int i = 0; i < PK_NAME_HASHED / 8; i++) {
    hash = (hash ^ name->words[i]) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 32;
  }
  return hash;
}

/*
 * Map `seen`: which opens were told. A workspace has PK_SEEN_SLOTS places, by hash, so that what one
 * opens displaces nothing of another; what was displaced is told again.
 */
#define PK_SEEN_MAX 65536
#define PK_SEEN_SLOTS 4096
#define PK_SEEN_AGAIN_NS 60000000000ull /* told again after this, with its count */

struct pk_seen_key {
  __u64 workspace;
  __u64 slot;
};

/* Two opens are the same only if all of this is. */
struct pk_seen_id {
  __u64 who; /* start of the process, or the inode of its program */
  __u64 inode;
  /* Of the file and its directory: the same file under another name is another. Of a failed open of
   * where its name starts and of the process's root. */
  __u64 dentry;
  __u64 parent;
  __u64 mount;
  __u64 name; /* hash; of a failed open keyed, of all that was passed (keyed_hash.h) */
  __u64 cap_effective;
  __u32 pid;     /* or the device of its program */
  __u32 exec_id; /* counts the programs that the process has run */
  __u32 uid;
  __u32 gid;
  __u32 dev;
  __u32 flags;
  __u32 result;  /* of a failed open the error */
  __u32 resolve; /* and how its name was to be resolved */
};

#define PK_RING_NAMES_MAX 512    /* opens of rings under way whose names are kept */
#define PK_RING_ACCEPTS_MAX 4096 /* accepts of rings under way */

struct pk_seen {
  struct pk_seen_id id;
  __u64 told_ns;
  __u64 repeats;
};

/*
 * Variable `unasked`, mapped by the agent: what no loaded rule can match (decisions/0011). Zero,
 * everything is asked for, until the rules are known.
 */
struct pk_unasked {
  __u8 calls[256]; /* by enum pk_call: not told */
  __u32 opens; /* bit PK_OPENS_OF(...): told once a program, not once a process (decisions/0006) */
  __u32 generation; /* of all this: changes with every change */
};

/* Kinds of opens that rules tell apart; `named`: the last component is one of `names`, or may be. */
#define PK_OPENS_OF(reads, writes, named) \
  (((reads) ? 1u : 0u) | ((writes) ? 2u : 0u) | ((named) ? 4u : 0u))
#define PK_OPENS_KINDS 8

/* Variable `cpu_policy`, mapped by the agent. */
struct pk_cpu_policy {
  __u32 least_percent; /* of one processor; a process that wanted less is not told */
  __u32 zero;
};

#define PK_BUSY_MAX 4096 /* threads of busy processes whose use is remembered */

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
