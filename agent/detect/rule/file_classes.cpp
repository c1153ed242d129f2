#include "agent/detect/rule/file_classes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/detect/rule/text_match.h"
#include "agent/enrich/command_line.h"
#include "bpf/picket/policy.h"

namespace picket::rule {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(FileKind::kEnd)> kKinds{
    "secret", "decoy", "startup"};

bool is_plain(std::string_view text) {
  return !text.empty() && text.find_first_of("*?[\\") == text.npos;
}

bool any_matches(const std::vector<std::string>& globs, std::string_view text) {
  return std::ranges::any_of(globs,
                             [&](const std::string& glob) { return glob_match(glob, text); });
}

// Nobody of the workspace wrote it, or a package manager did.
bool is_unaltered(const Process& process) {
  const bool given = process.layer == PK_LAYER_IMAGE || process.layer == PK_LAYER_MOUNT;
  if (process.source == nullptr) return given;
  if (process.source->origin != FileOrigin::installed) return false;
  return given || !process.runs_script;
}

// Such tools bring themselves: they may have been fetched, put in from outside, or made below a
// package manager (the pip of a virtual environment), but not made or copied otherwise.
bool is_as_brought(const Process& process) {
  const FileSource* source = process.source.get();
  if (source == nullptr) return true;
  const Origin by = source->driver.origin;
  if (by == Origin::platform || by == Origin::package_manager) return true;
  return source->origin == FileOrigin::installed || source->origin == FileOrigin::fetched;
}

uint32_t name_bit(FileKind kind, bool directory) {
  if (kind == FileKind::startup) return directory ? PK_NAME_PERSISTENCE_DIR : PK_NAME_PERSISTENCE;
  return directory ? PK_NAME_SECRET_DIR : PK_NAME_SECRET;
}

}  // namespace

std::string_view to_string(FileKind kind) { return kKinds[static_cast<size_t>(kind)]; }

bool FileClass::is_tool(const Process& process) const {
  if (std::ranges::count(tools, process.tool) != 0 && is_as_brought(process)) return true;
  if (!is_unaltered(process)) return false;
  if (any_matches(programs, process.exe)) return true;
  return !scripts.empty() && any_matches(scripts, script_path(process));
}

std::optional<PlainComponent> plain_component(std::string_view pattern) {
  const size_t slash = pattern.rfind('/');
  if (slash == pattern.npos) return std::nullopt;
  const std::string_view last = pattern.substr(slash + 1);
  if (is_plain(last)) return PlainComponent{last, false};
  const std::string_view directory = last_component(pattern.substr(0, slash));
  if (is_plain(directory)) return PlainComponent{directory, true};
  return std::nullopt;
}

FileClasses::FileClasses(std::vector<FileClass> classes) : classes_(std::move(classes)) {
  std::stable_partition(classes_.begin(), classes_.end(),
                        [](const FileClass& one) { return one.kind == FileKind::decoy; });
  for (const FileClass& one : classes_) {
    for (const std::string& path : one.paths) add(one, path);
    for (const std::string& socket : one.sockets) sockets_.push_back({socket, &one});
  }
}

void FileClasses::add(const FileClass& file_class, const std::string& path) {
  const auto plain = plain_component(path);
  if (!plain) return;
  (plain->directory ? by_directory_ : by_name_)[plain->name].push_back({path, &file_class});
  names_[std::string(plain->name)] |= name_bit(file_class.kind, plain->directory);
}

const FileClass* FileClasses::find(const Patterns& patterns, std::string_view key,
                                   std::string_view path) {
  const auto found = patterns.find(key);
  if (found == patterns.end()) return nullptr;
  for (const Pattern& pattern : found->second)
    if (glob_match(pattern.glob, path) && !any_matches(pattern.file_class->except, path))
      return pattern.file_class;
  return nullptr;
}

const FileClass* FileClasses::of_file(std::string_view path) const {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return nullptr;
  if (const FileClass* known = find(by_name_, path.substr(slash + 1), path)) return known;
  return find(by_directory_, last_component(path.substr(0, slash)), path);
}

const FileClass* FileClasses::of_socket(std::string_view path) const {
  for (const Pattern& pattern : sockets_)
    if (glob_match(pattern.glob, path)) return pattern.file_class;
  return nullptr;
}

}  // namespace picket::rule
