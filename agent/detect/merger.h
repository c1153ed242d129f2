// Merges repeats: findings of the same rule, workspace and process close to each other become one,
// with a count. The first goes out at once, with its place in its lineage's story; repeats raise
// its count and are sent again, under the same merge_id, at most once per interval. Owner: the
// pipeline thread. Errors: none; a full table sends what was quiet longest of the rule that has
// most entries, and forgets it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "agent/detect/detector.h"
#include "agent/detect/story.h"

namespace picket {

struct MergeOptions {
  uint64_t window_ns =
      60'000'000'000;  // a repeat later than this after the last one is a new finding
  uint64_t interval_ns = 10'000'000'000;  // between two sendings of the same finding
  size_t capacity = 4096;                 // findings remembered
  StoryOptions stories = {};
};

class Merger {
 public:
  explicit Merger(MergeOptions options) : options_(options), stories_(options.stories) {}

  void add(Finding finding, FindingSink& sink);
  void on_tick(uint64_t event_time_ns, FindingSink& sink);
  void flush(FindingSink& sink);

  size_t size() const { return entries_.size(); }

 private:
  struct Key {
    std::string rule, workspace;
    ProcessKey process;
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.rule, key.workspace, key.process.pid,
                        key.process.start_ns);
    }
  };
  struct Entry {
    Finding finding;       // as it was first, with count and last_ns raised
    uint64_t sent_ns = 0;  // event time when it last went out
    bool pending = false;  // repeats came since
  };
  using Entries = std::list<Entry>;  // the one that was quiet longest in front

  static Key key_of(const Finding& finding);
  void repeat(Entries::iterator entry, const Finding& finding, FindingSink& sink);
  void send(Entry& entry, uint64_t now_ns, FindingSink& sink);
  void forget(Entries::iterator entry, FindingSink& sink);
  void make_room(FindingSink& sink);

  const MergeOptions options_;
  Stories stories_;
  Entries entries_;
  absl::flat_hash_map<Key, Entries::iterator> index_;
  std::map<std::string, size_t, std::less<>> count_by_rule_;  // in order: a tie is no dice
};

}  // namespace picket
