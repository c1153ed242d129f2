#include "agent/enrich/ownership.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace picket {
namespace {

std::string first_of(const Workspace& workspace, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const std::string* value = find_label(workspace, key);
    if (value != nullptr && !value->empty()) return *value;
  }
  return {};
}

std::array<const Labels*, 3> labels_of(const Workspace& workspace) {
  return {&workspace.labels, &workspace.pod.labels, &workspace.pod.annotations};
}

bool is_selected(const Workspace& workspace, std::string_view selector) {
  const size_t equals = selector.find('=');
  const std::string key(selector.substr(0, equals));
  return std::ranges::any_of(labels_of(workspace), [&](const Labels* labels) {
    const auto found = labels->find(key);
    if (found == labels->end()) return false;
    const std::string& value = found->second;
    if (equals != selector.npos) return value == selector.substr(equals + 1);
    return !value.empty() && value != "false" && value != "0";
  });
}

}  // namespace

const std::string* find_label(const Workspace& workspace, const std::string& key) {
  for (const Labels* labels : labels_of(workspace)) {
    const auto found = labels->find(key);
    if (found != labels->end()) return &found->second;
  }
  return nullptr;
}

void apply_ownership(Workspace& workspace, const OwnershipKeys& keys) {
  workspace.owner = first_of(workspace, keys.owner);
  workspace.template_name = first_of(workspace, keys.template_name);
  workspace.repository = first_of(workspace, keys.repository);
  workspace.pull_request = first_of(workspace, keys.pull_request);
  const bool restricted = std::ranges::any_of(keys.restricted, [&](const std::string& selector) {
    return is_selected(workspace, selector);
  });
  workspace.profile = restricted ? kRestricted : "";
}

}  // namespace picket
