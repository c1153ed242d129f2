#include "agent/sensor/interest.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "agent/sensor/open_names.h"

namespace picket {
namespace {

// The handler of these also keeps the kernel's own books (whose a flow is), or the agent does
// (whose a namespace is).
constexpr pk_call kBooked[] = {PK_CALL_accept, PK_CALL_accept4, PK_CALL_unshare, PK_CALL_setns};
// Descriptors belong to what is known of a process; of opens the baseline wants each once.
constexpr pk_type kAlwaysAsked[] = {PK_STDIO, PK_OPEN, PK_HOLDS};

struct CallType {
  pk_call call;
  pk_type type;
};
#define PK_CALL_TYPE(name, native, compat, handler, type) {PK_CALL_##name, type},
constexpr CallType kCalls[] = {PK_CALLS(PK_CALL_TYPE)};
#undef PK_CALL_TYPE

template <class T>
void store(T& variable, T value) {
  std::atomic_ref<T>(variable).store(value, std::memory_order_relaxed);
}

}  // namespace

absl::Status InterestWriter::set(const Interest& interest) {
  store<__u32>(unasked_.generation, unasked_.generation + 1);
  Bits wanted = interest.marks;
  for (const std::string& name : interest.names) wanted[name] |= PK_NAME_ASKED;
  if (absl::Status status = enter(wanted); !status.ok()) {
    ask_for_all();
    return status;
  }
  for (const auto& [call, type] : kCalls) {
    const bool always = std::ranges::count(kBooked, call) + std::ranges::count(kAlwaysAsked, type);
    store<__u8>(unasked_.calls[call], !always && !interest.calls[call]);
  }
  store<__u32>(unasked_.opens, static_cast<__u32>((~interest.opens).to_ulong()));
  remove_stale(wanted);
  return absl::OkStatus();
}

absl::Status InterestWriter::enter(const Bits& wanted) {
  for (const auto& [name, bits] : wanted) {
    const uint64_t hash = hash_open_name(name);
    uint32_t known = 0;
    (void)bpf_map_lookup_elem(names_, &hash, &known);
    const uint32_t fresh = bits & ~known;
    if (fresh == 0) continue;
    known |= fresh;
    if (bpf_map_update_elem(names_, &hash, &known, BPF_ANY) != 0) {
      return absl::ResourceExhaustedError(
          fmt::format("enter the file name {} of {} that rules ask for into the kernel: {}; every "
                      "open is told once a process",
                      name, wanted.size(), strerror(errno)));
    }
    entered_[name] |= fresh;
  }
  return absl::OkStatus();
}

void InterestWriter::remove_stale(const Bits& wanted) {
  // Names of the same first bytes are one to the kernel.
  std::map<uint64_t, uint32_t> kept;
  for (const auto& [name, bits] : wanted) kept[hash_open_name(name)] |= bits;
  for (auto& [name, entered] : entered_) {
    const uint64_t hash = hash_open_name(name);
    const uint32_t stale = entered & ~kept[hash];
    entered &= ~stale;
    uint32_t bits = 0;
    if (stale == 0 || bpf_map_lookup_elem(names_, &hash, &bits) != 0) continue;
    bits &= ~stale;
    if (bits == 0)
      (void)bpf_map_delete_elem(names_, &hash);
    else
      (void)bpf_map_update_elem(names_, &hash, &bits, BPF_EXIST);
  }
  std::erase_if(entered_, [](const auto& entry) { return entry.second == 0; });
}

void InterestWriter::ask_for_all() {
  for (__u8& call : unasked_.calls) store<__u8>(call, 0);
  store<__u32>(unasked_.opens, 0);
}

}  // namespace picket
