// user.*, group.* by name, and what the runtime gave the container: container.privileged,
// container.mount.* and workspace.posture. As rules expect of these, a name that nobody knows is
// "<NA>" and a mount that is not there is "N/A": values, so that `!=` holds for them.
#include <algorithm>
#include <array>
#include <charconv>

#include "agent/detect/rule/field.h"
#include "agent/detect/rule/text_match.h"
#include "agent/enrich/posture.h"

namespace picket::rule {
namespace {

constexpr std::string_view kNoName = "<NA>", kNoMount = "N/A";

const Workspace& workspace(const FieldRequest& request) { return request.observation.workspace; }

void add_name(const Names& names, uint32_t id, FieldResult& result) {
  const auto found = names.find(id);
  if (found != names.end()) return result.add(std::string_view(found->second));
  result.add(id == 0 ? std::string_view("root") : kNoName);
}

template <auto Member>
void read_user(const FieldRequest& request, FieldResult& result) {
  add_name(workspace(request).users, request.observation.process.*Member, result);
}
void read_group(const FieldRequest& request, FieldResult& result) {
  add_name(workspace(request).groups, request.observation.process.gid, result);
}

void read_privileged(const FieldRequest& request, FieldResult& result) {
  const std::optional<bool> privileged = workspace(request).privileged;
  if (privileged.has_value()) result.add(*privileged);
}

void append_mount(const Mount& mount, std::string& text) {
  text += mount.source + ':' + mount.destination + ':' + mount.mode + ':' +
          (mount.writable ? "true:" : "false:") + mount.propagation;
}

void read_mounts(const FieldRequest& request, FieldResult& result) {
  for (const Mount& mount : workspace(request).mounts) {
    if (!result.text.empty()) result.text += ',';
    append_mount(mount, result.text);
  }
  result.add_present(result.text);
}

// The key is a number, or a path that may be a pattern.
template <std::string Mount::*Path>
const Mount* find_mount(const FieldRequest& request) {
  const std::vector<Mount>& mounts = workspace(request).mounts;
  const std::string& key = request.reference.key;
  size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (error == std::errc() && end == key.data() + key.size()) {
    return index < mounts.size() ? &mounts[index] : nullptr;
  }
  const auto found = std::ranges::find_if(
      mounts, [&](const Mount& mount) { return glob_match(key, mount.*Path); });
  return found != mounts.end() ? &*found : nullptr;
}

template <std::string Mount::*By, std::string Mount::*Part>
void read_part(const FieldRequest& request, FieldResult& result) {
  const Mount* mount = find_mount<By>(request);
  result.add(mount != nullptr ? std::string_view(mount->*Part) : kNoMount);
}
void read_mount(const FieldRequest& request, FieldResult& result) {
  const Mount* mount = find_mount<&Mount::source>(request);
  if (mount == nullptr) return result.add(kNoMount);
  append_mount(*mount, result.text);
  result.add(std::string_view(result.text));
}
void read_writable(const FieldRequest& request, FieldResult& result) {
  const Mount* mount = find_mount<&Mount::source>(request);
  if (mount == nullptr) return result.add(kNoMount);
  result.add(std::string_view(mount->writable ? "true" : "false"));
}

void read_posture(const FieldRequest& request, FieldResult& result) {
  for_each_weakness(workspace(request), [&](std::string_view word) { result.add(word); });
}
template <auto List>
void read_list(const FieldRequest& request, FieldResult& result) {
  if (!workspace(request).posture) return;
  for (const std::string& one : (*workspace(request).posture).*List)
    result.add(std::string_view(one));
}

constexpr Field by_key(Field field) {
  field.argument = Argument::key;
  return field;
}

}  // namespace

std::span<const Field> owner_fields() {
  using enum FieldType;
  constexpr auto kSource = &Mount::source;
  static const auto kFields = std::to_array<Field>({
      {"user.name", text, "Name of the effective user in the container; <NA>: it has none",
       read_user<&Process::uid>},
      {"user.loginname", text, "Name of the session's user", read_user<&Process::loginuid>},
      {"group.name", text, "Name of the effective group", read_group},
      {"container.privileged", boolean, "It has every capability, and nothing is hidden from it",
       read_privileged},
      {"workspace.posture", text,
       "How little it is set apart from the node: privileged host_pid host_network host_mount "
       "root_user no_seccomp added_capabilities",
       read_posture, Values::list},
      {"workspace.host_mounts", text, "What of the node is mounted, runtimes' own folders aside",
       read_list<&Posture::host_mounts>, Values::list},
      {"workspace.added_capabilities", text,
       "Capabilities that it may use beyond what runtimes grant by default",
       read_list<&Posture::added_capabilities>, Values::list},
      {"container.mounts", text,
       "What is mounted: SOURCE:DESTINATION:MODE:WRITABLE:PROPAGATION,...", read_mounts},
      by_key({"container.mount", text, "The mount of source KEY, or number KEY; N/A: none",
              read_mount}),
      by_key({"container.mount.source", text, "Source of the mount at destination KEY",
              read_part<&Mount::destination, kSource>}),
      by_key({"container.mount.dest", text, "Destination of the mount of source KEY",
              read_part<kSource, &Mount::destination>}),
      by_key({"container.mount.mode", text, "Options of the mount of source KEY",
              read_part<kSource, &Mount::mode>}),
      by_key({"container.mount.rdwr", text, "true: the mount of source KEY can be written",
              read_writable}),
      by_key({"container.mount.propagation", text, "Propagation of the mount of source KEY",
              read_part<kSource, &Mount::propagation>}),
  });
  return kFields;
}

}  // namespace picket::rule
