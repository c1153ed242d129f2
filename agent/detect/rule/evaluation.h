// The working memory of one evaluator: runs a program on observations, reading each field and
// testing each shared condition at most once an event. Owner: one thread. Errors: none. Memory
// grows to the largest event seen and is reused.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/detect/rule/program.h"

namespace picket::rule {

class Evaluation {
 public:
  explicit Evaluation(const Program& program);

  void set_wall_minus_boot_ns(std::optional<uint64_t> distance_ns) {
    moment_.wall_minus_boot_ns = distance_ns;
  }

  // Calls `on_match(rule, step)` for every rule that matches, and for every step of a sequence,
  // while fields may be read.
  template <class OnMatch>
  void run(const Observation& observation, OnMatch&& on_match) {
    begin(observation);
    const pk_type type = observation.event.type();
    program_.dispatch[type]->find([this](uint32_t slot) -> decltype(auto) { return read(slot); },
                                  candidates_);
    for (size_t word = 0; word < candidates_.size(); ++word) {
      for (uint64_t bits = candidates_[word]; bits != 0; bits &= bits - 1) {
        const auto at = 64 * word + static_cast<size_t>(std::countr_zero(bits));
        const Program::Entry& entry = program_.by_type[type][at];
        if (holds(entry.condition)) on_match(entry.rule, entry.step);
      }
    }
    observation_ = nullptr;
  }

  // During run(): the rule's output, and the fields it names, printed. `count` is printed for
  // sequence.count.
  std::string output(uint32_t rule, std::string_view count = {});
  std::vector<std::pair<std::string, std::string>> fields(uint32_t rule,
                                                          std::string_view count = {});
  // During run().
  bool holds(NodeId node);
  // During run(): a field's value; nullopt: it has none.
  std::optional<std::string> value(uint32_t slot);

 private:
  struct Slot {
    uint64_t event = 0;  // number of the event it was read for
    FieldResult result;
  };
  struct Known {
    uint64_t event = 0;
    bool holds = false;
  };

  void begin(const Observation& observation);
  bool decide(const Node& node);
  const FieldResult& read(uint32_t slot);
  std::string print(uint32_t slot, std::string_view count);

  const Program& program_;
  const Observation* observation_ = nullptr;
  Moment moment_;  // its number is that of the current event
  std::vector<Slot> slots_;
  std::vector<Known> known_;
  Bits candidates_;  // entries of the event's type
};

}  // namespace picket::rule
