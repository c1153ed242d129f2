#include "common/signed_waiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/alert_json.h"
#include "common/rule_signature.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kHead = "picket-waiver 1\n";
constexpr std::string_view kLabel = "label:";
constexpr size_t kMaxName = 100;
constexpr size_t kSecondsText = 19;  // of 2026-12-31T18:00:00.000000000Z

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

Json scope_object(const v1::Waiver& waiver) {
  Json scope = Json::object();
  for (const v1::Waiver::Selector& selector : waiver.scope()) {
    const std::string& key = selector.key();
    Json& place = key.starts_with(kLabel) ? scope["label"][key.substr(kLabel.size())] : scope[key];
    for (const std::string& value : selector.values()) place.push_back(value);
  }
  return scope;
}

}  // namespace

std::string waiver_signing_text(std::string_view waiver) {
  return fmt::format("{}{}", kHead, waiver);
}

absl::Status check_waiver(const v1::Waiver& waiver) {
  const auto invalid = [](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("read a waiver: {}", what));
  };
  if (!is_name(waiver.name()))
    return invalid(
        fmt::format("its name is letters, digits, dots, lines and underscores, at most "
                    "{} of them",
                    kMaxName));
  if (waiver.rules().empty()) return invalid("it names no rule");
  if (is_blank(waiver.owner())) return invalid("it names no owner");
  if (is_blank(waiver.reason())) return invalid("it gives no reason");
  if (waiver.expires().seconds() <= 0 || waiver.expires().nanos() != 0)
    return invalid("it has no end, in whole seconds");
  if (waiver.ByteSizeLong() > kMaxWaiverBytes)
    return invalid(fmt::format("it is longer than {} bytes", kMaxWaiverBytes));
  return absl::OkStatus();
}

// JSON is YAML, and quotes whatever is in a text.
std::string waiver_rule_text(const v1::Waiver& waiver) {
  Json item{{"waiver", waiver.name()},
            {"rules", Json::array()},
            {"owner", waiver.owner()},
            {"reason", waiver.reason()},
            {"expires", time_text(waiver.expires()).substr(0, kSecondsText) + "Z"}};
  for (const std::string& rule : waiver.rules()) item["rules"].push_back(rule);
  if (!waiver.scope().empty()) item["scope"] = scope_object(waiver);
  if (!waiver.condition().empty()) item["condition"] = waiver.condition();
  return Json::array({std::move(item)}).dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string waiver_set_id(const v1::WaiverSet& set) {
  if (set.waivers().empty()) return "";
  std::string ids;
  for (const v1::SignedWaiver& waiver : set.waivers())
    ids += sha256_hex(waiver.waiver()) + sha256_hex(waiver.signature());
  return sha256_hex(ids);
}

}  // namespace picket
