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

#define PK_ABI 1
#define PK_COMM_LEN 16
#define PK_ARGV_MAX 4096  /* bytes of argv kept; longer command lines set PK_TRUNCATED */
#define PK_PATH_MAX 4096  /* bytes of one path kept */
#define PK_RECORD_MAX 16384

enum pk_type {
  PK_NONE = 0,
  PK_FORK,         /* pk_fork: a process (not a thread) was created */
  PK_EXEC,         /* pk_exec: a process runs a new program */
  PK_FOUND,        /* pk_exec: a process that already ran when the agent started */
  PK_EXIT,         /* pk_exit: the last thread of a process ended */
  PK_CONNECT,      /* pk_connect: an outgoing TCP or UDP connection was asked for */
  PK_STDIO,        /* pk_stdio: a socket was bound to descriptor 0, 1 or 2 of a running program, or
                      what is 0 and 1 already was connected */
  PK_CGROUP_MKDIR, /* pk_cgroup: a cgroup became a workspace, or was made below one */
  PK_CGROUP_RMDIR, /* pk_cgroup: a watched cgroup was removed */
  PK_CGROUP_ATTACH,/* pk_cgroup: a task entered a workspace, or left its workspace's cgroup */
  PK_TYPE_END
};

/* pk_header.flags */
#define PK_COMPAT 0x1u    /* the call was made through the 32-bit interface */
#define PK_TRUNCATED 0x2u /* some string of this record did not fit */
#define PK_EXEC_IN 0x4u   /* the process was put into the workspace from outside (its parent is not in it) */

struct pk_header {
  __u32 size; /* of the whole record, tail included */
  __u16 type; /* enum pk_type */
  __u16 abi;  /* PK_ABI */
  __u64 time_ns;
  __u64 start_ns;  /* start of the process (thread group leader): with pid the process's key */
  __u64 cgroup_id; /* cgroup v2 id of the workspace that the process belongs to; 0: none */
  __u32 pid;       /* thread group id in the initial pid namespace */
  __u32 tid;
  __u32 uid; /* effective, initial user namespace */
  __u32 flags;
};

typedef struct {
  __u16 offset;
  __u16 length; /* without a terminating NUL */
} pk_str;

enum pk_fd_kind {
  PK_FD_NONE = 0, /* closed */
  PK_FD_FILE,
  PK_FD_DIR,
  PK_FD_CHAR,  /* character device that is neither a terminal nor /dev/null */
  PK_FD_NULL,  /* /dev/null */
  PK_FD_TTY,   /* terminal or pseudo terminal */
  PK_FD_BLOCK,
  PK_FD_PIPE,
  PK_FD_FIFO,  /* named */
  PK_FD_INET,  /* IPv4 or IPv6 socket */
  PK_FD_UNIX,
  PK_FD_SOCKET, /* socket of another family */
  PK_FD_ANON,  /* anonymous inode: eventfd, epoll, io_uring, ... */
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
  __u8 local_addr[16];  /* network order; IPv4 uses the first four bytes */
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
  __u32 vpid; /* of the child, in its own pid namespace */
  __u64 clone_flags; /* 0 where the kernel does not tell */
  char comm[PK_COMM_LEN];
};

struct pk_exec { /* also PK_FOUND */
  struct pk_header header;
  __u64 parent_start_ns;
  __u32 parent_pid;
  __u32 vpid;
  __u32 session;   /* session leader, initial pid namespace */
  __u32 group;     /* process group, initial pid namespace */
  __u32 ruid, euid, suid;
  __u32 rgid, egid;
  __u32 loginuid;  /* 0xffffffff: never set */
  __u64 cap_effective;
  __u64 cap_permitted;
  __u32 mnt_ns, pid_ns, net_ns, user_ns; /* inode numbers */
  __u64 exe_inode;
  __u64 exe_ctime_ns;
  __u32 exe_dev;   /* kernel side s_dev, never comparable with stat() on overlay */
  __u32 exe_nlink;
  __u8 layer;      /* enum pk_layer */
  __u8 tty;        /* 1: the session has a controlling terminal */
  __u16 argc;
  __u32 tty_nr;
  struct pk_fd fd[3];
  char comm[PK_COMM_LEN];
  pk_str exe;      /* path of the executable as the process sees it, from the kernel's file */
  pk_str filename; /* as passed to the call (bprm->filename) */
  pk_str interp;   /* the interpreter that runs a script; empty for a binary */
  pk_str cwd;
  pk_str argv;     /* arguments, each ended by NUL */
};

struct pk_exit {
  struct pk_header header;
  __u32 code;   /* exit status 0..255 */
  __u32 signal; /* that ended it; 0: none */
};

enum pk_connect_source { PK_CONNECT_CGROUP = 1, PK_CONNECT_STATE, PK_CONNECT_SENDMSG, PK_CONNECT_SOURCE_END };

struct pk_connect {
  struct pk_header header;
  __u64 socket; /* socket cookie; 0 where the hook has none */
  __u8 source;  /* enum pk_connect_source */
  __u8 family;  /* AF_INET or AF_INET6; v4-mapped peers are AF_INET */
  __u8 proto;   /* IPPROTO_TCP, IPPROTO_UDP, ... */
  __u8 denied;  /* 1: a control refused it */
  __u16 local_port; /* 0: not bound yet */
  __u16 remote_port;
  __u8 local_addr[16];
  __u8 remote_addr[16];
  char comm[PK_COMM_LEN];
};

struct pk_stdio {
  struct pk_header header;
  __u32 target; /* 0, 1 or 2: the descriptor that was replaced */
  __u32 source; /* the descriptor it was copied from; target itself: the socket was connected in place */
  struct pk_fd fd[3]; /* all three after the call */
};

enum pk_attach { PK_ATTACH_ENTER = 1, PK_ATTACH_LEAVE, PK_ATTACH_END };

struct pk_cgroup {
  struct pk_header header; /* header.cgroup_id: the workspace */
  __u64 id;        /* the cgroup itself: the workspace's, or one below it */
  __u64 parent_id;
  __u32 level;
  __u32 attach;    /* enum pk_attach, PK_CGROUP_ATTACH only */
  pk_str path;     /* from the cgroup root */
};

#ifdef __cplusplus
#define PK_SIZE_IS(type, bytes) static_assert(sizeof(type) == (bytes), "ABI layout of " #type)
#else
#define PK_SIZE_IS(type, bytes) _Static_assert(sizeof(type) == (bytes), "ABI layout of " #type)
#endif
PK_SIZE_IS(struct pk_header, 48);
PK_SIZE_IS(struct pk_fd, 48);
PK_SIZE_IS(struct pk_fork, 88);
PK_SIZE_IS(struct pk_exec, 344);
PK_SIZE_IS(struct pk_exit, 56);
PK_SIZE_IS(struct pk_connect, 112);
PK_SIZE_IS(struct pk_stdio, 200);
PK_SIZE_IS(struct pk_cgroup, 80);

#endif
