/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Is this directory name the cgroup of a container? One answer for the kernel (at cgroup_mkdir)
 * and for the agent (scan at start): 64 hex digits, alone or behind a runtime's prefix, there with
 * or without the `.scope` of the systemd driver. Monitors of a container (`crio-
 * conmon-<id>.scope`, `libpod-conmon-<id>.scope`) do not match and are no workspaces.
 */
#ifndef PICKET_CONTAINER_NAME_H
#define PICKET_CONTAINER_NAME_H

#define PK_CONTAINER_ID 64
#define PK_CONTAINER_PREFIX_MAX 16 /* "cri-containerd-" */
#define PK_CONTAINER_SUFFIX 6      /* ".scope" */
#define PK_CONTAINER_NAME_ROOM 128 /* a power of two above the longest name that can match */

static inline __attribute__((always_inline)) int pk_starts_with(const char *name,
                                                                const char *prefix,
                                                                unsigned length) {
  for (unsigned i = 0; i < PK_CONTAINER_PREFIX_MAX && i < length; i++)
    if (name[i] != prefix[i]) return 0;
  return 1;
}

/* Length of the runtime's prefix, 0 when there is none. */
static inline __attribute__((always_inline)) unsigned pk_container_prefix(const char *name) {
  if (pk_starts_with(name, "cri-containerd-", 15)) return 15;
  if (pk_starts_with(name, "docker-", 7)) return 7;
  if (pk_starts_with(name, "libpod-", 7)) return 7;
  if (pk_starts_with(name, "crio-", 5)) return 5;
  if (pk_starts_with(name, "nerdctl-", 8)) return 8;
  return 0;
}

/* `name` has PK_CONTAINER_NAME_ROOM bytes, `length` of them (without NUL) are the name. */
static inline __attribute__((always_inline)) int pk_is_container_name(const char *name,
                                                                      unsigned length) {
  unsigned prefix = pk_container_prefix(name);
  unsigned end = prefix + PK_CONTAINER_ID;
  int scope = prefix && length == end + PK_CONTAINER_SUFFIX;
  if (length != end && !scope) return 0;
  for (unsigned i = 0; i < PK_CONTAINER_ID; i++) {
    char c = name[(prefix + i) & (PK_CONTAINER_NAME_ROOM - 1)];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return 0;
  }
  if (scope && !(name[end] == '.' && name[end + 1] == 's' && name[end + 2] == 'c' &&
                 name[end + 3] == 'o' && name[end + 4] == 'p' && name[end + 5] == 'e'))
    return 0;
  return 1;
}

#endif
