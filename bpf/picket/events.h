/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * THE ABI between the kernel probes (C) and the agent (C++): every record that crosses the ring.
 * A record is a pk_header, fixed fields, and a tail. A pk_str names bytes of the tail by offset from
 * the record's first byte. All integers are host order, all times nanoseconds of CLOCK_BOOTTIME.
 * A change of any layout raises PK_ABI; recordings carry it (docs/abi.md).
 */
#ifndef PICKET_EVENTS_H
#define PICKET_EVENTS_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bpf/picket/calls.h"

#define PK_ABI 2
#define PK_COMM_LEN 16
#define PK_ARGV_MAX 4096 /* bytes of argv kept; longer command lines set PK_TRUNCATED */
#define PK_PATH_MAX 4096 /* bytes of one path kept */
#define PK_RECORD_MAX 16384

enum pk_type {
  PK_NONE = 0,
  PK_FORK,          /* pk_fork: a process (not a thread) was created */
  PK_EXEC,          /* pk_exec: a process runs a new program */
  PK_FOUND,         /* pk_exec: a process that already ran when the agent started */
  PK_EXIT,          /* pk_exit: the last thread of a process ended */
  PK_CONNECT,       /* pk_connect: an outgoing TCP or UDP connection was asked for */
  PK_STDIO,         /* pk_stdio: a socket became descriptor 0, 1 or 2, or such a one connected */
  PK_CGROUP_MKDIR,  /* pk_cgroup: a cgroup became a workspace, or was made below one */
  PK_CGROUP_RMDIR,  /* pk_cgroup: a watched cgroup was removed */
  PK_CGROUP_ATTACH, /* pk_cgroup: a task entered a workspace, or left its workspace's cgroup */
  PK_SYSTEM,        /* pk_system: a system call whose arguments tell all */
  PK_OPEN,          /* pk_open: a file was opened, or that was refused */
  PK_FILE,          /* pk_file: a name or an attribute in a file system was changed */
  PK_SOCKET,  /* pk_socket: a socket was made, named, listens or accepted; a unix one connects */
  PK_FLOW,    /* pk_flow: what moved through a socket so far */
  PK_DNS,     /* pk_dns: a question or an answer */
  PK_PAYLOAD, /* pk_payload: the first bytes that an outgoing TCP connection sends */
  PK_OOM,     /* pk_oom: the kernel kills a process because memory ran out */
  PK_CPU,     /* pk_cpu: a process kept processors busy through an interval */
  PK_HOLDS, /* pk_holds: what a process that has a connection holds of pipes, terminals, sockets */
  PK_RELAYED, /* pk_relayed: made by the agent of these: a program talks through others' one */
  PK_STARTED, /* pk_started: made by the agent: the first program of a workspace */
  PK_TYPE_END
};

/* pk_header.flags */
#define PK_COMPAT 0x1u    /* the call was made through the 32-bit interface */
#define PK_TRUNCATED 0x2u /* some string of this record did not fit */
#define PK_EXEC_IN 0x4u   /* put into the workspace from outside: the parent is not in it */
#define PK_IO_URING 0x10u /* an io_uring did it for the process: its result is not always known */
#define PK_OUTSIDE_CWD 0x20u /* the working directory is of another mount namespace */
#define PK_USER_TEXT 0x8u /* a text was read from user memory: it may not be what the kernel used */

struct pk_header {
  __u32 size; /* of the whole record, tail included */
  __u16 type; /* enum pk_type */
  __u16 abi;  /* PK_ABI */
  __u64 time_ns;
  __u64 start_ns;  /* start of the process (thread group leader): with pid the process's key */
  __u64 cgroup_id; /* cgroup v2 id of the workspace that the process belongs to; 0: none */
  __u32 pid;       /* thread group id in the initial pid namespace */
  __u32 tid;
  __u32 uid; /* effective, initial user namespace; like gid and the capabilities as of now */
  __u32 gid;
  __u64 cap_effective;
  __u32 flags;
  __u16 call; /* enum pk_call that caused it; PK_CALL_NONE: no call, or the hook does not tell */
  __u16 zero;
};

typedef struct {
  __u16 offset;
  __u16 length; /* without a terminating NUL */
} pk_str;

enum pk_fd_kind {
  PK_FD_NONE = 0, /* closed */
  PK_FD_FILE,
  PK_FD_DIR,
  PK_FD_CHAR, /* character device that is neither a terminal nor /dev/null */
  PK_FD_NULL, /* /dev/null */
  PK_FD_TTY,  /* terminal or pseudo terminal */
  PK_FD_BLOCK,
  PK_FD_PIPE,
  PK_FD_FIFO, /* named */
  PK_FD_INET, /* IPv4 or IPv6 socket */
  PK_FD_UNIX,
  PK_FD_SOCKET, /* socket of another family */
  PK_FD_ANON,   /* anonymous inode: eventfd, epoll, io_uring, ... */
  PK_FD_KIND_END
};

/* Who opened the connection behind a socket. */
enum pk_direction {
  PK_DIR_UNKNOWN = 0,
  PK_DIR_OUTBOUND, /* this side called connect */
  PK_DIR_INBOUND,  /* accepted from a listener */
  PK_DIR_LISTEN,
  PK_DIR_END
};

struct pk_fd {
  __u8 kind;      /* enum pk_fd_kind */
  __u8 family;    /* AF_*, sockets only; v4-mapped IPv6 peers are reported as AF_INET */
  __u8 proto;     /* IPPROTO_*, inet sockets only */
  __u8 direction; /* enum pk_direction, inet sockets only */
  __u16 local_port;
  __u16 remote_port;
  __u64 inode; /* of the file, pipe or socket: equal inode numbers of pipes mean the same pipe */
  __u8 local_addr[16]; /* network order; IPv4 uses the first four bytes */
  __u8 remote_addr[16];
};

/* Where the bytes of a program come from. */
enum pk_layer {
  PK_LAYER_UNKNOWN = 0,
  PK_LAYER_IMAGE,   /* lower layer of the container's overlay: shipped with the image */
  PK_LAYER_UPPER,   /* written after the container started */
  PK_LAYER_MEMFD,   /* memory only */
  PK_LAYER_DELETED, /* no name any more */
  PK_LAYER_MOUNT,   /* another file system: volume, bind mount, tmpfs */
  PK_LAYER_END
};

struct pk_fork {
  struct pk_header header; /* the child */
  __u64 parent_start_ns;
  __u32 parent_pid;
  __u32 vpid;        /* of the child, in its own pid namespace */
  __u64 clone_flags; /* 0 where the kernel does not tell */
  char comm[PK_COMM_LEN];
};

struct pk_exec { /* also PK_FOUND */
  struct pk_header header;
  __u64 parent_start_ns;
  __u32 parent_pid;
  __u32 vpid;
  __u32 session; /* session leader, initial pid namespace */
  __u32 group;   /* process group, initial pid namespace */
  __u32 ruid, suid;
  __u32 rgid;
  __u32 loginuid; /* 0xffffffff: never set */
  __u64 cap_permitted;
  __u32 mnt_ns, pid_ns, net_ns, user_ns; /* inode numbers */
  __u64 exe_inode;
  __u64 exe_ctime_ns;
  __u32 exe_dev; /* kernel side s_dev, never comparable with stat() on overlay */
  __u32 exe_nlink;
  __u8 layer; /* enum pk_layer */
  __u8 tty;   /* 1: the session has a controlling terminal */
  __u16 argc;
  __u32 tty_nr;
  struct pk_fd fd[3];
  char comm[PK_COMM_LEN];
  pk_str exe;      /* path of the executable as the process sees it, from the kernel's file */
  pk_str filename; /* as passed to the call (bprm->filename) */
  pk_str interp;   /* the interpreter that runs a script; empty for a binary */
  pk_str cwd;
  pk_str argv; /* arguments, each ended by NUL */
};

struct pk_exit {
  struct pk_header header;
  __u32 code;   /* exit status 0..255 */
  __u32 signal; /* that ended it; 0: none */
};

enum pk_connect_source {
  PK_CONNECT_CGROUP = 1,
  PK_CONNECT_STATE,
  PK_CONNECT_SENDMSG,
  PK_CONNECT_SOURCE_END
};

struct pk_connect {
  struct pk_header header;
  __u64 socket;     /* socket cookie; 0 where the hook has none */
  __u8 source;      /* enum pk_connect_source */
  __u8 family;      /* AF_INET or AF_INET6; v4-mapped peers are AF_INET */
  __u8 proto;       /* IPPROTO_TCP, IPPROTO_UDP, ... */
  __u8 denied;      /* 1: a control refused it */
  __u16 local_port; /* 0: not bound yet */
  __u16 remote_port;
  __u8 local_addr[16];
  __u8 remote_addr[16];
  char comm[PK_COMM_LEN];
};

struct pk_stdio {
  struct pk_header header;
  __u32 target; /* 0, 1 or 2: the descriptor that was replaced */
  __u32 source; /* what it was copied from; target itself: the socket was connected in place */
  struct pk_fd fd[3]; /* all three after the call */
};

enum pk_attach { PK_ATTACH_ENTER = 1, PK_ATTACH_LEAVE, PK_ATTACH_END };

#define PK_ARGS 6
#define PK_TEXTS 3
#define PK_PROGRAM_TYPE 3 /* bpf(BPF_PROG_LOAD) has no fourth argument: the program's type */
#define PK_TARGET_NAME 0  /* calls that name a process have no text: its kernel name */

struct pk_system { /* header.call says which */
  struct pk_header header;
  __s64 result;            /* negative: the error */
  __u64 argument[PK_ARGS]; /* as they were in the registers */
  __u64 target_start_ns;   /* of the process that an argument names; 0: none, or it is gone */
  __u64 target_cgroup_id;  /* the workspace it belongs to; 0: none */
  __u32 target_pid;
  /* After the call; pid_ns: of the children to come. */
  __u32 mnt_ns, pid_ns, net_ns, user_ns, cgroup_ns;
  __u32 target_uid; /* effective, initial user namespace */
  char comm[PK_COMM_LEN];
  /* The arguments that are texts, in their order; and what the result, a descriptor, is called. */
  pk_str text[PK_TEXTS];
  pk_str object;               /* from the kernel's own file */
  __u8 target_is_told;         /* 1: the target's user, rights and name are */
  __u8 target_more_privileged; /* 1: it has rights that the caller has not */
  __u8 zero[2];
};

/* Why an open is told for every process. */
#define PK_OF_SECRET 0x1u      /* its name, or its directory's, is one that keeps secrets */
#define PK_OF_PERSISTENCE 0x2u /* opened for writing where programs are started from */
#define PK_OF_PROCESS 0x4u     /* below /proc/PID of another process */
#define PK_OF_KERNEL 0x8u      /* a switch of the kernel: /proc/sys, sysfs, cgroup, debugfs, ... */
#define PK_OF_DEVICE 0x10u     /* a block device, a FIFO, or a rare character device */
#define PK_OF_OTHER_ROOT 0x20u /* an overlay that is not its own root, or by another's mounts */
#define PK_OF_REFUSED 0x40u    /* the open failed, or its descriptor was empty already */

/* What a file is, from the kernel's inode. */
struct pk_object {
  __u64 inode;
  __u32 dev;   /* kernel side s_dev, never comparable with stat() on overlay */
  __u32 rdev;  /* of a device: its number, in the kernel's form */
  __u32 mode;  /* type and permission bits */
  __u32 owner; /* initial user namespace */
  __u32 group;
  __u32 nlink;    /* 0: it has no name any more */
  __u32 magic;    /* of its file system */
  __u32 proc_pid; /* the process below whose /proc directory it lies; 0: none */
  __u8 kind;    /* enum pk_fd_kind; PK_FD_NONE: nothing was found, and nothing else here is told */
  __u8 layer;   /* enum pk_layer */
  __u8 foreign; /* 1: on another file system than the process's root */
  __u8 zero;
  __u32 mnt_ns; /* the mount namespace that it was reached through, if not the process's own */
};

struct pk_open {
  struct pk_header header;
  struct pk_object object;
  __s64 result; /* the descriptor; negative: the error */
  __u32 flags;  /* O_*: as the kernel keeps them, O_CREAT, O_EXCL and O_TRUNC as asked for */
  __u32 asked_mode;
  __u32 repeats;  /* the same again since the last record of it, not told one by one */
  __u16 interest; /* PK_OF_* */
  __u8 reads;     /* 1: the descriptor can be read from */
  __u8 writes;
  __u8 created; /* 1: this call made the file */
  __u8 zero[7];
  char comm[PK_COMM_LEN];
  pk_str path;      /* from the kernel's own file; empty where there was none */
  pk_str raw;       /* as it was passed */
  pk_str directory; /* of a failed open what `raw` starts from, unless that is absolute */
  pk_str inner;     /* of what is of interest: its path in its own file system, mounts or not */
};

struct pk_file { /* header.call says what */
  struct pk_header header;
  struct pk_object object; /* calls with a descriptor: the file, after the call */
  __s64 result;
  __u64 size;        /* truncate: the new length */
  __u32 asked_mode;  /* mkdir, mknod, chmod */
  __u32 asked_owner; /* chown; 0xffffffff: stays */
  __u32 asked_group;
  __u32 asked_rdev; /* mknod: device number as passed */
  __u32 flags;      /* of the call */
  __u32 zero;
  char comm[PK_COMM_LEN];
  pk_str path;      /* what is changed; calls with a descriptor: from the kernel's file */
  pk_str directory; /* where `path` starts, unless that is absolute; from the kernel */
  pk_str path2;     /* rename, link: the new name; symlink: the text of the link */
  pk_str directory2;
  pk_str name; /* setxattr: the attribute */
  __u32 zero2;
};

/* The two ends of a socket, as the kernel holds them. */
struct pk_ends {
  __u64 socket;     /* cookie; 0 where the hook has none */
  __u8 family;      /* AF_*; v4-mapped IPv6 is AF_INET */
  __u8 proto;       /* IPPROTO_*, IP sockets only */
  __u8 direction;   /* enum pk_direction */
  __u8 kind;        /* SOCK_STREAM, SOCK_DGRAM, ... */
  __u16 local_port; /* 0: not bound yet */
  __u16 remote_port;
  __u8 local_addr[16]; /* network order; IPv4 uses the first four bytes */
  __u8 remote_addr[16];
};

/* header.call: socket, bind, listen, accept, accept4; of a unix socket connect, sendto, send(m)msg */
struct pk_socket {
  struct pk_header header;
  struct pk_ends ends;
  __s64 result;         /* negative: the error */
  __u64 peer_start_ns;  /* the process at the other end of a unix socket; 0: none, or it is gone */
  __u64 peer_cgroup_id; /* the workspace it belongs to; 0: none */
  __u32 peer_pid;
  __u32 protocol; /* as asked of socket(): what it means depends on the family */
  char comm[PK_COMM_LEN];
  pk_str path; /* of a unix socket, as the process sees it; an abstract name has an @ in front */
  __u32 zero;
};

struct pk_flow { /* header: the process that connected, accepted or first sent */
  struct pk_header header;
  struct pk_ends ends;
  __u64 opened_ns;
  __u64 bytes_in; /* payload, since it was opened */
  __u64 bytes_out;
  __u8 closed; /* 1: nothing more will move */
  __u8 zero[7];
};

#define PK_DNS_SMALL 256
#define PK_DNS_LARGE 1232 /* what fits into a datagram on every way; longer messages are cut */

struct pk_dns { /* header: the process that asked */
  struct pk_header header;
  struct pk_ends ends;
  __u8 answer; /* 1: it came in */
  __u8 zero[3];
  pk_str message; /* as on the wire; over TCP one segment, usually a length and a message */
};

#define PK_PAYLOAD_MAX 512 /* holds the server's name of nearly every first TLS record */

struct pk_payload { /* header: the process that connected */
  struct pk_header header;
  struct pk_ends ends;
  pk_str data;
  __u32 received; /* bytes that the other side had sent before, at most so many */
};

struct pk_oom { /* header: the process that is killed */
  struct pk_header header;
  __u64 total_vm;          /* bytes of its address space */
  __u64 trigger_cgroup_id; /* the workspace of who asked for the memory; 0: none */
  __u32 trigger_pid;       /* who asked for it */
  __s32 score_adjust;      /* oom_score_adj of the victim */
  char comm[PK_COMM_LEN];
  char trigger_comm[PK_COMM_LEN];
};

struct pk_cpu { /* header: the process, its threads taken together */
  struct pk_header header;
  __u64 interval_ns; /* since its last look */
  __u64 cpu_ns;      /* that its threads ran in it; ended ones too */
  __u64 user_ns;     /* the part outside of the kernel */
  __u64 waited_ns;   /* that its threads were ready and others ran */
  __u64 switches;    /* times that a thread gave its processor away by itself */
  __u32 threads;
  __u32
      busy_threads; /* that ran or were ready nearly all the time; 0 with the first of a busy time */
  char comm[PK_COMM_LEN];
};

/* One descriptor through which data passes to another process, or out of the machine. */
struct pk_held {
  __u64 id;   /* inode of a pipe, FIFO or unix socket; of the terminal that a pseudo terminal's
                 master has at its other end; cookie of an IP socket */
  __u64 peer; /* inode of the unix socket at the other end; 0: none */
  __u8 kind;  /* enum pk_fd_kind; PK_FD_TTY: the master of a pseudo terminal */
  __u8 fd;
  __u8 reads; /* 1: opened for it */
  __u8 writes;
  __u8 direction; /* enum pk_direction, IP sockets only */
  __u8 zero[3];
};

#define PK_HELD_MAX 32
#define PK_HELD_LOOKED_AT 64 /* descriptors from 0 on */

struct pk_holds { /* header: whose descriptors; nothing else of it is filled but the time */
  struct pk_header header;
  __u32 count;
  __u32 zero;
  struct pk_held held[PK_HELD_MAX];
};

struct pk_relayed { /* header: the program; no hook tells this */
  struct pk_header header;
  struct pk_ends ends;  /* the connection */
  __u64 relay_start_ns; /* of the process that has it */
  __u32 relay_pid;
  __u32 steps; /* processes between the connection and the program's input; 1: that process alone */
  __u8 loop;   /* 1: standard input and output of the two are each other's */
  __u8 payload;  /* 1: what the connection sent first is of no protocol that is known */
  __u8 same;     /* 1: one process has the connection, for both directions */
  __u8 commands; /* 1: it is the program's own, which runs what the other side asks for */
  __u8 zero[4];
};

struct pk_started { /* header: the program; no hook tells this */
  struct pk_header header;
  __u8 found, zero[7]; /* found: 1: it ran before the agent did */
};

struct pk_cgroup {
  struct pk_header header; /* header.cgroup_id: the workspace */
  __u64 id;                /* the cgroup itself: the workspace's, or one below it */
  __u64 parent_id;
  __u32 level;
  __u32 attach; /* enum pk_attach, PK_CGROUP_ATTACH only */
  pk_str path;  /* from the cgroup root */
};

#ifdef __cplusplus
#define PK_SIZE_IS(type, bytes) static_assert(sizeof(type) == (bytes), "ABI layout of " #type)
#else
#define PK_SIZE_IS(type, bytes) _Static_assert(sizeof(type) == (bytes), "ABI layout of " #type)
#endif
PK_SIZE_IS(struct pk_header, 64);
PK_SIZE_IS(struct pk_fd, 48);
PK_SIZE_IS(struct pk_fork, 104);
PK_SIZE_IS(struct pk_exec, 344);
PK_SIZE_IS(struct pk_exit, 72);
PK_SIZE_IS(struct pk_connect, 128);
PK_SIZE_IS(struct pk_stdio, 216);
PK_SIZE_IS(struct pk_cgroup, 96);
PK_SIZE_IS(struct pk_system, 200);
PK_SIZE_IS(struct pk_object, 48);
PK_SIZE_IS(struct pk_open, 176);
PK_SIZE_IS(struct pk_file, 192);
PK_SIZE_IS(struct pk_ends, 48);
PK_SIZE_IS(struct pk_socket, 168);
PK_SIZE_IS(struct pk_flow, 144);
PK_SIZE_IS(struct pk_dns, 120);
PK_SIZE_IS(struct pk_payload, 120);
PK_SIZE_IS(struct pk_oom, 120);
PK_SIZE_IS(struct pk_cpu, 128);
PK_SIZE_IS(struct pk_holds, 840);
PK_SIZE_IS(struct pk_relayed, 136);
PK_SIZE_IS(struct pk_started, 72);

#endif
