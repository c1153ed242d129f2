#include "agent/detect/sequence/open_sequence.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace picket {
namespace {

constexpr size_t kEvidence = 8;
constexpr size_t kLater = 15;  // beginnings of a sequence beside its first

}  // namespace

bool OpenSequence::is_of(const Subtree& other) const {
  return same_subtree(subtree, other) || std::ranges::any_of(later, [&](const LaterBegin& begin) {
           return same_subtree(begin.subtree, other);
         });
}

// Of too many the one goes that is closest behind another: what was counted since is the same but
// for little.
void OpenSequence::absorb(OpenSequence& other) {
  const auto behind = [](const LaterBegin& a, const LaterBegin& b) {
    return a.since_ns < b.since_ns;
  };
  LaterBegin begin{other.subtree, other.first_ns, other.since_ns, std::move(other.evidence)};
  later.insert(std::ranges::upper_bound(later, begin, behind), std::move(begin));
  if (later.size() <= kLater) return;
  const auto gap = [&](const LaterBegin& one) {
    const uint64_t before = &one == later.data() ? since_ns : (&one - 1)->since_ns;
    return one.since_ns - std::min(one.since_ns, before);
  };
  // Never the last one, which has most time left.
  later.erase(std::min_element(later.begin(), std::prev(later.end()),
                               [&](const auto& a, const auto& b) { return gap(a) < gap(b); }));
}

void OpenSequence::take_later() {
  LaterBegin begin = std::move(later.front());
  later.erase(later.begin());
  subtree = begin.subtree;
  first_ns = begin.first_ns;
  since_ns = begin.since_ns;
  forget_before(since_ns);
  begin.evidence.insert(begin.evidence.end(),
                        std::make_move_iterator(evidence.end() - static_cast<ptrdiff_t>(counted)),
                        std::make_move_iterator(evidence.end()));
  evidence = std::move(begin.evidence);
}

void OpenSequence::add_counted(FindingStep piece) {
  if (counted == kEvidence) {
    evidence.pop_back();
    --counted;
  }
  evidence.push_back(std::move(piece));
  ++counted;
}

void OpenSequence::forget_before(uint64_t time_ns) {
  counter.forget_before(time_ns);
  sum.forget_before(time_ns);
  while (counted > 0) {
    const auto first = evidence.end() - static_cast<ptrdiff_t>(counted);
    if (first->time_ns >= time_ns) return;
    evidence.erase(first);
    --counted;
  }
}

void OpenSequence::begin_again() {
  finding.reset();
  number = 0;
  grew = false;
}

void OpenSequence::reach(size_t step, uint64_t time_ns) {
  next = step;
  since_ns = time_ns;
  ended_ns = 0;
  counter = {};
  sum = {};
  later.clear();
  counted = 0;
}

bool OpenSequence::keeps_others(const Subtree& ended, uint64_t time_ns) {
  const auto stays = [&](const LaterBegin& begin) {
    return begin.since_ns > time_ns || !same_subtree(begin.subtree, ended);
  };
  const bool first_stays = !same_subtree(subtree, ended);
  if (!first_stays && std::ranges::none_of(later, stays)) return false;
  std::erase_if(later, std::not_fn(stays));
  if (!first_stays) take_later();
  return true;
}

Finding OpenSequence::told_now() {
  grew = false;
  Finding now = *finding;
  now.output = output;
  const std::string digits = std::to_string(number);
  for (size_t at; (at = now.output.find(kCountMark)) != std::string::npos;)
    now.output.replace(at, kCountMark.size(), digits);
  if (number == 0) return now;
  for (auto& [name, value] : now.fields)
    if (value == kCountMark) value = digits;
  now.steps.back().count = number;
  return now;
}

}  // namespace picket
