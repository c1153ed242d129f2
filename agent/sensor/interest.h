// What the loaded rules can match, so that the kernel does not tell the rest (docs/decisions/0011),
// and the one who writes it into the kernel. Owner of the writer: BpfSensor, pipeline thread.
// Errors: where the kernel takes no more names everything is asked for, and the status says so.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bpf/picket/calls.h"
#include "bpf/picket/policy.h"

namespace picket {

struct Interest {
  std::bitset<PK_CALL_END> calls = std::bitset<PK_CALL_END>().set();
  std::bitset<PK_OPENS_KINDS> opens = std::bitset<PK_OPENS_KINDS>().set();  // by PK_OPENS_OF
  std::vector<std::string> names = {};  // last components of paths that rules ask for, each once
  // Names that make an open interesting, with PK_NAME_* bits.
  std::map<std::string, uint32_t> marks = {};
};

class InterestWriter {
 public:
  // `names`: the kernel's map of them; both outlive the writer.
  InterestWriter(pk_unasked& unasked, int names) : unasked_(unasked), names_(names) {}

  // What is newly asked for is told from here on; whoever narrows asks with the new rules from here
  // on too.
  absl::Status set(const Interest& interest);

 private:
  using Bits = std::map<std::string, uint32_t>;  // by name
  absl::Status enter(const Bits& wanted);
  void remove_stale(const Bits& wanted);
  void ask_for_all();

  pk_unasked& unasked_;
  const int names_;
  Bits entered_;  // what was not there before
};

}  // namespace picket
