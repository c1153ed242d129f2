// The waivers of the fleet's policy. Pure functions, any thread. Errors: as Status, in words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "picket/v1/operator.pb.h"

namespace picket {

// As every node shall have them.
std::shared_ptr<const v1::WaiverSet> waivers_of(const v1::FleetPolicy& policy);

// Adds the one of `request`, in place of one of its name, or removes the one that it names; those
// that have ended go, too.
absl::Status edit_waivers(const v1::ChangePolicyRequest& request, const std::string& actor,
                          uint64_t now_ns, v1::FleetPolicy& policy);

}  // namespace picket
