#include "agent/enrich/state_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/enrich/cgroup_name.h"
#include "agent/enrich/small_file.h"

namespace picket {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxStateBytes = 4 << 20;
constexpr size_t kMaxDirectories = 4096;

}  // namespace

absl::StatusOr<nlohmann::json> read_json(const fs::path& file) {
  absl::StatusOr<std::string> text = read_small_file(file.string(), kMaxStateBytes);
  if (!text.ok()) return text.status();
  nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object())
    return absl::DataLossError(fmt::format("cannot read {}: not a JSON object", file.string()));
  return json;
}

std::map<std::string, std::string> texts_of(const nlohmann::json& object) {
  std::map<std::string, std::string> texts;
  if (!object.is_object()) return texts;
  for (const auto& [key, value] : object.items()) {
    if (const auto* text = value.get_ptr<const std::string*>()) texts.emplace(key, *text);
  }
  return texts;
}

std::string text_at(const nlohmann::json& object, const std::string& pointer) {
  const nlohmann::json::json_pointer at(pointer);
  if (!object.contains(at)) return {};
  const auto* text = object[at].get_ptr<const std::string*>();
  return text ? *text : std::string();
}

bool is_cgroup_path(std::string_view mounted, std::string_view cgroup_path) {
  if (cgroup_path.size() <= 1 || !cgroup_path.starts_with('/') || !mounted.ends_with(cgroup_path))
    return false;
  // "/sys/fs/cgroup/unified" is a mount point; a longer rest is another cgroup that ends alike.
  const std::string_view mount = mounted.substr(0, mounted.size() - cgroup_path.size());
  return std::ranges::count(mount, '/') <= 4;
}

absl::StatusOr<Workspace> find_container(const fs::path& root, std::string_view cgroup_path,
                                         const ReadContainer& read) {
  const std::string id = workspace_id(cgroup_path);
  if (!id.empty() && id != "." && id != "..") {
    absl::StatusOr<Workspace> named = read(root / id);
    if (!absl::IsNotFound(named.status())) return named;
  }
  std::error_code error;
  size_t seen = 0;
  for (fs::directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    if (++seen > kMaxDirectories) break;
    absl::StatusOr<Workspace> found = read(entry->path());
    if (found.ok()) return found;
  }
  return absl::NotFoundError(
      fmt::format("no container of cgroup {} in {}", cgroup_path, root.string()));
}

}  // namespace picket
