#include "agent/detect/rule/named_rules.h"

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/detect/rule/rule_file_names.h"

namespace picket {
namespace {

using Path = std::filesystem::path;

void add_rule_files(const Path& folder, std::map<Path, Path>& files) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder.empty() ? Path(".") : folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const Path file = folder / entry->path().filename();
    const bool hidden = file.filename().string().starts_with('.');
    std::error_code gone;
    if (!hidden && is_rule_file(file) && entry->is_regular_file(gone))
      files.emplace(file.lexically_normal(), file);
  }
}

// The files of `paths` and those beside them, in the order of their paths; of folders, nothing.
std::vector<Path> with_those_beside(std::span<const Path> paths) {
  std::map<Path, Path> files;  // as it is named, by its plain form
  std::error_code error;
  for (const Path& path : paths) {
    if (!std::filesystem::is_regular_file(path, error)) return {};
    files.emplace(path.lexically_normal(), path);
  }
  for (const Path& path : paths) {
    add_rule_files(path.parent_path(), files);
    add_rule_files(path.parent_path() / "lists", files);
  }
  std::vector<Path> all;
  for (const auto& [plain, file] : files) all.push_back(file);
  return all;
}

}  // namespace

absl::StatusOr<NamedRules> load_named_rules(std::span<const Path> paths, LoadReport& report) {
  const std::vector<Path> all = with_those_beside(paths);
  if (all.size() > paths.size()) {
    LoadReport of_all;
    if (auto loaded = load_rules(all, of_all); loaded.ok()) {
      const auto is_named = [&](const std::string& file) {
        return std::ranges::find(paths, Path(file)) != paths.end();
      };
      NamedRules named{*std::move(loaded), {}};
      for (const RuleInfo& rule : named.rules->rules())
        if (!is_named(rule.file)) named.beside.insert(rule.name);
      std::erase_if(of_all.notes, [&](const Diagnostic& note) { return !is_named(note.file); });
      report = std::move(of_all);
      return named;
    }
  }
  auto loaded = load_rules(paths, report);
  if (!loaded.ok()) return loaded.status();
  return NamedRules{*std::move(loaded), {}};
}

}  // namespace picket
