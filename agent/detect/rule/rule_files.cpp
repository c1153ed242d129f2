#include "agent/detect/rule/rule_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "agent/detect/rule/load_limits.h"
#include "agent/detect/rule/rule_file_names.h"

namespace picket {
namespace {

using Path = std::filesystem::path;

// Where Kubernetes keeps the files of a mounted ConfigMap, whose names are links into it.
bool is_hidden(const Path& path) { return path.filename().string().starts_with('.'); }

// In the order of their paths.
std::vector<Path> files_below(const Path& folder, std::error_code& error) {
  std::vector<Path> files;
  std::filesystem::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    std::error_code gone;
    if (is_hidden(entry->path()))
      entry.disable_recursion_pending();
    else if (is_rule_file(entry->path()) && !entry->is_directory(gone))
      files.push_back(entry->path());
  }
  std::ranges::sort(files);
  return files;
}

void read_file(const Path& path, std::vector<RuleFile>& files, LoadReport& report) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);  // an error of what is no file
  if (error) {
    report.errors.push_back(
        {path.string(), 0, 0, fmt::format("cannot be read: {}", error.message())});
    return;
  }
  if (size > rule::kFileBytes) {
    report.errors.push_back(
        {path.string(), 0, 0, fmt::format("larger than {} MiB", rule::kFileBytes >> 20)});
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad() || !file.is_open()) {
    report.errors.push_back({path.string(), 0, 0, "cannot be read"});
    return;
  }
  files.push_back({path.string(), std::move(text)});
}

}  // namespace

std::vector<RuleFile> read_rule_files(std::span<const Path> paths, LoadReport& report) {
  std::vector<RuleFile> files;
  for (const Path& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      read_file(path, files, report);
      continue;
    }
    const std::vector<Path> found = files_below(path, error);
    for (const Path& file : found) read_file(file, files, report);
    if (error) {
      report.errors.push_back(
          {path.string(), 0, 0, fmt::format("cannot be read: {}", error.message())});
    } else if (found.empty()) {
      report.errors.push_back({path.string(), 0, 0, "holds no rule file (NAME.yaml or NAME.yml)"});
    }
  }
  return files;
}

}  // namespace picket
