#include "agent/enrich/oci_spec.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "agent/enrich/state_file.h"

namespace picket {
namespace {

using nlohmann::json;

constexpr size_t kMountsMax = 1024;

const json* at(const json& object, const char* pointer) {
  const json::json_pointer where(pointer);
  return object.contains(where) ? &object.at(where) : nullptr;
}

std::set<std::string> words_of(const json* list) {
  std::set<std::string> words;
  if (list == nullptr || !list->is_array()) return words;
  for (const json& word : *list)
    if (word.is_string()) words.insert(word.get<std::string>());
  return words;
}

// Runtimes have no word for it once a container is configured: it has the capabilities that none
// but a privileged one is given, and no path is hidden from it.
void set_privileged(Workspace& workspace, const json* capabilities, const json* masked) {
  if (capabilities == nullptr) return;
  constexpr auto kAll = std::to_array<const char*>(
      {"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_BOOT", "CAP_SYS_TIME",
       "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_DAC_READ_SEARCH", "CAP_MAC_ADMIN"});
  const std::set<std::string> bounding = words_of(capabilities);
  const bool all =
      std::ranges::all_of(kAll, [&](const char* name) { return bounding.contains(name); });
  const bool hides = masked != nullptr && masked->is_array() && !masked->empty();
  workspace.privileged = all && !hides;
}

// Options are words; those of runc's state are numbers, and say only whether it can be written.
void add_mount(Workspace& workspace, const json& object) {
  if (!object.is_object() || workspace.mounts.size() >= kMountsMax) return;
  Mount mount;
  mount.source = text_at(object, "/source");
  mount.destination = text_at(object, "/destination");
  const std::set<std::string> options = words_of(at(object, "/options"));
  for (const std::string& option : options) mount.mode += (mount.mode.empty() ? "" : ",") + option;
  constexpr uint64_t kReadOnly = 1;  // MS_RDONLY
  const json* flags = at(object, "/flags");
  const bool read_only =
      flags != nullptr && flags->is_number_unsigned() && (flags->get<uint64_t>() & kReadOnly) != 0;
  mount.writable = !options.contains("ro") && !read_only;
  for (const char* word : {"private", "rprivate", "shared", "rshared", "slave", "rslave"})
    if (options.contains(word)) mount.propagation = word;
  workspace.mounts.push_back(std::move(mount));
}

void set_mounts(Workspace& workspace, const json* mounts) {
  if (mounts == nullptr || !mounts->is_array()) return;
  for (const json& mount : *mounts) add_mount(workspace, mount);
}

}  // namespace

void apply_oci_spec(Workspace& workspace, const json& config) {
  set_mounts(workspace, at(config, "/mounts"));
  set_privileged(workspace, at(config, "/process/capabilities/bounding"),
                 at(config, "/linux/maskedPaths"));
}

void apply_runc_state(Workspace& workspace, const json& state) {
  set_mounts(workspace, at(state, "/config/mounts"));
  set_privileged(workspace, at(state, "/config/capabilities/Bounding"),
                 at(state, "/config/mask_paths"));
}

}  // namespace picket
