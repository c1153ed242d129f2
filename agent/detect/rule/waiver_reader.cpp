#include "agent/detect/rule/waiver_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <utility>

namespace picket::rule {
namespace {

constexpr std::string_view kDate = "0000-00-00", kTime = "0000-00-00T00:00:00Z";

// Whether the text has digits where the form has zeros, and is the form otherwise.
bool has_form(std::string_view text, std::string_view form) {
  if (text.size() != form.size()) return false;
  for (size_t i = 0; i < form.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == '0' ? !digit : text[i] != form[i]) return false;
  }
  return true;
}

unsigned number(std::string_view text, size_t at, size_t digits) {
  unsigned value = 0;
  std::from_chars(text.data() + at, text.data() + at + digits, value);
  return value;
}

}  // namespace

std::optional<uint64_t> parse_end_ns(std::string_view text) {
  using namespace std::chrono;
  const bool whole_day = has_form(text, kDate);
  if (!whole_day && !has_form(text, kTime)) return std::nullopt;
  const year_month_day day{year(static_cast<int>(number(text, 0, 4))), month(number(text, 5, 2)),
                           std::chrono::day(number(text, 8, 2))};
  if (!day.ok() || day.year() < year(1970) || day.year() > year(2200)) return std::nullopt;
  seconds time = sys_days(day).time_since_epoch();
  if (whole_day) {
    time += days(1);
  } else {
    const unsigned hour = number(text, 11, 2), minute = number(text, 14, 2),
                   second = number(text, 17, 2);
    if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
    time += hours(hour) + minutes(minute) + seconds(second);
  }
  return static_cast<uint64_t>(nanoseconds(time).count());
}

std::optional<WaiverDefinition> read_waiver(YamlItem& item, LoadReport& report) {
  const size_t errors = report.errors.size();
  item.allow({"waiver", "rules", "owner", "reason", "expires", "scope", "condition"});
  WaiverDefinition waiver;
  SourceText text;
  if (item.read_name("waiver", waiver.name)) waiver.info.name = waiver.name.value;
  if (item.read_name("owner", text)) waiver.info.owner = text.value;
  if (item.read_name("reason", text)) waiver.info.reason = text.value;
  item.read_items("rules", [&](SourceText rule, bool) { waiver.rules.push_back(std::move(rule)); });
  if (item.has("rules") && waiver.rules.empty() && report.errors.size() == errors)
    item.fail(item.value("rules").Mark(), "an empty list waives nothing");
  if (item.read("expires", text, YamlItem::kRequired)) {
    const auto end_ns = parse_end_ns(text.value);
    if (!end_ns) {
      item.fail(text, fmt::format("'{}' is no time; 2026-12-31 or 2026-12-31T18:00:00Z expected",
                                  text.value));
    }
    waiver.info.expires = text.value;
    waiver.info.end_wall_ns = end_ns.value_or(0);
  }
  item.read("condition", waiver.condition);
  waiver.scope = read_scope(item, report);
  waiver.info.file = item.file()->name;
  waiver.info.line = waiver.name.start.line;
  if (report.errors.size() != errors) return std::nullopt;
  return waiver;
}

}  // namespace picket::rule
