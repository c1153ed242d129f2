/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * SipHash-2-4: a hash of texts that a process of a workspace chooses. Without the key, which is drawn
 * anew at each start of the agent, nobody can make two texts of one hash. For the probes; the test
 * holds it against the published values.
 */
#ifndef PICKET_KEYED_HASH_H
#define PICKET_KEYED_HASH_H

#ifndef __bpf__
#include <linux/types.h>
#endif

struct pk_hash_key {
  __u64 words[2];
};

struct pk_hash_state {
  __u64 v0, v1, v2, v3;
};

#define PK_ROTATE(word, by) (((word) << (by)) | ((word) >> (64 - (by))))

static inline __attribute__((always_inline)) void pk_hash_round(struct pk_hash_state *state) {
  state->v0 += state->v1;
  state->v1 = PK_ROTATE(state->v1, 13) ^ state->v0;
  state->v0 = PK_ROTATE(state->v0, 32);
  state->v2 += state->v3;
  state->v3 = PK_ROTATE(state->v3, 16) ^ state->v2;
  state->v0 += state->v3;
  state->v3 = PK_ROTATE(state->v3, 21) ^ state->v0;
  state->v2 += state->v1;
  state->v1 = PK_ROTATE(state->v1, 17) ^ state->v2;
  state->v2 = PK_ROTATE(state->v2, 32);
}

static inline __attribute__((always_inline)) void pk_hash_begin(struct pk_hash_state *state,
                                                                __u64 key0, __u64 key1) {
  state->v0 = key0 ^ 0x736f6d6570736575ull;
  state->v1 = key1 ^ 0x646f72616e646f6dull;
  state->v2 = key0 ^ 0x6c7967656e657261ull;
  state->v3 = key1 ^ 0x7465646279746573ull;
}

/* Eight bytes of the text. The last word has what is left of it, and the text's length in its highest
 * byte. */
static inline __attribute__((always_inline)) void pk_hash_word(struct pk_hash_state *state,
                                                               __u64 word) {
  state->v3 ^= word;
  pk_hash_round(state);
  pk_hash_round(state);
  state->v0 ^= word;
}

static inline __attribute__((always_inline)) __u64 pk_hash_end(struct pk_hash_state *state) {
  state->v2 ^= 0xff;
  for (int i = 0; i < 4; i++) pk_hash_round(state);
  return state->v0 ^ state->v1 ^ state->v2 ^ state->v3;
}

#endif
