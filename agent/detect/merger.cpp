#include "agent/detect/merger.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace picket {
namespace {

// FNV-1a: stable over versions and machines, so that a replay names its findings as the first run
// did.
uint64_t hash_of(std::string_view text, uint64_t hash = 0xcbf29ce484222325) {
  constexpr uint64_t kPrime = 0x100000001b3;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  return (hash ^ 0xff) * kPrime;  // the end of one part, which no text contains
}

std::string merge_id_of(const Finding& finding) {
  const uint64_t hash = hash_of(fmt::format("{}", finding.process.key.start_ns),
                                hash_of(finding.workspace.id, hash_of(finding.rule)));
  return fmt::format("{:x}-{:x}-{:016x}", finding.first_ns, finding.process.key.pid, hash);
}

bool later_than(uint64_t now_ns, uint64_t then_ns, uint64_t distance_ns) {
  return now_ns > then_ns && now_ns - then_ns > distance_ns;
}

}  // namespace

Merger::Key Merger::key_of(const Finding& finding) {
  return {finding.rule, finding.workspace.id, finding.merge_as.value_or(finding.process.key)};
}

void Merger::add(Finding finding, FindingSink& sink) {
  const Key key = key_of(finding);
  if (const auto known = index_.find(key); known != index_.end()) {
    if (!later_than(finding.time_ns, known->second->finding.last_ns, options_.window_ns)) {
      repeat(known->second, finding, sink);
      return;
    }
    forget(known->second, sink);
  }
  make_room(sink);
  finding.merge_id = merge_id_of(finding);
  stories_.add(finding);
  Entry entry{std::move(finding)};
  send(entry, entry.finding.time_ns, sink);
  if (options_.capacity == 0) return;
  entries_.push_back(std::move(entry));
  index_.emplace(key, std::prev(entries_.end()));
  ++count_by_rule_[key.rule];
}

// The noise of one rule does not split what another one has to say: it makes room for itself.
void Merger::make_room(FindingSink& sink) {
  while (!entries_.empty() && entries_.size() >= options_.capacity) {
    const auto noisiest =
        std::ranges::max_element(count_by_rule_, {}, [](const auto& rule) { return rule.second; });
    const auto quietest = std::ranges::find_if(
        entries_, [&](const Entry& entry) { return entry.finding.rule == noisiest->first; });
    forget(quietest, sink);
  }
}

void Merger::repeat(Entries::iterator at, const Finding& finding, FindingSink& sink) {
  Entry& entry = *at;
  if (finding.restates) {
    entry.finding.output = finding.output;
    entry.finding.fields = finding.fields;
    entry.finding.steps = finding.steps;
    entry.finding.restates = true;
  } else {
    entry.finding.count += finding.count;
  }
  entry.finding.last_ns = std::max(entry.finding.last_ns, finding.last_ns);
  entry.pending = true;
  stories_.repeated(finding, finding.time_ns);
  entries_.splice(entries_.end(), entries_, at);
  if (later_than(finding.time_ns, entry.sent_ns, options_.interval_ns)) {
    send(entry, finding.time_ns, sink);
  }
}

void Merger::send(Entry& entry, uint64_t now_ns, FindingSink& sink) {
  entry.sent_ns = now_ns;
  entry.pending = false;
  sink.on_finding(entry.finding);
}

void Merger::forget(Entries::iterator entry, FindingSink& sink) {
  if (entry->pending) send(*entry, entry->finding.last_ns, sink);
  index_.erase(key_of(entry->finding));
  const auto count = count_by_rule_.find(entry->finding.rule);
  if (--count->second == 0) count_by_rule_.erase(count);
  entries_.erase(entry);
}

void Merger::on_tick(uint64_t event_time_ns, FindingSink& sink) {
  for (Entry& entry : entries_) {
    if (entry.pending && later_than(event_time_ns, entry.sent_ns, options_.interval_ns)) {
      send(entry, event_time_ns, sink);
    }
  }
  stories_.on_tick(event_time_ns);
  // Records of several CPUs arrive a little out of order: the front is the quiet one but for that.
  while (!entries_.empty() &&
         later_than(event_time_ns, entries_.front().finding.last_ns, options_.window_ns)) {
    forget(entries_.begin(), sink);
  }
}

void Merger::flush(FindingSink& sink) {
  for (Entry& entry : entries_) {
    if (entry.pending) send(entry, entry.finding.last_ns, sink);
  }
}

}  // namespace picket
