#include "agent/sensor/lsm_hooks.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "agent/sensor/hooks.h"
#include "agent/sensor/probes.h"

namespace picket {
namespace {

constexpr std::string_view kPrefix = "lsm/";
constexpr size_t kArgumentBytes = 8;

// Returns what it was given.
std::array<bpf_insn, 2> give_back(size_t arguments) {
  const auto offset = static_cast<int16_t>(arguments * kArgumentBytes);
  return {bpf_insn{.code = BPF_LDX | BPF_MEM | BPF_DW,
                   .dst_reg = BPF_REG_0,
                   .src_reg = BPF_REG_1,
                   .off = offset,
                   .imm = 0},
          bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
}

// Empty: the kernel takes it.
std::string refusal(const KernelTypes::Function& function) {
  const auto program = give_back(function.arguments);
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC,
              .attach_btf_id = function.id);
  const FileDescriptor loaded(bpf_prog_load(BPF_PROG_TYPE_LSM, "picket_probe", "GPL",
                                            program.data(), program.size(), &options));
  return loaded.valid() ? std::string() : fmt::format("cannot load a program: {}", strerror(errno));
}

}  // namespace

LsmHooks LsmHooks::probe(const KernelTypes& types) {
  LsmHooks found;
  for (const Hook& hook : hooks()) {
    if (!is_lsm(hook)) continue;
    const auto function =
        types.function(fmt::format("bpf_lsm_{}", hook.hook.substr(kPrefix.size())));
    const std::string why = function            ? refusal(*function)
                            : types.are_known() ? "this kernel has no such hook"
                                                : "cannot read the kernel's types";
    if (why.empty())
      found.arguments_[std::string(hook.program)] = function->arguments;
    else
      found.refused_[std::string(hook.program)] = why;
  }
  return found;
}

LsmHooks LsmHooks::none() {
  LsmHooks found;
  for (const Hook& hook : hooks())
    if (is_lsm(hook)) found.refused_[std::string(hook.program)] = "the LSM tier is turned off";
  return found;
}

size_t LsmHooks::arguments(std::string_view program) const {
  const auto at = arguments_.find(program);
  return at == arguments_.end() ? 0 : at->second;
}

}  // namespace picket
