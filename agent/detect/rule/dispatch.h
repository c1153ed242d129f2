// Which entries of one event type could match at all, found with one look-up for each field that is
// indexed, however many rules there are. An entry that cannot match unless a field has one of some
// texts, prefixes, parts or numbers is a candidate only when it has; every other entry always is.
// Immutable once made; every thread may ask. Nothing fails.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/detect/rule/field.h"
#include "agent/detect/rule/text_match.h"

namespace picket::rule {

struct Program;

using Bits = std::vector<uint64_t>;  // one for each entry of a type
using EntryList = std::vector<uint32_t>;

// Under which an address is looked up.
inline std::string_view bytes_of(const IpAddress& address) {
  return {reinterpret_cast<const char*>(address.bytes.data()), address.v6 ? size_t{16} : size_t{4}};
}

inline void set_bits(const EntryList& entries, Bits& bits) {
  for (const uint32_t entry : entries) bits[entry / 64] |= uint64_t{1} << entry % 64;
}

// Texts that begin with one of the prefixes.
class PrefixIndex {
 public:
  void add(std::string_view prefix, uint32_t entry);
  void finish();
  void look_up(std::string_view text, Bits& bits) const;

 private:
  struct Prefix {
    std::string text;
    EntryList entries;
    uint32_t shorter = kNone;  // the longest other prefix that this one begins with
  };
  static constexpr uint32_t kNone = ~uint32_t{0};
  std::vector<Prefix> prefixes_;  // sorted
};

constexpr size_t kPartBytes = 4;  // by which parts of texts and their ends are looked up

// Texts that end with one of the suffixes, known by their last bytes.
class SuffixIndex {
 public:
  void add(std::string_view suffix, uint32_t entry);
  void look_up(std::string_view text, Bits& bits) const;

 private:
  absl::flat_hash_map<uint32_t, EntryList> entries_;
};

// Texts that have a part anywhere: each part is known by those of its bytes that few others have.
class PartIndex {
 public:
  void add(std::string_view part, uint32_t entry);
  void finish();
  void look_up(std::string_view text, Bits& bits) const;

 private:
  static constexpr uint32_t kFilterBits = 1 << 14;
  static uint32_t filter_bit(uint32_t bytes) { return bytes * 0x9e3779b1u >> 18; }

  std::vector<std::pair<std::string, uint32_t>> added_;  // until finish()
  std::vector<uint64_t> filter_;
  absl::flat_hash_map<uint32_t, EntryList> entries_;
};

class Dispatch {
 public:
  Dispatch() = default;
  Dispatch(const Program& program, pk_type type);

  // Sets the bits of all candidates. `read(slot)` answers with the field's values.
  template <class Read>
  void find(Read&& read, Bits& bits) const {
    bits.assign(always_.begin(), always_.end());
    for (const FieldIndex& field : fields_) {
      for (const FieldValue& value : read(field.slot).values) look_up(field, value, bits);
    }
  }

 private:
  struct FieldIndex {
    uint32_t slot = 0;
    absl::flat_hash_map<std::string, EntryList> texts;
    Lengths lengths;  // of these
    absl::flat_hash_map<int64_t, EntryList> numbers;
    PrefixIndex prefixes;
    SuffixIndex suffixes;
    PartIndex parts;
  };

  void add(const Program& program, uint32_t comparison, uint32_t entry);
  FieldIndex& index_of(uint32_t slot);
  static void look_up(const FieldIndex& field, const FieldValue& value, Bits& bits);
  static void look_up_whole(const FieldIndex& field, std::string_view text, Bits& bits);

  Bits always_;
  std::vector<FieldIndex> fields_;
};

}  // namespace picket::rule
