/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A whole text as one word, which nobody outside of the kernel and the agent can foretell. */
#ifndef PICKET_LIB_NAME_HASH_H
#define PICKET_LIB_NAME_HASH_H

#include "bpf/lib/scratch.h"
#include "bpf/picket/keyed_hash.h"

/* Drawn by the agent. */
const volatile struct pk_hash_key hash_key __weak;

struct pk_text_walk {
  struct pk_hash_state state;
  const char *text;
};

static long pk_hash_step(__u32 index, struct pk_text_walk *walk) {
  pk_hash_word(&walk->state, *(const __u64 *)(walk->text + ((index * 8) & (PK_PATH_MAX - 1))));
  return 0;
}

/* `text` is the scratch's path, `length` less than PK_PATH_MAX. */
PK_INLINE __u64 pk_hash_text(char *text, __u32 length) {
  struct pk_text_walk walk = {.text = text};
  length &= PK_PATH_MAX - 1;
  __builtin_memset(text + length, 0, 8); /* what another text left behind it */
  pk_hash_begin(&walk.state, hash_key.words[0], hash_key.words[1]);
  bpf_loop(length / 8, pk_hash_step, &walk, 0);
  __u64 last = *(const __u64 *)(text + (length & (PK_PATH_MAX - 8)));
  pk_hash_word(&walk.state, last | (__u64)length << 56);
  return pk_hash_end(&walk.state);
}

#endif
