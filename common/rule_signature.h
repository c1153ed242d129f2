// How the text of a rules.sig begins, and what a signed set of rules is called after it. Signing
// and verifying is the work of agent/detect/bundle; who has no key may read this much. Pure
// functions, any thread. Errors: as Status.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace picket {

// The first two lines: the form, and the serial that orders signed sets.
std::string rule_signature_head(uint64_t serial);
// InvalidArgument: the text does not begin like that.
absl::StatusOr<uint64_t> rule_signature_serial(std::string_view signature);

// SHA-256 in hexadecimal digits.
std::string sha256_hex(std::string_view text);
// The same for the same files, serial and key.
inline std::string rule_bundle_id(std::string_view signature) { return sha256_hex(signature); }

}  // namespace picket
