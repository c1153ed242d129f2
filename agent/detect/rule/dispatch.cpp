#include "agent/detect/rule/dispatch.h"

#include <algorithm>
#include <cstring>

#include "agent/detect/rule/needs.h"
#include "agent/detect/rule/program.h"

namespace picket::rule {
namespace {

uint32_t bytes_at(std::string_view text, size_t at) {
  uint32_t bytes = 0;
  static_assert(sizeof(bytes) == kPartBytes);
  std::memcpy(&bytes, text.data() + at, sizeof(bytes));
  return bytes;
}

void add_once(EntryList& entries, uint32_t entry) {
  if (entries.empty() || entries.back() != entry) entries.push_back(entry);
}

}  // namespace

void PrefixIndex::add(std::string_view prefix, uint32_t entry) {
  prefixes_.push_back({std::string(prefix), {entry}});
}

void PrefixIndex::finish() {
  std::ranges::stable_sort(prefixes_, {}, &Prefix::text);
  std::vector<Prefix> merged;
  for (Prefix& prefix : prefixes_) {
    if (!merged.empty() && merged.back().text == prefix.text) {
      add_once(merged.back().entries, prefix.entries.front());
      continue;
    }
    auto shorter = static_cast<uint32_t>(merged.size()) - 1;
    while (shorter != kNone && !prefix.text.starts_with(merged[shorter].text))
      shorter = merged[shorter].shorter;
    prefix.shorter = shorter;
    merged.push_back(std::move(prefix));
  }
  prefixes_ = std::move(merged);
}

// What the text begins with is the greatest prefix that is not greater, or one that this begins
// with.
void PrefixIndex::look_up(std::string_view text, Bits& bits) const {
  const auto above =
      std::upper_bound(prefixes_.begin(), prefixes_.end(), text,
                       [](std::string_view a, const Prefix& b) { return a < b.text; });
  auto at = static_cast<uint32_t>(above - prefixes_.begin()) - 1;
  while (at != kNone && !text.starts_with(prefixes_[at].text)) at = prefixes_[at].shorter;
  for (; at != kNone; at = prefixes_[at].shorter) set_bits(prefixes_[at].entries, bits);
}

void SuffixIndex::add(std::string_view suffix, uint32_t entry) {
  add_once(entries_[bytes_at(suffix, suffix.size() - kPartBytes)], entry);
}

void SuffixIndex::look_up(std::string_view text, Bits& bits) const {
  if (entries_.empty() || text.size() < kPartBytes) return;
  const auto found = entries_.find(bytes_at(text, text.size() - kPartBytes));
  if (found != entries_.end()) set_bits(found->second, bits);
}

void PartIndex::add(std::string_view part, uint32_t entry) {
  added_.emplace_back(std::string(part), entry);
}

void PartIndex::finish() {
  absl::flat_hash_map<uint32_t, size_t> parts_with;
  for (const auto& [part, entry] : added_)
    for (size_t at = 0; at + kPartBytes <= part.size(); ++at) ++parts_with[bytes_at(part, at)];
  if (!added_.empty()) filter_.assign(kFilterBits / 64, 0);
  for (const auto& [part, entry] : added_) {
    uint32_t rarest = bytes_at(part, 0);
    for (size_t at = 1; at + kPartBytes <= part.size(); ++at)
      if (const uint32_t bytes = bytes_at(part, at); parts_with[bytes] < parts_with[rarest])
        rarest = bytes;
    add_once(entries_[rarest], entry);
    filter_[filter_bit(rarest) / 64] |= uint64_t{1} << filter_bit(rarest) % 64;
  }
  added_ = {};
}

void PartIndex::look_up(std::string_view text, Bits& bits) const {
  if (filter_.empty()) return;
  for (size_t at = 0; at + kPartBytes <= text.size(); ++at) {
    const uint32_t bytes = bytes_at(text, at);
    const uint32_t bit = filter_bit(bytes);
    if ((filter_[bit / 64] >> bit % 64 & 1) == 0) continue;
    if (const auto found = entries_.find(bytes); found != entries_.end())
      set_bits(found->second, bits);
  }
}

Dispatch::Dispatch(const Program& program, pk_type type) {
  const std::vector<Program::Entry>& entries = program.by_type[type];
  always_.assign((entries.size() + 63) / 64, 0);
  const std::vector<Need> needs = needs_of(program, entries);
  for (uint32_t entry = 0; entry < entries.size(); ++entry) {
    if (needs[entry].empty()) set_bits({entry}, always_);
    for (const uint32_t comparison : needs[entry]) add(program, comparison, entry);
  }
  for (FieldIndex& field : fields_) {
    field.prefixes.finish();
    field.parts.finish();
  }
}

Dispatch::FieldIndex& Dispatch::index_of(uint32_t slot) {
  const auto known = std::ranges::find(fields_, slot, &FieldIndex::slot);
  if (known != fields_.end()) return *known;
  FieldIndex& fresh = fields_.emplace_back();
  fresh.slot = slot;
  return fresh;
}

void Dispatch::add(const Program& program, uint32_t comparison, uint32_t entry) {
  FieldIndex& field = index_of(program.comparisons[comparison].slot);
  const Keys keys = keys_of(program.comparisons[comparison].matcher);
  for (const std::string_view text : keys.texts) {
    add_once(field.texts[std::string(text)], entry);
    field.lengths.add(text.size());
  }
  for (const int64_t number : keys.numbers) add_once(field.numbers[number], entry);
  for (const std::string_view prefix : keys.prefixes) field.prefixes.add(prefix, entry);
  if (!keys.suffix.empty()) field.suffixes.add(keys.suffix, entry);
  if (!keys.part.empty()) field.parts.add(keys.part, entry);
}

void Dispatch::look_up(const FieldIndex& field, const FieldValue& value, Bits& bits) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    look_up_whole(field, *text, bits);
    field.prefixes.look_up(*text, bits);
    field.suffixes.look_up(*text, bits);
    field.parts.look_up(*text, bits);
  } else if (const auto* number = std::get_if<int64_t>(&value)) {
    const auto found = field.numbers.find(*number);
    if (found != field.numbers.end()) set_bits(found->second, bits);
  } else if (const auto* address = std::get_if<IpAddress>(&value)) {
    look_up_whole(field, bytes_of(*address), bits);
  }
}

void Dispatch::look_up_whole(const FieldIndex& field, std::string_view text, Bits& bits) {
  if (!field.lengths.may_have(text.size())) return;
  const auto found = field.texts.find(absl::string_view(text.data(), text.size()));
  if (found != field.texts.end()) set_bits(found->second, bits);
}

}  // namespace picket::rule
