#include "agent/sensor/system_calls.h"

#include <bpf/btf.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "agent/event/ignored_calls.h"
#include "agent/event/schema.h"
#include "agent/sensor/hooks.h"
#include "bpf/picket/calls.h"

namespace picket {
namespace {

constexpr std::string_view kPrefix = "__x64_sys_";

struct CallEvent {
  std::string_view call;
  pk_handler handler;
  pk_type type;
};
#define PK_CALL_EVENT(name, native, compat, handler, type) {#name, handler, type},
constexpr CallEvent kWatched[] = {PK_CALLS(PK_CALL_EVENT)};
#undef PK_CALL_EVENT

// Functions that are called otherwise than the call.
constexpr auto kAliases = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"llseek", "_llseek"},
    {"mmap_pgoff", "mmap2"},
    {"newfstat", "fstat"},
    {"newlstat", "lstat"},
    {"newstat", "stat"},
    {"newuname", "uname"},
    {"old_getrlimit", "getrlimit"},
    {"old_readdir", "readdir"},
    {"oldumount", "umount"},
    {"umount", "umount2"},
});

// Functions of calls that have no number in either interface of this architecture.
constexpr auto kNoCalls = std::to_array<std::string_view>(
    {"gethostname", "ni_syscall", "recv", "send", "sync_file_range2"});

// What a function is called by beside its call's name: "ia32_" of the 32-bit interface with its
// split arguments, "16" of short ids, "32" and "_time32" of short times.
constexpr auto kSuffixes = std::to_array<std::string_view>({"_time32", "16", "32"});

// By its own event, or by the one that coverage knows its handler by: a handler may tell other
// events beside it.
std::string_view watched_as(std::string_view call) {
  const auto found = std::ranges::find(kWatched, call, &CallEvent::call);
  if (found == std::end(kWatched)) return {};
  const std::string_view own = event_row(found->type)->name;
  if (std::ranges::count(hooks(), own, &Hook::event) != 0) return own;
  for (const Hook& hook : hooks())
    if (found->handler != PK_OWN_HOOK && hook.handler == found->handler) return hook.event;
  return own;
}
bool is_known(std::string_view call) {
  return !watched_as(call).empty() || !why_ignored(call).empty();
}

void read_symbols(const Machine& machine, std::set<std::string>& functions,
                  std::set<std::string>& weak) {
  std::ifstream symbols(machine.proc / "kallsyms");
  for (std::string line; std::getline(symbols, line);) {
    const size_t type = line.find(' '), name = line.find(kPrefix);
    if (type == line.npos || name != type + 3) continue;
    const std::string_view function = std::string_view(line).substr(name + kPrefix.size());
    if (function.find_first_of(".\t ") != function.npos) continue;  // a part of one, or a module's
    (line[type + 1] == 'W' ? weak : functions).emplace(function);
  }
}

void read_types(const Machine& machine, std::set<std::string>& functions) {
  const std::string file = machine.sys / "kernel/btf/vmlinux";
  const std::unique_ptr<btf, decltype(&btf__free)> types(btf__parse(file.c_str(), nullptr),
                                                         btf__free);
  if (!types) return;
  for (__u32 id = 1; id < btf__type_cnt(types.get()); ++id) {
    const btf_type* type = btf__type_by_id(types.get(), id);
    if (!btf_is_func(type)) continue;
    const std::string_view name = btf__name_by_offset(types.get(), type->name_off);
    if (name.starts_with(kPrefix)) functions.emplace(name.substr(kPrefix.size()));
  }
}

}  // namespace

std::vector<std::string> system_call_functions(const Machine& machine) {
  std::set<std::string> functions, weak;
  read_types(machine, functions);
  read_symbols(machine, functions, weak);
  for (const std::string& stub : weak) functions.erase(stub);
  return {functions.begin(), functions.end()};
}

std::string_view call_name(std::string_view function) {
  if (std::ranges::count(kNoCalls, function) != 0) return {};
  const auto alias =
      std::ranges::find(kAliases, function, &std::pair<std::string_view, std::string_view>::first);
  if (alias != kAliases.end()) return alias->second;
  if (function.starts_with("ia32_")) function.remove_prefix(5);
  if (is_known(function)) return function;
  for (const std::string_view suffix : kSuffixes) {
    if (!function.ends_with(suffix)) continue;
    const std::string_view plain = function.substr(0, function.size() - suffix.size());
    if (is_known(plain)) return plain;
  }
  return function;
}

std::vector<SystemCall> system_calls(std::span<const std::string> functions,
                                     std::span<const CoverageLine> lines) {
  std::map<std::string_view, SystemCall> calls;
  for (const std::string& function : functions) {
    const std::string_view name = call_name(function);
    if (name.empty() || calls.contains(name)) continue;
    SystemCall& call = calls[name];
    call.name = name;
    const std::string_view event = watched_as(name);
    if (event.empty()) {
      call.detail = why_ignored(name);
      call.state = call.detail.empty() ? SystemCall::State::unknown : SystemCall::State::ignored;
      if (call.detail.empty()) call.detail = "newer than this build of Picket";
      continue;
    }
    call.detail = event;
    const bool told = std::ranges::any_of(lines, [&](const CoverageLine& line) {
      return line.event == call.detail && line.state == CoverageLine::State::attached;
    });
    call.state = told ? SystemCall::State::watched : SystemCall::State::unseen;
  }
  std::vector<SystemCall> rows;
  for (auto& [name, call] : calls) rows.push_back(std::move(call));
  return rows;
}

}  // namespace picket
