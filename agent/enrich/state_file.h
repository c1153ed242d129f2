// JSON that container runtimes leave on disk, and the search for the file that belongs to a cgroup.
// Identity thread. Errors: NotFound when there is no such file, else what was attempted.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/enrich/workspace.h"

namespace picket {

absl::StatusOr<nlohmann::json> read_json(const std::filesystem::path& file);

// Of an object's text values; others are left out.
std::map<std::string, std::string> texts_of(const nlohmann::json& object);
// "" when the value is missing or no text.
std::string text_at(const nlohmann::json& object, const std::string& pointer);

// True when `mounted` is `cgroup_path` seen through a mount of the cgroup file system: it ends with
// the whole path.
bool is_cgroup_path(std::string_view mounted, std::string_view cgroup_path);

using ReadContainer =
    std::function<absl::StatusOr<Workspace>(const std::filesystem::path& directory)>;

// The container of `cgroup_path` among the directories of `root`, one a container: first the one
// that bears its id, then all (a bounded number). `read` answers NotFound for a directory of
// another container.
absl::StatusOr<Workspace> find_container(const std::filesystem::path& root,
                                         std::string_view cgroup_path, const ReadContainer& read);

}  // namespace picket
