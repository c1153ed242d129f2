#include "agent/detect/sequence/tracker.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "agent/detect/rule/evaluation.h"
#include "agent/detect/rule/finding_of.h"
#include "agent/detect/rule/program.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/detect/rule/waivers.h"
#include "agent/detect/sequence/early_steps.h"
#include "agent/detect/sequence/open_sequence.h"

namespace picket {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// Records of several CPUs come a little out of order: until then the event that was to be absent
// may still come.
constexpr uint64_t kAbsenceSlack = kSecond;
// Events wait for the identity of their workspace while the clock goes on.
constexpr uint64_t kKept = 10 * kSecond;

}  // namespace

struct SequenceTracker::Open : OpenSequence {};

// One step that was matched, with all that is needed to judge it: now, or before and kept.
struct SequenceTracker::Step {
  uint32_t rule = 0, index = 0;
  const RuleInfo& info;
  const Sequence& sequence;
  Waivers& waivers;
  uint64_t time_ns = 0;
  Subtree subtree;
  const Observation* observation = nullptr;  // of a kept one neither
  rule::Evaluation* evaluation = nullptr;
  const EarlyStep* kept = nullptr;

  const SequenceStep& step() const { return sequence.steps[index]; }
  bool is_of(const Open& open) const { return open.is_of(subtree); }
  // All has happened then, or all but what is to be absent.
  bool is_last() const {
    return step().count == 1 && sequence.next(index + 1) == sequence.steps.size();
  }
  // By the time of the events: in which order they arrive does not matter.
  bool in_time(const Open& open) const {
    if (open.slides()) return true;
    return time_ns >= open.since_ns && time_ns <= open.last_end_ns(sequence) &&
           (open.ended_ns == 0 || time_ns < open.ended_ns);
  }
  // What counts is never kept: its order does not matter.
  bool may_be_early() const { return kept == nullptr && index > 0 && step().count == 1; }

  std::string_view event_type() const { return event_row(observation->event.type())->name; }
  FindingStep evidence() const {
    if (kept != nullptr) return kept->evidence;
    return {step().name,
            time_ns,
            std::string(event_type()),
            summary(observation->process),
            evaluation->fields(rule),
            1};
  }
  // With the mark for its number.
  Finding finding() const {
    if (kept != nullptr) return kept->finding;
    Finding finding = finding_of(info, *observation);
    finding.output = evaluation->output(rule, kCountMark);
    finding.fields = evaluation->fields(rule, kCountMark);
    return finding;
  }
  std::vector<std::string> fitting_waivers() const {
    return kept != nullptr ? kept->waivers : waivers.fitting(rule, *evaluation);
  }
  EarlyStep keep() const {
    return {index, time_ns, subtree, evidence(), finding(), fitting_waivers()};
  }
};

// A workspace.
struct SequenceTracker::Place {
  std::map<uint32_t, Opens> by_rule;
  std::map<uint32_t, EarlySteps> early;  // by rule
  size_t open = 0, values = 0;
  SequenceLoss loss;

  void lose(uint64_t time_ns) {
    loss.first_ns = loss.count == 0 ? time_ns : loss.first_ns;
    loss.last_ns = std::max(loss.last_ns, time_ns);
    ++loss.count;
  }
  template <class Predicate>
  void erase_if(Opens& opens, Predicate is_over) {
    std::erase_if(opens, [&](const std::unique_ptr<Open>& one) {
      if (!is_over(*one)) return false;
      values -= one->counter.size();
      --open;
      return true;
    });
  }
  // `moved` waits for another step than before. Of those of one subtree that wait for the same, the
  // latest has the most time left, and of those that wait for the end the first ends first; of
  // those that count the first one goes on with the others' beginnings.
  void keep_one(Opens& opens, Open& moved, const Sequence& sequence) {
    const bool at_end = moved.next == sequence.steps.size();
    const bool counts = !at_end && sequence.steps[moved.next].count > 1;
    const auto rival = std::ranges::find_if(opens, [&](const std::unique_ptr<Open>& one) {
      return one.get() != &moved && one->next == moved.next &&
             (counts ? one->is_of(moved.subtree) : one->subtree == moved.subtree) &&
             (one->ended_ns == 0) == (moved.ended_ns == 0);
    });
    if (rival == opens.end()) return;
    const Open* loser = &moved;
    if (counts)
      (*rival)->absorb(moved);
    else if (at_end == ((*rival)->first_ns > moved.first_ns))
      loser = rival->get();
    erase_if(opens, [&](const Open& open) { return &open == loser; });
  }
};

SequenceTracker::SequenceTracker(SequenceLimits limits) : limits_(limits) {}
SequenceTracker::~SequenceTracker() = default;

size_t SequenceTracker::open() const {
  size_t count = 0;
  for (const auto& [id, place] : places_) count += place->open;
  return count;
}

void SequenceTracker::use(std::shared_ptr<const RuleSet> rules) {
  const auto old = std::exchange(rules_, std::move(rules));
  if (old == nullptr) return;
  absl::flat_hash_map<uint32_t, uint32_t> same;  // numbers of rules, old and new
  for (const auto& [number, sequence] : old->program().sequences) {
    for (const auto& [candidate, other] : rules_->program().sequences) {
      if (rules_->rules()[candidate].name == old->rules()[number].name &&
          other.text == sequence.text)
        same[number] = candidate;
    }
  }
  for (auto& [id, place] : places_) {
    place->early.clear();
    for (auto& [number, opens] : std::exchange(place->by_rule, {})) {
      if (const auto kept = same.find(number); kept != same.end()) {
        place->by_rule[kept->second] = std::move(opens);
      } else {
        place->erase_if(opens, [](const Open&) { return true; });
      }
    }
  }
}

void SequenceTracker::on_step(uint32_t rule, uint32_t index, const Observation& observation,
                              rule::Evaluation& evaluation, Waivers& waivers, FindingSink& sink) {
  const Sequence& sequence = rules_->program().sequences.at(rule);
  const Step step{rule,
                  index,
                  rules_->rules()[rule],
                  sequence,
                  waivers,
                  observation.event.header().time_ns,
                  sequence.by == SequenceBy::lineage ? subtree_of(observation.process) : Subtree{},
                  &observation,
                  &evaluation};
  const uint64_t cgroup = observation.workspace.cgroup_id;
  // Of a workspace without an owner it is the workspace itself.
  Whose whose{sequence.by == SequenceBy::owner ? observation.workspace.owner : std::string(), 0};
  if (whose.owner.empty()) whose.cgroup_id = cgroup;
  auto known = places_.find(whose);
  if (known == places_.end()) {
    if (index != 0 && !step.may_be_early()) return;  // nothing is open here
    if (places_.size() >= limits_.workspaces) {
      if (index == 0) losses_.push_back({cgroup, 1, step.time_ns, step.time_ns});
      return;
    }
    known = places_.emplace(std::move(whose), std::make_unique<Place>()).first;
  }
  Place& place = *known->second;
  place.loss.cgroup_id = cgroup;
  Opens& opens = place.by_rule[rule];
  const bool taken = apply(step, place, opens, sink);
  if (taken) {
    place.early[rule].offer(index, step.time_ns, [&](const EarlyStep& early) {
      return apply({rule, early.index, step.info, sequence, waivers, early.time_ns, early.subtree,
                    nullptr, nullptr, &early},
                   place, opens, sink);
    });
  } else if (step.may_be_early()) {
    place.early[rule].keep(step.keep());
  }
}

// Whether it is used up.
bool SequenceTracker::apply(const Step& step, Place& place, Opens& opens, FindingSink& sink) {
  if (!step.step().absent) return take(step, place, opens, sink);
  end(step, place, opens);
  return false;
}

// What it waited for may have happened before this and arrive behind it, so it stays for a while;
// at its end nothing is waited for.
void SequenceTracker::end(const Step& step, Place& place, Opens& opens) {
  std::vector<Open*> ended;
  for (const auto& open : opens)
    if (open->next == step.index + 1 && step.is_of(*open) && step.in_time(*open))
      ended.push_back(open.get());
  for (Open* open : ended) {
    const size_t before = open->counter.size();
    const bool goes_on = open->keeps_others(step.subtree, step.time_ns);
    place.values -= before - open->counter.size();
    if (goes_on) continue;
    open->ended_ns = step.time_ns;
    place.keep_one(opens, *open, step.sequence);
  }
  place.erase_if(opens, [&](const Open& open) {
    return open.ended_ns != 0 && open.next == step.sequence.steps.size();
  });
}

bool SequenceTracker::take(const Step& step, Place& place, Opens& opens, FindingSink& sink) {
  const auto waits = [&](const auto& open) {
    return open->next == step.index && step.in_time(*open) && step.is_of(*open);
  };
  if (step.index == 0 && std::ranges::none_of(opens, waits)) {
    make_room(place, step.time_ns);
    Open& fresh = *opens.emplace_back(std::make_unique<Open>());
    fresh.subtree = step.subtree;
    ++place.open;
  }
  std::vector<Open*> waiting;
  for (const auto& open : opens)
    if (waits(open)) waiting.push_back(open.get());
  if (step.is_last() && waiting.size() > 1) {  // one event is the end of one
    const auto by_begin = [](const Open* a, const Open* b) { return a->first_ns < b->first_ns; };
    Open* one = step.sequence.ends_absent() ? *std::ranges::min_element(waiting, by_begin)
                                            : *std::ranges::max_element(waiting, by_begin);
    place.erase_if(opens, [&](const Open& open) { return &open != one && waits(&open); });
    waiting = {one};
  }
  for (Open* open : waiting) {
    if (advance(step, place, opens, *open, sink)) {
      place.erase_if(opens, [&](const Open& one) { return &one == open; });
    } else if (open->next != step.index) {
      place.keep_one(opens, *open, step.sequence);
    }
  }
  return !waiting.empty();
}

// What was counted is enough for the first beginning. Those behind it, for which it is enough as
// well, have more time left; for the others a sequence of their own goes on.
void SequenceTracker::go_on_with_the_latest(const Step& step, Place& place, Opens& opens,
                                            Open& open) {
  while (!open.later.empty()) {
    auto other = std::make_unique<Open>(open);
    other->take_later();
    if (other->amount(step.step()) < step.step().count) {
      place.values += other->counter.size();
      ++place.open;
      open.later.clear();
      opens.push_back(std::move(other));
      return;
    }
    place.values -= open.counter.size() - other->counter.size();
    open = std::move(*other);
    open.number = open.amount(step.step());
  }
}

// To the time of an event that is counted, which adds that much: past what is too old, and past the
// beginnings whose time is over.
void SequenceTracker::slide(const Step& step, Open& open, uint64_t more) {
  bool slid = open.slides();
  if (slid) open.forget_before(step.time_ns - std::min(step.time_ns, step.sequence.window_ns));
  for (; !open.later.empty() && step.time_ns > open.end_ns(step.sequence); slid = true)
    open.take_later();
  if (slid && open.finding.has_value() && open.amount(step.step()) + more < step.step().count)
    open.begin_again();
}

// Whether the sequence is over.
bool SequenceTracker::advance(const Step& step, Place& place, Opens& opens, Open& open,
                              FindingSink& sink) {
  const Sequence& sequence = step.sequence;
  const bool counts = step.step().count > 1;
  if (counts && !count(step, place, open)) return false;
  if (!counts) {
    if (step.index == 0) open.first_ns = step.time_ns;
    open.last_ns = step.time_ns;
    open.evidence.push_back(step.evidence());
  }
  const size_t next = sequence.next(step.index + 1);
  if (counts && next < sequence.steps.size()) go_on_with_the_latest(step, place, opens, open);
  open.evidence.back().count = counts ? open.number : 1;
  if (next < sequence.steps.size()) {
    place.values -= open.counter.size();
    open.reach(next, step.time_ns);
    return false;
  }
  if (sequence.ends_absent()) {
    open.waivers = step.fitting_waivers();
  } else if (step.waivers.withhold(step.fitting_waivers(), step.time_ns)) {
    return true;
  }
  Finding finding = step.finding();
  finding.first_ns = open.first_ns;
  finding.steps = open.evidence;
  finding.merge_as = open.subtree.root;
  open.output = std::exchange(finding.output, {});
  if (open.number != 0 && std::ranges::count(finding.fields, rule::kSequenceCount,
                                             &std::pair<std::string, std::string>::first) == 0)
    finding.fields.emplace_back(rule::kSequenceCount, kCountMark);
  open.finding = std::move(finding);
  if (sequence.ends_absent()) {
    place.values -= open.counter.size();
    open.reach(next, step.time_ns);
    return false;
  }
  sink.on_finding(open.told_now());
  return !counts;  // what counts goes on, and tells how far it came
}

// Whether it is enough now, and was not before.
bool SequenceTracker::add_up(const Step& step, Open& open) {
  const auto text = step.evaluation->value(*step.step().sum);
  uint64_t amount = 0;
  if (text.has_value()) std::from_chars(text->data(), text->data() + text->size(), amount);
  if (amount == 0) return false;
  slide(step, open, amount);
  open.sum.add(step.time_ns, amount, step.sequence.window_ns);
  if (open.slides()) open.first_ns = open.sum.oldest_ns();
  open.last_ns = step.time_ns;
  if (!open.finding.has_value()) open.add_counted(step.evidence());
  open.grew = open.finding.has_value();
  open.number = std::max(open.number, open.sum.total());
  return !open.finding.has_value() && open.sum.total() >= step.step().count;
}

// Whether there are enough now, and were not before.
bool SequenceTracker::count(const Step& step, Place& place, Open& open) {
  if (step.step().sum.has_value()) return add_up(step, open);
  uint64_t value = ++open.serial;
  if (step.step().distinct.has_value()) {
    const auto text = step.evaluation->value(*step.step().distinct);
    if (!text.has_value()) return false;
    // What is one thing in one workspace is another one in the next.
    value = absl::HashOf(*text, step.observation->workspace.cgroup_id);
  }
  const size_t before = open.counter.size();
  slide(step, open, 1);
  const bool fresh = open.counter.add(step.time_ns, value);
  place.values += open.counter.size() - before;
  for (; place.values > limits_.values && open.counter.size() > 1; --place.values) {
    open.counter.drop_oldest();
    if (!open.finding.has_value()) place.lose(step.time_ns);
  }
  if (open.slides()) open.first_ns = open.counter.oldest_ns();
  open.last_ns = step.time_ns;
  if (!fresh) return false;
  if (!open.finding.has_value()) open.add_counted(step.evidence());
  const uint64_t size = open.counter.size();
  open.grew = open.finding.has_value() && size > open.number;
  open.number = std::max(open.number, size);
  return !open.finding.has_value() && size >= step.step().count;
}

// A rule that opens many lets go of its own.
void SequenceTracker::make_room(Place& place, uint64_t time_ns) {
  if (place.open >= limits_.open) {
    for (auto& [rule, opens] : place.by_rule)
      place.erase_if(opens, [](const Open& one) { return one.ended_ns != 0; });
  }
  while (place.open >= limits_.open) {
    const auto largest = std::ranges::max_element(
        place.by_rule, {}, [](const auto& rule) { return rule.second.size(); });
    const Open* oldest = largest->second.front().get();
    place.erase_if(largest->second, [&](const Open& one) { return &one == oldest; });
    place.lose(time_ns);
  }
}

void SequenceTracker::on_tick(uint64_t event_time_ns, Waivers& waivers, FindingSink& sink) {
  for (auto at = places_.begin(); at != places_.end();) {
    Place& place = *at->second;
    for (auto& [rule, opens] : place.by_rule)
      tick(rule, place, opens, event_time_ns, waivers, sink);
    if (place.loss.count > 0)
      losses_.push_back(std::exchange(place.loss, SequenceLoss{.cgroup_id = place.loss.cgroup_id}));
    at = place.open == 0 && place.early.empty() ? places_.erase(at) : std::next(at);
  }
}

void SequenceTracker::tick(uint32_t rule, Place& place, Opens& opens, uint64_t now_ns,
                           Waivers& waivers, FindingSink& sink) {
  const Sequence& sequence = rules_->program().sequences.at(rule);
  for (const auto& open : opens) {
    const uint64_t end_ns = open->end_ns(sequence);
    if (open->next == sequence.steps.size() && now_ns > end_ns + kAbsenceSlack) {
      if (waivers.withhold(open->waivers, end_ns)) continue;
      Finding finding = open->told_now();
      finding.time_ns = finding.last_ns = end_ns;
      sink.on_finding(std::move(finding));
    } else if (open->grew) {
      Finding finding = open->told_now();
      finding.last_ns = open->last_ns;
      finding.restates = true;
      sink.on_finding(std::move(finding));
    }
  }
  place.erase_if(opens, [&](const Open& open) {
    if (open.ended_ns != 0) return now_ns > open.ended_ns + kAbsenceSlack;
    const bool at_end = open.next == sequence.steps.size();
    return now_ns > open.last_end_ns(sequence) + (at_end ? kAbsenceSlack : kKept);
  });
}

std::vector<SequenceLoss> SequenceTracker::take_losses() { return std::exchange(losses_, {}); }

}  // namespace picket
