// What `picketd --doctor` found, for people. Pure functions. Errors: InvalidArgument for a line
// that is not one of its.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace picket {

struct DoctorLine {
  std::string check, state, words;  // state: "ok", "limited", "failed"
};

absl::StatusOr<std::vector<DoctorLine>> parse_doctor(std::string_view report);

// What does not work first, then what works less than it could, then the rest, and a last line that
// counts.
std::string doctor_text(std::vector<DoctorLine> lines);

}  // namespace picket
