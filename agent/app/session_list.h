// Distinct texts of one kind of thing that a session did, each with how often and how much: the
// first `most` of them, in the order in which they came; of the others only their number is kept.
// Used by AgentSessions, pipeline thread. Nothing fails.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace picket {

class SessionList {
 public:
  static constexpr size_t kTextMax = 256;  // bytes; longer ones are cut

  struct Entry {
    std::string text;
    uint64_t first_ns = 0;
    uint64_t count = 0, writes = 0;
    uint64_t bytes_in = 0, bytes_out = 0;
  };

  explicit SessionList(size_t most) : most_(most) {}

  // nullptr: there is no room for another one, and it was counted.
  Entry* find_or_add(std::string_view text, uint64_t time_ns) {
    text = text.substr(0, kTextMax);
    if (const auto known = by_text_.find(text); known != by_text_.end())
      return &entries_[known->second];
    if (entries_.size() >= most_) {
      ++left_out_;
      return nullptr;
    }
    by_text_.emplace(text, entries_.size());
    return &entries_.emplace_back(Entry{std::string(text), time_ns});
  }

  const std::vector<Entry>& entries() const { return entries_; }
  uint64_t left_out() const { return left_out_; }

 private:
  size_t most_;
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> by_text_;  // the place in entries_
  uint64_t left_out_ = 0;
};

}  // namespace picket
