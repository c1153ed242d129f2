// What evt.type calls an event: the system call that caused it, the schema's name, and the names
// that rules have always used for it.
#include "agent/detect/rule/event_names.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "agent/detect/rule/field.h"
#include "agent/detect/rule/nearest_name.h"
#include "agent/event/ignored_calls.h"

namespace picket::rule {
namespace {

struct CallRow {
  std::string_view name;
  pk_call call;
  pk_type type;
};
#define PK_CALL_ROW(name, native, compat, handler, type) {#name, PK_CALL_##name, type},
constexpr CallRow kCalls[] = {PK_CALLS(PK_CALL_ROW)};
#undef PK_CALL_ROW

// Beside the schema's name and the calls'.
std::string_view alias_of(pk_type type) {
  return type == PK_EXIT ? "procexit" : std::string_view();
}

// A unix socket connects, and sends to others, with the calls of all others; an exec that failed is
// told as a call.
bool is_failed_exec(const CallRow& row, pk_type type) {
  return type == PK_SYSTEM && row.type == PK_EXEC;
}

bool causes(const CallRow& row, pk_type type) {
  if (is_failed_exec(row, type)) return true;
  constexpr pk_call kShared[] = {PK_CALL_connect, PK_CALL_sendto, PK_CALL_sendmsg,
                                 PK_CALL_sendmmsg};
  return row.type == type || (type == PK_SOCKET && std::ranges::count(kShared, row.call) != 0);
}

struct Names {
  std::array<std::vector<std::string_view>, PK_CALL_END> by_call;
  std::vector<pk_call> calls{PK_CALL_NONE};
};

std::array<Names, PK_TYPE_END> all_names() {
  std::array<Names, PK_TYPE_END> all;
  for (const EventRow& event : event_rows()) {
    Names& names = all[event.type];
    std::vector<std::string_view> always{event.name};
    if (!alias_of(event.type).empty()) always.push_back(alias_of(event.type));
    std::vector<std::string_view>& any = names.by_call[PK_CALL_NONE];
    for (const CallRow& row : kCalls) {
      std::vector<std::string_view>& own = names.by_call[row.call];
      own = always;
      if (!causes(row, event.type)) continue;
      names.calls.push_back(row.call);
      if (!is_failed_exec(row, event.type)) any.push_back(row.name);
      if (std::ranges::count(always, row.name) == 0) own.insert(own.begin(), row.name);
    }
    for (const std::string_view name : always)
      if (std::ranges::count(any, name) == 0) any.push_back(name);
  }
  return all;
}

const Names& names_of(pk_type type) {
  static const std::array<Names, PK_TYPE_END> kAll = all_names();
  return kAll[type];
}

// Events that are no calls, and calls by names that only Falco gives them.
constexpr std::string_view kOfFalco[] = {
    "asyncevent",   "container",    "cpu_hotplug", "drop",        "groupadded",
    "groupdeleted", "infra",        "k8s",         "llseek",      "mesos",
    "NA",           "notification", "page_fault",  "pluginevent", "pread",
    "prlimit",      "procinfo",     "pwrite",      "scapevent",   "signaldeliver",
    "switch",       "syscall",      "tracer",      "useradded",   "userdeleted"};

}  // namespace

bool is_event_name(std::string_view name) {
  return std::ranges::any_of(event_rows(), [&](const EventRow& event) {
    return std::ranges::count(names_of(event.type).by_call[PK_CALL_NONE], name) > 0;
  });
}

std::string_view why_never_told(std::string_view name) {
  if (std::ranges::count(kOfFalco, name) > 0) return "is an event of Falco's own";
  return why_ignored(name);
}

std::string_view nearest_event_name(std::string_view name) {
  NearestName nearest(name);
  for (const EventRow& event : event_rows())
    for (const std::string_view one : names_of(event.type).by_call[PK_CALL_NONE])
      nearest.consider(one);
  return nearest.name();
}

std::span<const std::string_view> event_names(pk_type type, pk_call call) {
  return names_of(type).by_call[call];
}

std::span<const pk_call> calls_of(pk_type type) { return names_of(type).calls; }

}  // namespace picket::rule
