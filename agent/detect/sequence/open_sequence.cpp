#include "agent/detect/sequence/open_sequence.h"

#include <utility>

namespace picket {
namespace {

constexpr size_t kEvidence = 8;

}  // namespace

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
  while (counted > 0 && evidence.front().time_ns < time_ns) {
    evidence.erase(evidence.begin());
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
  counted = 0;
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
