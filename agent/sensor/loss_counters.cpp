#include "agent/sensor/loss_counters.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace picket {

absl::Status LossCounters::prepare(uint64_t now_ns) {
  last_read_ns_ = quiet_ns_ = now_ns;
  for (uint32_t type = PK_NONE; type < PK_TYPE_END; ++type) {
    const pk_loss_key key{.workspace = 0, .type = type, .zero = 0};
    const pk_loss none{};
    if (bpf_map_update_elem(losses_, &key, &none, BPF_NOEXIST) && errno != EEXIST)
      return absl::InternalError(fmt::format("cannot make a loss counter: {}", strerror(errno)));
  }
  return absl::OkStatus();
}

// A workspace that is gone keeps no counter: the table is bounded and the next one needs the place.
void LossCounters::forget(const pk_loss_key& key) {
  pk_cgroup_scope scope{};
  if (key.workspace == 0 || bpf_map_lookup_elem(cgroups_, &key.workspace, &scope) == 0) return;
  bpf_map_delete_elem(losses_, &key);
  told_.erase({key.workspace, key.type});
}

std::vector<Loss> LossCounters::read(uint64_t (*now_ns)()) {
  const uint64_t begun_ns = now_ns();
  // The kernel counts first and then says so; here it is the other way round.
  if (std::atomic_ref<__u32>(shared_.lost).exchange(0) == 0) {
    last_read_ns_ = std::exchange(quiet_ns_, begun_ns);  // what is just being said came before
    return {};
  }
  std::vector<pk_loss_key> keys;
  pk_loss_key next{};
  while (keys.size() < PK_LOSSES_MAX &&
         bpf_map_get_next_key(losses_, keys.empty() ? nullptr : &keys.back(), &next) == 0)
    keys.push_back(next);

  std::vector<Loss> losses;
  for (const pk_loss_key& key : keys) {
    pk_loss loss{};
    if (bpf_map_lookup_elem(losses_, &key, &loss)) continue;
    uint64_t& told = told_[{key.workspace, key.type}];
    if (loss.count == told) {
      forget(key);
      continue;
    }
    losses.push_back({.type = static_cast<pk_type>(key.type),
                      .workspace = key.workspace,
                      .count = loss.count - told,
                      .from_ns = last_read_ns_,
                      .to_ns = 0});
    told = loss.count;
  }
  // What comes while the counters are read is told by this reading or by the next.
  const uint64_t ended_ns = now_ns();
  for (Loss& loss : losses) loss.to_ns = ended_ns;
  last_read_ns_ = quiet_ns_ = begun_ns;
  return losses;
}

}  // namespace picket
