#include "agent/detect/rule/agent_files_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace picket::rule {
namespace {

constexpr std::string_view kOutput =
    "Files outside of the policy: %evt.type of %fd.class %fs.target.class (%fd.name %fs.path.name) "
    "by %proc.cmdline of %lineage.agent (session %lineage.agent_session; program %proc.exepath, "
    "parent %proc.pcmdline, user %user.uid) in %workspace.name of %workspace.owner";

// Its own tools may: git signs in for an agent, too.
constexpr std::string_view kReads =
    "(evt.type = file_open and evt.is_open_read = true and not fd.type = directory"
    " and fd.class.kind in (secret, decoy) and fd.class.tool = false{})";

// An agent's settings are not its own to change.
constexpr std::string_view kEdits =
    "(evt.type in (file_open, rename, renameat, renameat2, link, linkat, symlink, symlinkat)"
    " and evt.failed = false and not fd.type = directory and fs.target.class.kind = startup"
    " and (fs.target.class.tool = false or (fs.target.class = agent_settings"
    " and proc.tool = ai_agent)){})";

// Devices, pipes and the process's own /proc are no places.
constexpr std::string_view kWrites =
    "(evt.type = file_open and evt.is_open_write = true and evt.failed = false"
    " and event.kind = file and not fd.name startswith /proc/ and not fd.name pmatch ({0}))"
    " or (evt.type in (rename, renameat, renameat2, link, linkat, symlink, symlinkat)"
    " and evt.failed = false and not fs.target.name pmatch ({0}))"
    " or (evt.type in (fchmod, fchown) and evt.failed = false and not fd.name pmatch ({0}))"
    " or (evt.type in (rename, renameat, renameat2, unlink, unlinkat, rmdir, mkdir, mkdirat, chmod,"
    " fchmodat, fchmodat2, chown, lchown, fchownat, truncate)"
    " and evt.failed = false and not fs.path.name pmatch ({0}))";

using Values = std::vector<std::string>;

bool is_class_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool read_classes(YamlItem& item, std::string_view key, Values& classes) {
  bool valid = true;
  const bool read = item.read_items(
      key,
      [&](SourceText text, bool) {
        if (!is_class_name(text.value))
          valid = item.fail(text, fmt::format("'{}' is no name of a class of files", text.value));
        classes.push_back(fmt::format("\"{}\"", text.value));
      },
      YamlItem::kOptional);
  return valid && read;
}

bool read_directories(YamlItem& item, Values& directories) {
  bool valid = true;
  const bool read = item.read_items(
      "write",
      [&](SourceText text, bool) {
        if (!text.value.starts_with('/') || text.value.find('"') != std::string::npos)
          valid = item.fail(text, fmt::format("'{}' is no whole path of a directory", text.value));
        directories.push_back(fmt::format("\"{}\"", text.value));
      },
      YamlItem::kOptional);
  return valid && read;
}

std::string but_not(std::string_view field, const Values& allowed) {
  if (allowed.empty()) return {};
  return fmt::format(" and not {} in ({})", field, fmt::join(allowed, ", "));
}

}  // namespace

bool read_agent_files(YamlItem& item, RuleDefinition& rule) {
  Values directories, credentials, startup;
  bool valid = read_directories(item, directories);
  valid &= read_classes(item, "credentials", credentials);
  valid &= read_classes(item, "startup", startup);
  if (!valid) return false;
  Values told{fmt::format(kReads, but_not("fd.class", credentials)),
              fmt::format(kEdits, but_not("fs.target.class", startup))};
  if (!directories.empty()) told.push_back(fmt::format(kWrites, fmt::join(directories, ", ")));
  rule.condition = rule.output = rule.name;
  rule.condition.value = fmt::format("lineage.agent exists and ({})", fmt::join(told, " or "));
  rule.output.value = kOutput;
  return true;
}

}  // namespace picket::rule
