#include "collector/cli/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/printable.h"

namespace picket {
namespace {

int rank(const DoctorLine& line) {
  if (line.state == "failed") return 0;
  return line.state == "limited" ? 1 : 2;
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

absl::StatusOr<std::vector<DoctorLine>> parse_doctor(std::string_view report) {
  std::vector<DoctorLine> lines;
  std::istringstream in{std::string(report)};
  for (std::string text; std::getline(in, text);) {
    const auto object = nlohmann::json::parse(text, nullptr, false);
    DoctorLine line;
    if (object.is_object())
      line = {text_of(object, "check"), text_of(object, "state"), text_of(object, "words")};
    if (line.check.empty() || line.state.empty())
      return absl::InvalidArgumentError(
          fmt::format("picketd says what no check is: {}", printable(text)));
    lines.push_back(std::move(line));
  }
  if (lines.empty()) return absl::InvalidArgumentError("picketd says nothing");
  return lines;
}

std::string doctor_text(std::vector<DoctorLine> lines) {
  std::stable_sort(lines.begin(), lines.end(), [](const DoctorLine& one, const DoctorLine& other) {
    return rank(one) < rank(other);
  });
  std::string text;
  for (const DoctorLine& line : lines)
    text += fmt::format("{:<8} {:<14} {}\n", printable(line.state), printable(line.check),
                        printable(line.words));
  const auto failed = std::count_if(lines.begin(), lines.end(),
                                    [](const DoctorLine& line) { return rank(line) == 0; });
  const auto limited = std::count_if(lines.begin(), lines.end(),
                                     [](const DoctorLine& line) { return rank(line) == 1; });
  if (failed != 0) return text + fmt::format("{} of {} checks failed\n", failed, lines.size());
  return text +
         fmt::format("nothing failed, {} of {} checks name a limit\n", limited, lines.size());
}

}  // namespace picket
