#include "agent/sensor/observe_only.h"

#include <fmt/format.h>

#include <set>
#include <vector>

namespace picket {
namespace {

bool is_exit(const bpf_insn& insn) { return insn.code == (BPF_JMP | BPF_EXIT); }

bool is_jump(const bpf_insn& insn) {
  const auto kind = BPF_CLASS(insn.code);
  const auto op = BPF_OP(insn.code);
  return (kind == BPF_JMP || kind == BPF_JMP32) && op != BPF_CALL && op != BPF_EXIT;
}

bool always_jumps(const bpf_insn& insn) { return insn.code == (BPF_JMP | BPF_JA); }

bool is_wide(const bpf_insn& insn) { return insn.code == (BPF_LD | BPF_IMM | BPF_DW); }

bool returns_one(const bpf_insn& insn) {
  const auto kind = BPF_CLASS(insn.code);
  return (kind == BPF_ALU64 || kind == BPF_ALU) && BPF_OP(insn.code) == BPF_MOV &&
         BPF_SRC(insn.code) == BPF_K && insn.dst_reg == BPF_REG_0 && insn.imm == 1;
}

struct Reach {
  std::vector<bool> visited;
  std::set<size_t> jump_targets;
};

// What the main function can execute. Calls come back, so the functions called are not followed.
Reach reach(std::span<const bpf_insn> program) {
  Reach reach{.visited = std::vector<bool>(program.size(), false), .jump_targets = {}};
  std::vector<size_t> open = {0};
  while (!open.empty()) {
    const size_t at = open.back();
    open.pop_back();
    if (at >= program.size() || reach.visited[at]) continue;
    reach.visited[at] = true;
    const bpf_insn& insn = program[at];
    if (is_exit(insn)) continue;
    if (is_jump(insn)) {
      const auto target = static_cast<size_t>(static_cast<ptrdiff_t>(at) + 1 + insn.off);
      reach.jump_targets.insert(target);
      open.push_back(target);
      if (always_jumps(insn)) continue;
    }
    open.push_back(at + (is_wide(insn) ? 2 : 1));
  }
  return reach;
}

}  // namespace

absl::Status proves_observe_only(std::span<const bpf_insn> program) {
  const Reach reached = reach(program);
  size_t exits = 0;
  for (size_t i = 0; i < program.size(); ++i) {
    if (!reached.visited[i] || !is_exit(program[i])) continue;
    ++exits;
    if (i == 0 || !returns_one(program[i - 1]))
      return absl::FailedPreconditionError(
          fmt::format("instruction {}: the return value is not the constant 1", i));
    if (reached.jump_targets.contains(i))
      return absl::FailedPreconditionError(
          fmt::format("instruction {}: a jump reaches the exit past the return value", i));
  }
  if (exits == 0) return absl::FailedPreconditionError("the program has no exit");
  return absl::OkStatus();
}

absl::Status proves_given_return(std::span<const bpf_insn> program, size_t arguments) {
  constexpr size_t kLength = 4;
  if (program.size() < kLength) return absl::FailedPreconditionError("the program is too short");
  const bpf_insn &keep = program[0], &call = program[1], &load = program[2];
  const uint8_t kept = keep.dst_reg;
  if (keep.code != (BPF_ALU64 | BPF_MOV | BPF_X) || keep.src_reg != BPF_REG_1 || kept < BPF_REG_6 ||
      kept > BPF_REG_9)
    return absl::FailedPreconditionError("instruction 0: the context is not kept across calls");
  if (call.code != (BPF_JMP | BPF_CALL) || call.src_reg != BPF_PSEUDO_CALL)
    return absl::FailedPreconditionError("instruction 1: no call of the program's own function");
  if (load.code != (BPF_LDX | BPF_MEM | BPF_DW) || load.dst_reg != BPF_REG_0 ||
      load.src_reg != kept || load.off != static_cast<int16_t>(arguments * sizeof(uint64_t)))
    return absl::FailedPreconditionError(
        "instruction 2: the return value is not the one behind the arguments");
  if (!is_exit(program[3])) return absl::FailedPreconditionError("instruction 3: no exit");
  return absl::OkStatus();
}

}  // namespace picket
