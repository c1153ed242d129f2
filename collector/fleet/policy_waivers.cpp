#include "collector/fleet/policy_waivers.h"

#include <fmt/format.h>

#include <utility>

#include "common/alert_json.h"
#include "common/signed_waiver.h"

namespace picket {

std::shared_ptr<const v1::WaiverSet> waivers_of(const v1::FleetPolicy& policy) {
  const auto set = std::make_shared<v1::WaiverSet>();
  for (const v1::KeptWaiver& kept : policy.waivers()) *set->add_waivers() = kept.waiver();
  set->set_set_id(waiver_set_id(*set));
  return set;
}

absl::Status edit_waivers(const v1::ChangePolicyRequest& request, const std::string& actor,
                          uint64_t now_ns, v1::FleetPolicy& policy) {
  v1::Waiver added;
  const bool adds = request.has_add_waiver();
  if (adds) {
    const v1::SignedWaiver& sent = request.add_waiver();
    if (!added.ParseFromString(sent.waiver()))
      return absl::InvalidArgumentError("what was sent is no waiver");
    if (absl::Status status = check_waiver(added); !status.ok()) return status;
    if (wall_ns(added.expires()) <= now_ns)
      return absl::InvalidArgumentError(fmt::format("waiver {} has ended already", added.name()));
  }
  const std::string& name = adds ? added.name() : request.remove_waiver();
  v1::FleetPolicy others = policy;
  others.clear_waivers();
  bool known = false;
  for (const v1::KeptWaiver& kept : policy.waivers()) {
    v1::Waiver waiver;
    if (!waiver.ParseFromString(kept.waiver().waiver())) continue;
    const bool is_named = waiver.name() == name;
    known |= is_named;
    // Those that have ended go, too: agents know their end themselves.
    if (!is_named && wall_ns(waiver.expires()) > now_ns) *others.add_waivers() = kept;
  }
  if (!adds && !known) return absl::NotFoundError(fmt::format("no waiver \"{}\"", name));
  if (adds) {
    if (others.waivers_size() >= static_cast<int>(kMaxWaivers))
      return absl::ResourceExhaustedError(fmt::format("there are {} waivers already", kMaxWaivers));
    v1::KeptWaiver& kept = *others.add_waivers();
    *kept.mutable_waiver() = request.add_waiver();
    kept.set_added_by(actor);
    set_wall_ns(*kept.mutable_added(), now_ns);
  }
  policy = std::move(others);
  return absl::OkStatus();
}

}  // namespace picket
