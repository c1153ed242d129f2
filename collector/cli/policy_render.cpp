#include "collector/cli/policy_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "collector/cli/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

template <class Map>
Json labels_object(const Map& labels) {
  Json object = Json::object();
  for (const auto& [key, value] : std::map<std::string, std::string>(labels.begin(), labels.end()))
    object[key] = value;
  return object;
}

// Which nodes shall have it, in words.
std::string selection(const v1::Rollout& rollout) {
  std::string text = fmt::format("{} % of the nodes", rollout.percent());
  for (const auto& [key, value] :
       std::map<std::string, std::string>(rollout.labels().begin(), rollout.labels().end()))
    text += fmt::format(" {}={}", printable(key), printable(value));
  if (rollout.shadow()) text += ", on trial";
  if (!rollout.halted().empty()) text += ", HALTED";
  return text;
}

std::string role_of(const v1::RuleBundleInfo& version, const v1::FleetPolicy& policy) {
  if (version.bundle_id() == policy.rollout().bundle_id()) return selection(policy.rollout());
  return version.bundle_id() == policy.bundle_id() ? "every other node" : "";
}

int64_t nodes_with(const v1::RuleBundleInfo& version, const v1::GetPolicyResponse& policy) {
  return std::ranges::count_if(policy.nodes(), [&](const v1::PolicyNode& node) {
    return node.node().rules().bundle_id() == version.bundle_id();
  });
}

uint64_t serial_of(const std::string& bundle_id, const v1::GetPolicyResponse& policy) {
  for (const v1::RuleBundleInfo& version : policy.versions())
    if (version.bundle_id() == bundle_id) return version.serial();
  return 0;
}

v1::Waiver waiver_of(const v1::KeptWaiver& kept) {
  v1::Waiver waiver;
  (void)waiver.ParseFromString(kept.waiver().waiver());
  return waiver;
}

std::string waivers_words(const v1::NodeRules& rules, const v1::GetPolicyResponse& policy) {
  if (!rules.waivers_error().empty()) return "refused";
  return rules.waivers_id() == policy.waivers_id() ? "in force" : "waiting";
}

}  // namespace

std::string_view rules_state(const v1::PolicyNode& node, const v1::FleetPolicy& policy) {
  const v1::NodeRules& rules = node.node().rules();
  const std::string& refused = rules.refused_id();
  if (!refused.empty() && (refused == policy.rollout().bundle_id() || refused == node.bundle_id()))
    return "refused";
  if (node.bundle_id().empty()) return "own rules";
  if (rules.bundle_id() != node.bundle_id() || rules.shadow() != node.shadow()) return "waiting";
  return node.shadow() ? "on trial" : "in force";
}

Json published_object(const v1::PublishPolicyResponse& response) {
  return Json{{"bundle", response.bundle().bundle_id()},
              {"serial", response.bundle().serial()},
              {"size", response.bundle().size()},
              {"files", response.bundle().files()},
              {"audit", response.audit_id()}};
}

Json changed_object(const v1::ChangePolicyResponse& response) {
  return Json{{"bundle", response.bundle().bundle_id()},
              {"serial", response.bundle().serial()},
              {"nodes", response.nodes()},
              {"audit", response.audit_id()}};
}

Json version_object(const v1::RuleBundleInfo& version, const v1::GetPolicyResponse& policy) {
  const v1::Rollout& rollout = policy.policy().rollout();
  const bool rolls = version.bundle_id() == rollout.bundle_id();
  return Json{{"bundle", version.bundle_id()},
              {"serial", version.serial()},
              {"files", version.files()},
              {"size", version.size()},
              {"published", time_text(version.pushed())},
              {"published_by", version.pushed_by()},
              {"reason", version.reason()},
              {"fallback", version.bundle_id() == policy.policy().bundle_id()},
              {"percent", rolls ? rollout.percent() : 0},
              {"labels", rolls ? labels_object(rollout.labels()) : Json::object()},
              {"shadow", rolls && rollout.shadow()},
              {"halted", rolls ? rollout.halted() : ""},
              {"nodes", nodes_with(version, policy)}};
}

Json policy_node_object(const v1::PolicyNode& row, const v1::GetPolicyResponse& policy) {
  const v1::Node& node = row.node();
  const v1::NodeRules& rules = node.rules();
  return Json{{"node", node.node()},
              {"connected", node.connected()},
              {"state", rules_state(row, policy.policy())},
              {"bundle", rules.bundle_id()},
              {"serial", rules.serial()},
              {"shadow", rules.shadow()},
              {"refused", rules.refused_id()},
              {"error", rules.error()},
              {"since", node.has_rules() ? time_text(rules.since()) : ""},
              {"current_bundle", row.bundle_id()},
              {"current_serial", serial_of(row.bundle_id(), policy)},
              {"labels", labels_object(node.labels())},
              {"waivers", rules.waivers()},
              {"waivers_state", waivers_words(rules, policy)},
              {"waivers_error", rules.waivers_error()}};
}

Json waiver_object(const v1::KeptWaiver& kept, uint64_t now_ns) {
  const v1::Waiver waiver = waiver_of(kept);
  Json scope = Json::object();
  for (const v1::Waiver::Selector& selector : waiver.scope())
    for (const std::string& value : selector.values()) scope[selector.key()].push_back(value);
  return Json{{"waiver", waiver.name()},
              {"rules", std::vector<std::string>(waiver.rules().begin(), waiver.rules().end())},
              {"owner", waiver.owner()},
              {"reason", waiver.reason()},
              {"expires", time_text(waiver.expires())},
              {"ended", wall_ns(waiver.expires()) <= now_ns},
              {"scope", std::move(scope)},
              {"condition", waiver.condition()},
              {"added", time_text(kept.added())},
              {"added_by", kept.added_by()}};
}

std::string version_text(const v1::RuleBundleInfo& version, const v1::GetPolicyResponse& policy) {
  const std::string role = role_of(version, policy.policy());
  return fmt::format(
      "serial {}  bundle {}  {} files, {} bytes, in force on {} nodes{}\n  "
      "published {} by {}: {}\n",
      version.serial(), short_id(version.bundle_id()), version.files(), version.size(),
      nodes_with(version, policy), role.empty() ? "" : "; for " + role,
      short_time(version.pushed()), printable(version.pushed_by()), printable(version.reason()));
}

std::string rollout_text(const v1::GetPolicyResponse& policy) {
  const v1::FleetPolicy& kept = policy.policy();
  const v1::Rollout& rollout = kept.rollout();
  std::string text;
  if (!rollout.bundle_id().empty()) {
    text += fmt::format("rollout of serial {} ({}): {}\n  begun {} by {}: {}\n",
                        serial_of(rollout.bundle_id(), policy), short_id(rollout.bundle_id()),
                        selection(rollout), short_time(rollout.started()),
                        printable(rollout.started_by()), printable(rollout.reason()));
    if (!rollout.halted().empty())
      text += fmt::format("  halted: {}\n", printable(rollout.halted()));
  }
  if (!kept.bundle_id().empty())
    text += fmt::format("every other node: serial {} ({})\n", serial_of(kept.bundle_id(), policy),
                        short_id(kept.bundle_id()));
  return text.empty() ? "nothing was rolled out: each node has its own rules\n" : text;
}

std::string policy_node_text(const v1::PolicyNode& row, const v1::GetPolicyResponse& policy) {
  const v1::Node& node = row.node();
  const v1::NodeRules& rules = node.rules();
  std::string text =
      fmt::format("{}  {}{}\n", printable(node.node()), rules_state(row, policy.policy()),
                  node.connected() ? "" : "  NOT CONNECTED");
  if (node.has_rules()) text += fmt::format("  {}\n", rules_words(rules));
  if (!rules.error().empty()) text += fmt::format("  {}\n", printable(rules.error()));
  if (waivers_words(rules, policy) == "waiting") text += "  waivers are on their way\n";
  if (!rules.waivers_error().empty())
    text += fmt::format("  waivers: {}\n", printable(rules.waivers_error()));
  return text;
}

std::string waiver_text(const v1::KeptWaiver& kept, uint64_t now_ns) {
  const v1::Waiver waiver = waiver_of(kept);
  std::string rules, where;
  for (const std::string& rule : waiver.rules()) rules += " " + printable(rule);
  for (const v1::Waiver::Selector& selector : waiver.scope())
    for (const std::string& value : selector.values())
      where += fmt::format(" {}={}", printable(selector.key()), printable(value));
  if (!waiver.condition().empty()) where += fmt::format(" where {}", printable(waiver.condition()));
  const bool ended = wall_ns(waiver.expires()) <= now_ns;
  return fmt::format("{}  {} {}\n  withholds{}{}\n  for {}: {}\n  added {} by {}\n",
                     printable(waiver.name()), ended ? "ENDED" : "until",
                     short_time(waiver.expires()), rules, where, printable(waiver.owner()),
                     printable(waiver.reason()), short_time(kept.added()),
                     printable(kept.added_by()));
}

}  // namespace picket
