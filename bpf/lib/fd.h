/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What is behind a descriptor, from the kernel's file and socket. Direction is known, not guessed:
 * a connected UDP socket and one in SYN_SENT have called connect; for established TCP the hook on
 * the state change remembered who opened it. Blind spot: TCP connections older than the agent have
 * direction "unknown", and so have those for which the workspace had no room in the table of flows.
 */
#ifndef PICKET_LIB_FD_H
#define PICKET_LIB_FD_H

#include "bpf/lib/flow.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFIFO 0010000

#define PIPEFS_MAGIC 0x50495045
#define ANON_INODE_FS_MAGIC 0x09041934

PK_INLINE struct file *pk_file_of_fd(struct task_struct *task, __u32 fd) {
  struct fdtable *table = BPF_CORE_READ(task, files, fdt);
  struct file **slots = BPF_CORE_READ(table, fd);
  struct file *file = NULL;
  if (fd >= BPF_CORE_READ(table, max_fds)) return NULL;
  bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]);
  return file;
}

PK_INLINE struct sock *pk_sock_of_file(struct file *file) {
  if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK) return NULL;
  struct socket *socket = BPF_CORE_READ(file, private_data);
  return BPF_CORE_READ(socket, sk);
}

PK_INLINE struct sock *pk_sock_of_fd(struct task_struct *task, __u32 fd) {
  return pk_sock_of_file(pk_file_of_fd(task, fd));
}

PK_INLINE __u8 pk_direction_of(struct sock *sk, __u8 protocol) {
  __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
  if (protocol == IPPROTO_UDP) return state == TCP_ESTABLISHED ? PK_DIR_OUTBOUND : PK_DIR_UNKNOWN;
  if (state == TCP_LISTEN) return PK_DIR_LISTEN;
  if (state == TCP_SYN_SENT) return PK_DIR_OUTBOUND;
  __u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
  struct pk_flow_entry *flow = cookie ? bpf_map_lookup_elem(&flows, &cookie) : NULL;
  return flow ? flow->ends.direction : PK_DIR_UNKNOWN;
}

PK_INLINE void pk_fill_socket(struct pk_fd *out, struct file *file) {
  struct socket *socket = BPF_CORE_READ(file, private_data);
  struct sock *sk = BPF_CORE_READ(socket, sk);
  __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
  out->family = family;
  if (family == AF_UNIX) {
    out->kind = PK_FD_UNIX;
    return;
  }
  if (family != AF_INET && family != AF_INET6) {
    out->kind = PK_FD_SOCKET;
    return;
  }
  out->kind = PK_FD_INET;
  out->proto = pk_protocol(sk);
  out->direction = pk_direction_of(sk, out->proto);
  out->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
  out->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
  pk_read_addresses(sk, family, out->local_addr, out->remote_addr);
  out->family = pk_normalise(family, out->local_addr, out->remote_addr);
}

/* Terminals by device number: ttyS and virtual consoles (3, 4), /dev/tty and console (5), Unix98
 * ptys (136 to 143), USB serial (166, 188), low-density serial ports (204) and virtio consoles
 * (229). */
PK_INLINE __u8 pk_char_kind(__u32 rdev) {
  __u32 major = rdev >> 20;
  __u32 minor = rdev & 0xfffff;
  if (major == 1 && minor == 3) return PK_FD_NULL;
  if ((major >= 3 && major <= 5) || (major >= 136 && major <= 143)) return PK_FD_TTY;
  if (major == 166 || major == 188 || major == 204 || major == 229) return PK_FD_TTY;
  return PK_FD_CHAR;
}

PK_INLINE __u8 pk_file_kind(struct inode *inode) {
  unsigned long magic = BPF_CORE_READ(inode, i_sb, s_magic);
  if (magic == ANON_INODE_FS_MAGIC) return PK_FD_ANON; /* 6.17 gives these a regular file's mode */
  switch (BPF_CORE_READ(inode, i_mode) & S_IFMT) {
    case S_IFREG:
      return PK_FD_FILE;
    case S_IFDIR:
      return PK_FD_DIR;
    case S_IFCHR:
      return pk_char_kind(BPF_CORE_READ(inode, i_rdev));
    case S_IFBLK:
      return PK_FD_BLOCK;
    case S_IFIFO:
      return magic == PIPEFS_MAGIC ? PK_FD_PIPE : PK_FD_FIFO;
    case S_IFSOCK:
      return PK_FD_SOCKET;
    default:
      return PK_FD_ANON;
  }
}

/* `out` is zero when called. */
PK_INLINE void pk_fill_fd(struct pk_fd *out, struct task_struct *task, __u32 fd) {
  struct file *file = pk_file_of_fd(task, fd);
  if (!file) return;
  struct inode *inode = BPF_CORE_READ(file, f_inode);
  out->inode = BPF_CORE_READ(inode, i_ino);
  out->kind = pk_file_kind(inode);
  if (out->kind == PK_FD_SOCKET) pk_fill_socket(out, file);
}

#endif
