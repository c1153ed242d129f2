#include "collector/cli/duration.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <optional>
#include <string_view>

#include "common/alert_json.h"
#include "common/clock.h"

namespace picket {
namespace {

std::optional<uint64_t> parse_duration_ns(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  const uint64_t seconds = unit == "s"   ? 1
                           : unit == "m" ? 60
                           : unit == "h" ? 3600
                           : unit == "d" ? 86400
                                         : 0;
  constexpr uint64_t kLongest = 100ULL * 365 * 86400;
  if (error != std::errc() || seconds == 0 || number > kLongest / seconds) return std::nullopt;
  return number * seconds * 1'000'000'000U;
}

std::string check_duration(const std::string& text) {
  return parse_duration_ns(text) ? "" : "expected a number and s, m, h or d, as in 10m";
}

}  // namespace

CLI::Option* add_since(CLI::App& command, std::string& since, const std::string& help) {
  return command.add_option("--since", since, help)
      ->check(CLI::Validator(check_duration, "DURATION"));
}

bool set_since(const std::string& since, google::protobuf::Timestamp& time) {
  const auto duration = parse_duration_ns(since);
  if (!duration) return false;
  const uint64_t now = SystemClock().wall_ns();
  set_wall_ns(time, now > *duration ? now - *duration : 0);
  return true;
}

}  // namespace picket
