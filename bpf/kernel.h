/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The kernel structs that the probes read, written by hand: only the fields used, every offset
 * taken from the running kernel's BTF at load (CO-RE). Where 6.1, 6.12 and 6.18 differ, a
 * ___flavour stands beside the current form. Anything here that a kernel lacks must be asked for
 * with bpf_core_field_exists before it is read.
 */
#ifndef PICKET_KERNEL_H
#define PICKET_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>

typedef _Bool bool;
#define true 1
#define false 0

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* ---- files ---- */

typedef struct {
  __u32 val;
} kuid_t;

typedef struct {
  __u32 val;
} kgid_t;

struct super_block {
  __u32 s_dev;
  unsigned long s_flags;
  unsigned long s_magic;
};

struct inode {
  unsigned short i_mode;
  kuid_t i_uid;
  kgid_t i_gid;
  struct super_block *i_sb;
  unsigned long i_ino;
  union {
    const unsigned int i_nlink;
    unsigned int __i_nlink;
  };
  __u32 i_rdev;
  __s64 i_ctime_sec; /* 6.11 and later */
  __u32 i_ctime_nsec;
  void *i_private;
};

struct timespec64 {
  __s64 tv_sec;
  long tv_nsec;
};

struct inode___timespec { /* up to 6.5 */
  struct timespec64 i_ctime;
};

struct inode___accessor { /* 6.6 to 6.10 */
  struct timespec64 __i_ctime;
};

struct qstr {
  union {
    struct {
      __u32 hash;
      __u32 len;
    };
    __u64 hash_len;
  };
  const unsigned char *name;
};

struct dentry {
  struct dentry *d_parent;
  struct inode *d_inode;
  struct qstr d_name;
  struct super_block *d_sb;
};

struct mnt_namespace;

struct vfsmount {
  struct dentry *mnt_root;
  struct super_block *mnt_sb;
};

struct mount {
  struct mount *mnt_parent;
  struct dentry *mnt_mountpoint;
  struct vfsmount mnt;
  struct mnt_namespace *mnt_ns;
};

struct path {
  struct vfsmount *mnt;
  struct dentry *dentry;
};

struct fown_struct {
  struct pid *pid;
  int signum;
};

struct file {
  unsigned int f_mode;
  unsigned int f_flags;
  struct inode *f_inode;
  struct path f_path;
  void *private_data;
  struct fown_struct *f_owner;
};

struct file___owned { /* up to 6.11 */
  struct fown_struct f_owner;
};

struct filename {
  const char *name;
};

struct open_how {
  __u64 flags;
  __u64 mode;
  __u64 resolve;
};

struct io_cqe {
  __u64 user_data;
  __s32 res;
  int fd; /* until it is issued */
};

struct io_uring_cqe {
  __u64 user_data;
  __s32 res;
};

/* A request of a ring. It begins with what its operation keeps in it, one of the structs below. */
struct io_kiocb {
  struct file *file; /* from when it is issued */
  __u8 opcode;
  unsigned int flags; /* the lower half of them where there are 64 */
  struct io_cqe cqe;
  struct io_ring_ctx *ctx;
  void *async_data;
};

struct sockaddr;
struct user_msghdr;
struct io_ring_ctx;

struct io_socket {
  int domain;
  int type;
  int protocol;
};

struct io_accept {
  __u32 file_slot; /* not 0: into the ring's own table */
};

struct io_connect {
  struct sockaddr *addr; /* the caller's */
  int addr_len;
};

struct io_sr_msg {
  struct user_msghdr *umsg; /* the caller's */
  void *addr;               /* the caller's; gone since 6.13 */
  __u16 addr_len;
};

struct msghdr {
  void *msg_name;
  int msg_namelen;
};

struct io_async_msghdr { /* io_kiocb.async_data of a message */
  struct msghdr msg;
  struct iou_vec {
    void *iovec;
  } vec; /* 6.15 and later */
};

struct io_async_msghdr___counts { /* 6.10 to 6.14 */
  int free_iov_nr;
};

struct io_open {
  int dfd;
  __u32 file_slot; /* not 0: into the ring's own table, not a descriptor */
  struct filename *filename;
  struct open_how how;
};

struct io_rename {
  int old_dfd;
  int new_dfd;
  struct filename *oldpath;
  struct filename *newpath;
  int flags;
};

struct kernel_xattr_ctx {
  char *kname; /* since 6.13 a structure that begins with the name */
};

struct io_xattr {
  struct kernel_xattr_ctx ctx;
  struct filename *filename;
};

struct io_unlink {
  int dfd;
  int flags;
  struct filename *filename;
};

struct io_mkdir {
  int dfd;
  unsigned short mode;
  struct filename *filename;
};

struct io_link { /* and symbolic ones */
  int old_dfd;
  int new_dfd;
  struct filename *oldpath;
  struct filename *newpath;
  int flags;
};

struct proc_inode {
  struct pid *pid; /* whose directory it lies in */
  struct ctl_table_header *sysctl;
  struct inode vfs_inode;
};

struct bpf_prog {
  enum bpf_prog_type type;
};

struct fdtable {
  unsigned int max_fds;
  struct file **fd;
};

struct files_struct {
  struct fdtable *fdt;
};

struct fs_struct {
  struct path root;
  struct path pwd;
};

/* ---- cgroups ---- */

struct kernfs_node {
  struct kernfs_node *__parent; /* 6.15 and later */
  const char *name;
  __u64 id;
};

struct kernfs_node___plain { /* before: the same pointer under its old name */
  struct kernfs_node *parent;
};

struct cgroup_root {
  int hierarchy_id; /* 0: the unified (v2) hierarchy */
};

struct cgroup {
  int level;
  struct kernfs_node *kn;
  struct cgroup_root *root;
};

struct css_set {
  struct cgroup *dfl_cgrp; /* the task's cgroup in the unified hierarchy */
};

struct sock_cgroup_data {
  struct cgroup *cgroup;
};

/* ---- tasks ---- */

typedef struct {
  int counter;
} atomic_t;

/* Two 32-bit words up to 6.2, one 64-bit word since: eight bytes of the same meaning on a little-
 * endian machine. */
typedef struct {
  __u64 val;
} kernel_cap_t;

struct ns_common {
  unsigned int inum;
};

struct mnt_namespace {
  struct ns_common ns;
};

struct net {
  struct ns_common ns;
};

struct user_namespace {
  int level;
  struct ns_common ns;
};

struct xarray {
  void *xa_head;
};

struct xa_node {
  unsigned char shift;
  void *slots[64];
};

struct idr {
  struct xarray idr_rt;
};

struct pid_namespace {
  struct idr idr; /* pids by their numbers in this namespace */
  struct task_struct *child_reaper;
  unsigned int level;
  struct ns_common ns;
};

struct cgroup_namespace {
  struct ns_common ns;
};

struct nsproxy {
  struct mnt_namespace *mnt_ns;
  struct pid_namespace *pid_ns_for_children;
  struct net *net_ns;
  struct cgroup_namespace *cgroup_ns;
};

struct upid {
  int nr;
  struct pid_namespace *ns;
};

struct hlist_node {
  struct hlist_node *next;
};

struct hlist_head {
  struct hlist_node *first;
};

struct pid {
  unsigned int level;
  struct hlist_head tasks[4];
  struct upid numbers[1];
};

struct cred {
  kuid_t uid;
  kgid_t gid;
  kuid_t suid;
  kuid_t euid;
  kgid_t egid;
  kernel_cap_t cap_permitted;
  kernel_cap_t cap_effective;
  struct user_namespace *user_ns;
};

struct tty_driver {
  int major;
  int minor_start;
};

struct tty_struct {
  int index;
  struct tty_driver *driver;
};

struct tty_file_private { /* private_data of a terminal's file */
  struct tty_struct *tty;
};

union __sifields {
  struct {
    int _fd;
  } _sigpoll;
};

struct kernel_siginfo {
  int si_code;
  union __sifields _sifields;
};

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID };

#define SIGNAL_GROUP_EXIT 0x4u /* signal_struct.flags: group_exit_code is the process's status */

struct list_head {
  struct list_head *next, *prev;
};

struct signal_struct {
  atomic_t live;
  int nr_threads;
  struct list_head thread_head;
  __u64 utime, stime; /* of threads that ended */
  unsigned long nvcsw;
  unsigned long long sum_sched_runtime;
  short oom_score_adj;
  int group_exit_code;
  unsigned int flags;
  struct pid *pids[4];
  struct tty_struct *tty;
};

struct mm_struct {
  unsigned long arg_start;
  unsigned long arg_end;
  unsigned long total_vm; /* pages */
  struct file *exe_file;
};

#define TS_COMPAT 0x2u /* thread_info.status on x86: the task is inside a 32-bit system call */

struct thread_info {
  __u32 status;
};

struct sched_entity {
  __u64 sum_exec_runtime;
};

struct sched_info { /* empty without CONFIG_SCHED_INFO */
  unsigned long long run_delay;
};

struct task_struct {
  unsigned int flags;
  struct thread_info thread_info;
  struct sched_entity se;
  struct sched_info sched_info;
  struct list_head thread_node; /* on signal_struct.thread_head */
  __u64 utime, stime;
  unsigned long nvcsw;
  struct mm_struct *mm;
  int exit_code;
  int pid;
  int tgid;
  struct task_struct *real_parent;
  struct task_struct *group_leader;
  struct pid *thread_pid;
  struct hlist_node pid_links[4]; /* on pid.tasks of the same kind */
  __u64 start_boottime;
  __u64 self_exec_id;
  const struct cred *real_cred; /* as others see it */
  const struct cred *cred;
  char comm[16];
  struct fs_struct *fs;
  struct files_struct *files;
  struct nsproxy *nsproxy;
  struct signal_struct *signal;
  kuid_t loginuid; /* only with CONFIG_AUDIT */
  struct css_set *cgroups;
};

struct linux_binprm {
  struct file *file;
  int argc;
  const char *filename;
  const char *interp;
};

#pragma clang attribute pop
struct pt_regs { /* x86-64: the same since ever, copied as a whole */
  unsigned long r15, r14, r13, r12, bp, bx;
  unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
  unsigned long orig_ax, ip, cs, flags, sp, ss;
};
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* ---- sockets ---- */

struct in6_addr {
  __u8 bytes[16];
};

struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  __be16 skc_dport;
  __u16 skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
  struct {
    __s64 counter;
  } skc_cookie;
  unsigned long skc_flags;
};

struct sock {
  struct sock_common __sk_common;
  __u16 sk_type;
  __u16 sk_protocol;
  struct socket *sk_socket;
  struct pid *sk_peer_pid;
  struct sock_cgroup_data sk_cgrp_data;
};

struct tcp_sock {
  __u64 bytes_received;
  __u64 bytes_sent;
  __u64 bytes_retrans;
};

struct sockaddr_un {
  unsigned short sun_family;
  char sun_path[108];
};

struct unix_address {
  int len; /* of the name, family included */
  struct sockaddr_un name[1];
};

struct unix_sock {
  struct unix_address *addr;
  struct path path;
  struct sock *peer;
};

struct socket {
  struct file *file;
  struct sock *sk;
};

/* ---- iterators ---- */

struct seq_file;

struct bpf_iter_meta {
  struct seq_file *seq;
  __u64 session_id;
  __u64 seq_num;
};

struct bpf_iter__task {
  union {
    struct bpf_iter_meta *meta;
  };
  union {
    struct task_struct *task;
  };
};

#pragma clang attribute pop

#endif
