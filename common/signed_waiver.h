// Waivers that an operator signs and the collector hands on: what they may hold, what is signed,
// and how they read as a rule file. Pure functions, any thread. Errors: InvalidArgument, in words.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "picket/v1/rules.pb.h"

namespace picket {

constexpr size_t kMaxWaivers = 256;       // of a set, so that it is one message
constexpr size_t kMaxWaiverBytes = 4096;  // of one, serialized

// Of a serialized waiver: the text that is signed. It cannot be taken for another kind of text that
// the same key signs.
std::string waiver_signing_text(std::string_view waiver);

// That it says who, why, of which rules and until when, and is not too long. Whether its scope and
// condition mean something is the rule compiler's to say.
absl::Status check_waiver(const v1::Waiver& waiver);

// A rule file with this waiver.
std::string waiver_rule_text(const v1::Waiver& waiver);

// The same for the same waivers; of none: empty.
std::string waiver_set_id(const v1::WaiverSet& set);

}  // namespace picket
