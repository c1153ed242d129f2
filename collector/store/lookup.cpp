#include "collector/store/lookup.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace picket {

std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

absl::Status ambiguous(std::string_view what, const std::string& asked, const std::string& first,
                       const std::string& second) {
  return absl::InvalidArgumentError(
      fmt::format("{} \"{}\" is ambiguous: {} and {} begin with it", what, asked, first, second));
}

void keep_named(const std::string& asked, std::vector<v1::NodeWorkspace>& found) {
  const auto is_named = [&](const v1::NodeWorkspace& one) {
    const v1::Workspace& workspace = one.status().workspace();
    return workspace.id() == asked || workspace.name() == asked;
  };
  if (std::any_of(found.begin(), found.end(), is_named))
    std::erase_if(found, std::not_fn(is_named));
}

absl::Status keep_session(const std::string& asked, std::vector<v1::NodeAgentSession>& found) {
  const auto is_exact = [&](const v1::NodeAgentSession& one) {
    return one.session().id() == asked;
  };
  if (std::any_of(found.begin(), found.end(), is_exact))
    std::erase_if(found, std::not_fn(is_exact));
  for (const v1::NodeAgentSession& one : found)
    if (one.session().id() != found.front().session().id())
      return ambiguous("session", asked, found.front().session().id(), one.session().id());
  return absl::OkStatus();
}

}  // namespace picket
