// The working memory of one evaluator: runs a program on observations, reading each field and
// testing each shared condition at most once an event. Owner: one thread. Errors: none. Memory
// grows to the largest event seen and is reused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/detect/rule/program.h"

namespace picket::rule {

class Evaluation {
 public:
  explicit Evaluation(const Program& program);

  // Calls `on_match(index)` for every rule that matches, while its fields may be read.
  template <class OnMatch>
  void run(const Observation& observation, OnMatch&& on_match) {
    begin(observation);
    for (const Program::Entry& entry : program_.by_type[observation.event.type()]) {
      if (holds(entry.condition)) on_match(entry.rule);
    }
    observation_ = nullptr;
  }

  // During run(): the rule's output, and the fields it names, printed.
  std::string output(uint32_t rule);
  std::vector<std::pair<std::string, std::string>> fields(uint32_t rule);

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
  bool holds(NodeId node);
  bool decide(const Node& node);
  const FieldResult& read(uint32_t slot);
  std::string print(uint32_t slot);

  const Program& program_;
  const Observation* observation_ = nullptr;
  uint64_t event_ = 0;  // number of the current event
  std::vector<Slot> slots_;
  std::vector<Known> known_;
};

}  // namespace picket::rule
