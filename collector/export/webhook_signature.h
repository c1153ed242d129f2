// Signatures of requests, after the Standard Webhooks specification: HMAC-SHA256 over id, time and
// body, so that a receiver knows who sent it and when. Pure functions, any thread. Errors: a secret
// that is no Base64.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace picket {

// The value of the header webhook-signature: "v1,..." `secret`: Base64, with "whsec_" before it or
// not. `time_s`: since 1970.
absl::StatusOr<std::string> webhook_signature(const std::string& secret, const std::string& id,
                                              uint64_t time_s, const std::string& body);

}  // namespace picket
