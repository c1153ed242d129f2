// proc.* and thread.* that follow from what is known of the process, its ancestors and the time:
// its session and group, its age, the size of its command line.
#include <algorithm>
#include <array>

#include "agent/detect/rule/field.h"

namespace picket::rule {
namespace {

constexpr size_t kAncestorsMax = 64;

const Process& self(const FieldRequest& request) { return request.observation.process; }

// The leader of the session or group, while it is the process or one of its ancestors.
template <auto Member>
const Process* leader(const FieldRequest& request) {
  const uint32_t pid = self(request).*Member;
  const Process* at = &self(request);
  for (size_t i = 0; pid != 0 && at != nullptr && i < kAncestorsMax; ++i, at = at->parent) {
    if (at->key.pid == pid) return at;
  }
  return nullptr;
}

std::string_view name_of(const Process& process) { return process.comm; }
std::string_view exe_path_of(const Process& process) { return process.exe; }
std::string_view exe_of(const Process& process) {
  std::string_view rest = process.argv;
  return NulList::take(rest);
}

template <auto Member, std::string_view (*Text)(const Process&)>
void read_leader(const FieldRequest& request, FieldResult& result) {
  if (const Process* process = leader<Member>(request)) result.add_present(Text(*process));
}

template <auto Member>
void read_is_leader(const FieldRequest& request, FieldResult& result) {
  result.add(self(request).*Member == self(request).key.pid);
}

void add_age(const FieldRequest& request, const ProcessKey& key, FieldResult& result) {
  const uint64_t now = request.observation.event.header().time_ns;
  if (key.start_ns != 0 && key.start_ns <= now) {
    result.add(static_cast<int64_t>(now - key.start_ns));
  }
}
void read_duration(const FieldRequest& request, FieldResult& result) {
  add_age(request, self(request).key, result);
}
void read_parent_duration(const FieldRequest& request, FieldResult& result) {
  add_age(request, self(request).parent_key, result);
}

void read_parent_vpid(const FieldRequest& request, FieldResult& result) {
  if (const Process* parent = self(request).parent) {
    result.add(static_cast<int64_t>(parent->vpid));
  }
}

void read_exe_line(const FieldRequest& request, FieldResult& result) {
  std::string_view rest = self(request).argv;
  while (!rest.empty()) {
    if (!result.text.empty()) result.text += ' ';
    result.text += NulList::take(rest);
  }
  result.add_present(result.text);
}

void read_argument_count(const FieldRequest& request, FieldResult& result) {
  std::string_view rest = self(request).argv;
  if (rest.empty()) return;
  NulList::take(rest);
  int64_t count = 0;
  for (; !rest.empty(); ++count) NulList::take(rest);
  result.add(count);
}
void read_arguments_length(const FieldRequest& request, FieldResult& result) {
  std::string_view rest = self(request).argv;
  if (rest.empty()) return;
  NulList::take(rest);
  int64_t length = 0;
  while (!rest.empty()) length += static_cast<int64_t>(NulList::take(rest).size());
  result.add(length);
}

void read_lower_layer(const FieldRequest& request, FieldResult& result) {
  result.add(self(request).layer == PK_LAYER_IMAGE);
}

void read_exe_ctime(const FieldRequest& request, FieldResult& result) {
  const auto* exec = request.observation.event.as<pk_exec>();
  if (exec != nullptr) result.add(static_cast<int64_t>(exec->exe_ctime_ns));
}

void read_is_main(const FieldRequest& request, FieldResult& result) {
  const pk_header& header = request.observation.event.header();
  result.add(header.tid == header.pid);
}

}  // namespace

std::span<const Field> session_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      {"proc.duration", number, "Nanoseconds since the process was started", read_duration},
      {"proc.ppid.duration", number, "The same of the parent", read_parent_duration},
      {"proc.pvpid", number, "Process id of the parent in its own pid namespace", read_parent_vpid},
      {"proc.sname", text, "Name of the session's leader, if it is an ancestor",
       read_leader<&Process::session, name_of>},
      {"proc.sid.exe", text, "First argument of the session's leader",
       read_leader<&Process::session, exe_of>},
      {"proc.sid.exepath", text, "Path of the executable of the session's leader",
       read_leader<&Process::session, exe_path_of>},
      {"proc.pgid.name", text, "Name of the group's leader, if it is an ancestor",
       read_leader<&Process::group, name_of>},
      {"proc.pgid.exe", text, "First argument of the group's leader",
       read_leader<&Process::group, exe_of>},
      {"proc.pgid.exepath", text, "Path of the executable of the group's leader",
       read_leader<&Process::group, exe_path_of>},
      {"proc.is_sid_leader", boolean, "It leads its session", read_is_leader<&Process::session>},
      {"proc.is_pgid_leader", boolean, "It leads its group", read_is_leader<&Process::group>},
      {"proc.is_vpgid_leader", boolean, "It leads its group", read_is_leader<&Process::group>},
      {"proc.exeline", text, "All arguments, the first one too, joined by blanks", read_exe_line},
      {"proc.cmdnargs", number, "Number of arguments behind the first", read_argument_count},
      {"proc.cmdlenargs", number, "Bytes of the arguments behind the first, without the blanks",
       read_arguments_length},
      decided_by(Trait::layer, {"proc.is_exe_lower_layer", boolean, "The program is the image's",
                                read_lower_layer}),
      {"proc.exe_ino.ctime", number,
       "Last change of the executable's inode, nanoseconds since the epoch; at an exec",
       read_exe_ctime, Values::one, Argument::none, mask_of(PK_EXEC) | mask_of(PK_FOUND)},
      {"thread.ismain", boolean, "It is the process's first thread", read_is_main},
  });
  return kFields;
}

}  // namespace picket::rule
