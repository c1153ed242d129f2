// The hash of what a workspace chooses, against the values that its authors published.
#include "bpf/picket/keyed_hash.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace picket {
namespace {

uint64_t hash_of(const std::string& text) {
  pk_hash_state state{};
  pk_hash_begin(&state, 0x0706050403020100, 0x0f0e0d0c0b0a0908);
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof(word));
    pk_hash_word(&state, word);
  }
  uint64_t last = text.size() << 56;
  std::memcpy(&last, text.data() + at, text.size() - at);
  pk_hash_word(&state, last);
  return pk_hash_end(&state);
}

std::string counted(size_t length) {
  std::string text;
  for (size_t i = 0; i < length; ++i) text += static_cast<char>(i);
  return text;
}

TEST(KeyedHash, IsSipHash) {
  EXPECT_EQ(hash_of(counted(0)), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(hash_of(counted(1)), 0x74f839c593dc67fdu);
  EXPECT_EQ(hash_of(counted(8)), 0x93f5f5799a932462u);
  EXPECT_EQ(hash_of(counted(15)), 0xa129ca6149be45e5u);
  EXPECT_EQ(hash_of(counted(63)), 0x958a324ceb064572u);
}

}  // namespace
}  // namespace picket
