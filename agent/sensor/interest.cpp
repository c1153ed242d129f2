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
  if (absl::Status status = enter(interest.names); !status.ok()) {
    ask_for_all();
    return status;
  }
  for (const auto& [call, type] : kCalls) {
    const bool always = std::ranges::count(kBooked, call) + std::ranges::count(kAlwaysAsked, type);
    store<__u8>(unasked_.calls[call], !always && !interest.calls[call]);
  }
  store<__u32>(unasked_.opens, static_cast<__u32>((~interest.opens).to_ulong()));
  remove_stale(interest.names);
  return absl::OkStatus();
}

absl::Status InterestWriter::enter(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const uint64_t hash = hash_open_name(name);
    uint32_t bits = 0;
    (void)bpf_map_lookup_elem(names_, &hash, &bits);
    if (bits & PK_NAME_ASKED) continue;
    bits |= PK_NAME_ASKED;
    if (bpf_map_update_elem(names_, &hash, &bits, BPF_ANY) != 0) {
      return absl::ResourceExhaustedError(
          fmt::format("enter the file name {} of {} that rules ask for into the kernel: {}; every "
                      "open is told once a process",
                      name, names.size(), strerror(errno)));
    }
    entered_.push_back(name);
  }
  return absl::OkStatus();
}

void InterestWriter::remove_stale(const std::vector<std::string>& names) {
  std::erase_if(entered_, [&](const std::string& name) {
    // Another name may have the same first bytes, by which both are known.
    const uint64_t hash = hash_open_name(name);
    const auto is_same = [&](const std::string& other) { return hash_open_name(other) == hash; };
    if (std::ranges::any_of(names, is_same)) return false;
    uint32_t bits = 0;
    if (bpf_map_lookup_elem(names_, &hash, &bits) != 0) return true;
    bits &= ~PK_NAME_ASKED;
    if (bits == 0)
      (void)bpf_map_delete_elem(names_, &hash);
    else
      (void)bpf_map_update_elem(names_, &hash, &bits, BPF_EXIST);
    return true;
  });
}

void InterestWriter::ask_for_all() {
  for (__u8& call : unasked_.calls) store<__u8>(call, 0);
  store<__u32>(unasked_.opens, 0);
}

}  // namespace picket
