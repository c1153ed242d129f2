// proc.*, thread.* and lineage.*: the process that caused the event, and its ancestors.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/detect/rule/field.h"

namespace picket::rule {
namespace {

constexpr size_t kAncestorsMax = 64;
constexpr size_t kCmdlineMax = 4096;

const Process& self(const FieldRequest& request) { return request.observation.process; }

const Process* ancestor(const Process& process, size_t distance) {
  const Process* at = &process;
  for (; at != nullptr && distance > 0; --distance) at = at->parent;
  return at;
}

// argv[0] as the program was told, which is not the executable's path.
std::string_view argv0(const Process& process) {
  std::string_view rest = process.argv;
  return NulList::take(rest);
}

// The arguments behind argv[0], blanks between them and what stands in the text from `start`.
void append_arguments(const Process& process, size_t start, std::string& text) {
  std::string_view rest = process.argv;
  NulList::take(rest);
  while (!rest.empty()) {
    if (text.size() > start) text += ' ';
    text += NulList::take(rest);
  }
}

// Falco's command line: the kernel's name of the process, then its arguments. False: not told.
bool append_cmdline(const Process& process, std::string& text) {
  if (process.comm.empty()) return false;
  const size_t start = text.size();
  text += process.comm;
  append_arguments(process, start, text);
  if (text.size() - start > kCmdlineMax) text.resize(start + kCmdlineMax);
  return true;
}

bool append_args(const Process& process, std::string& text) {
  if (process.argv.empty()) return false;
  append_arguments(process, text.size(), text);
  return true;
}

// A text that is put together from what is known of a process.
using AppendText = bool (*)(const Process&, std::string&);

template <AppendText Append>
void add_built(const Process* process, FieldResult& result) {
  if (process != nullptr && Append(*process, result.text))
    result.add(std::string_view(result.text));
}

// A text of the process, its parent, or an ancestor by index; without index of every ancestor.
using ProcessText = std::string_view (*)(const Process&);

template <ProcessText Text>
void read_self(const FieldRequest& request, FieldResult& result) {
  result.add_present(Text(self(request)));
}

template <ProcessText Text>
void read_parent(const FieldRequest& request, FieldResult& result) {
  if (const Process* parent = self(request).parent) result.add_present(Text(*parent));
}

// `visit` takes the ancestor that the field names by its number, or each of them.
template <class Visit>
void for_each_ancestor(const FieldRequest& request, Visit visit) {
  if (request.reference.has_argument) {
    const Process* one = ancestor(self(request), request.reference.index);
    if (one != nullptr) visit(*one);
    return;
  }
  const Process* at = self(request).parent;
  for (size_t i = 0; at != nullptr && i < kAncestorsMax; ++i, at = at->parent) visit(*at);
}

template <ProcessText Text>
void read_ancestors(const FieldRequest& request, FieldResult& result) {
  for_each_ancestor(request, [&](const Process& one) { result.add_present(Text(one)); });
}

// The texts lie one behind the other, each with a NUL at its end, and are told when all are there:
// a text that grows moves.
template <AppendText Append>
void read_built_of_ancestors(const FieldRequest& request, FieldResult& result) {
  for_each_ancestor(request, [&](const Process& one) {
    if (Append(one, result.text)) result.text += '\0';
  });
  std::string_view rest = result.text;
  while (!rest.empty()) result.add(NulList::take(rest));
}

std::string_view name_of(const Process& process) { return process.comm; }
std::string_view exe_of(const Process& process) { return process.exe; }
std::string_view cwd_of(const Process& process) { return process.cwd; }
std::string_view filename_of(const Process& process) { return process.filename; }
std::string_view interp_of(const Process& process) { return process.interp; }

template <auto Member>
void read_number(const FieldRequest& request, FieldResult& result) {
  result.add(static_cast<int64_t>(self(request).*Member));
}

constexpr auto kCapabilities = std::to_array<std::string_view>({
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
});

template <auto Member>
void read_capabilities(const FieldRequest& request, FieldResult& result) {
  const uint64_t set = self(request).*Member;
  for (size_t i = 0; i < kCapabilities.size(); ++i) {
    if ((set >> i & 1) == 0) continue;
    if (!result.text.empty()) result.text += ' ';
    result.text += kCapabilities[i];
  }
  result.add(std::string_view(result.text));
}

std::string_view layer_word(size_t i) {
  return i < PK_LAYER_END ? layer_name(static_cast<uint8_t>(i)) : std::string_view();
}

void read_exe(const FieldRequest& request, FieldResult& result) {
  result.add_present(argv0(self(request)));
}
void read_parent_exe(const FieldRequest& request, FieldResult& result) {
  if (const Process* parent = self(request).parent) result.add_present(argv0(*parent));
}
template <AppendText Append>
void read_built(const FieldRequest& request, FieldResult& result) {
  add_built<Append>(&self(request), result);
}
void read_parent_cmdline(const FieldRequest& request, FieldResult& result) {
  add_built<append_cmdline>(self(request).parent, result);
}
void read_pid(const FieldRequest& request, FieldResult& result) {
  result.add(static_cast<int64_t>(self(request).key.pid));
}
void read_parent_pid(const FieldRequest& request, FieldResult& result) {
  result.add(static_cast<int64_t>(self(request).parent_key.pid));
}
void read_ancestor_pids(const FieldRequest& request, FieldResult& result) {
  for_each_ancestor(request,
                    [&](const Process& one) { result.add(static_cast<int64_t>(one.key.pid)); });
}
void read_tty(const FieldRequest& request, FieldResult& result) {
  const Process& process = self(request);
  result.add(process.has_tty ? static_cast<int64_t>(process.tty_nr) : int64_t{0});
}
void read_from_memfd(const FieldRequest& request, FieldResult& result) {
  result.add(self(request).layer == PK_LAYER_MEMFD);
}
void read_upper_layer(const FieldRequest& request, FieldResult& result) {
  result.add(self(request).layer == PK_LAYER_UPPER);
}
void read_layer(const FieldRequest& request, FieldResult& result) {
  result.add(layer_name(self(request).layer));
}
void read_is_loader(const FieldRequest& request, FieldResult& result) {
  result.add(self(request).is_loader);
}
void read_exec_in(const FieldRequest& request, FieldResult& result) {
  result.add(self(request).exec_in);
}
void read_gained_root(const FieldRequest& request, FieldResult& result) {
  result.add(self(request).gained_root);
}
void read_origin(const FieldRequest& request, FieldResult& result) {
  result.add(to_string(self(request).driver.origin));
}
void read_agent(const FieldRequest& request, FieldResult& result) {
  result.add_present(self(request).driver.agent);
}
void read_agent_session(const FieldRequest& request, FieldResult& result) {
  const Driver& driver = self(request).driver;
  if (driver.agent.empty()) return;
  result.text = fmt::format("{}-{}", driver.agent_session.pid, driver.agent_session.start_ns);
  result.add(std::string_view(result.text));
}
std::string_view origin_word(size_t i) {
  return i < PK_DRIVER_END ? to_string(static_cast<Origin>(i)) : std::string_view();
}
void read_is_init(const FieldRequest& request, FieldResult& result) {
  const Process& process = self(request);
  const uint32_t init = request.observation.workspace.init_pid;
  result.add(process.vpid == 1 || (init != 0 && process.key.pid == init));
}
void read_tid(const FieldRequest& request, FieldResult& result) {
  result.add(static_cast<int64_t>(request.observation.event.header().tid));
}

}  // namespace

std::span<const Field> process_fields() {
  using enum FieldType;
  static constexpr auto kIndexed = Argument::index_or_none;
  static const auto kFields = std::to_array<Field>({
      {"proc.name", text, "The kernel's name of the process, at most 15 bytes", read_self<name_of>},
      {"proc.exepath", text, "Path of the executable as the process sees it", read_self<exe_of>},
      {"proc.exe", text, "First argument, as the program was told its name", read_exe},
      {"proc.cmdline", text, "Name and arguments, at most 4096 bytes", read_built<append_cmdline>},
      {"proc.args", text, "Arguments behind the first, joined by blanks", read_built<append_args>},
      {"proc.cwd", text, "Working directory at the last exec", read_self<cwd_of>},
      {"proc.pid", number, "Process id in the initial pid namespace", read_pid},
      {"proc.vpid", number, "Process id in its own pid namespace", read_number<&Process::vpid>},
      {"proc.ppid", number, "Process id of the parent", read_parent_pid},
      {"proc.sid", number, "Session leader's process id", read_number<&Process::session>},
      {"proc.pgid", number, "Process group", read_number<&Process::group>},
      {"proc.tty", number, "Device number of the controlling terminal; 0: none", read_tty},
      {"proc.pname", text, "Name of the parent", read_parent<name_of>},
      {"proc.pexepath", text, "Path of the parent's executable", read_parent<exe_of>},
      {"proc.pexe", text, "First argument of the parent", read_parent_exe},
      {"proc.pcmdline", text, "Name and arguments of the parent", read_parent_cmdline},
      {"proc.aname", text, "Name of the ancestor N (0: the process itself); without N any ancestor",
       read_ancestors<name_of>, Values::any, kIndexed},
      {"proc.aexepath", text, "Path of the executable of the ancestor N; without N of any ancestor",
       read_ancestors<exe_of>, Values::any, kIndexed},
      {"proc.aexe", text, "First argument of the ancestor N; without N of any ancestor",
       read_ancestors<argv0>, Values::any, kIndexed},
      {"proc.acmdline", text, "Name and arguments of the ancestor N; without N of any ancestor",
       read_built_of_ancestors<append_cmdline>, Values::any, kIndexed},
      {"proc.aargs", text, "Arguments of the ancestor N behind the first; without N of any",
       read_built_of_ancestors<append_args>, Values::any, kIndexed},
      {"proc.apid", number, "Process id of the ancestor N; without N of any ancestor",
       read_ancestor_pids, Values::any, kIndexed},
      decided_by(Trait::layer, {"proc.is_exe_from_memfd", boolean,
                                "The program exists in memory only", read_from_memfd}),
      decided_by(Trait::layer,
                 {"proc.is_exe_upper_layer", boolean,
                  "The program was written after the container started", read_upper_layer}),
      {"proc.exe_ino", number, "Inode number of the executable", read_number<&Process::exe_inode>},
      decided_by(Trait::layer,
                 {"proc.layer", text,
                  "Where the program's bytes come from: image upper memfd deleted mount",
                  read_layer, Values::one, Argument::none, kAllEvents, layer_word}),
      {"proc.is_loader", boolean,
       "Its program is a dynamic loader, which runs what it is given: by its name, in the writable "
       "layer by its content too",
       read_is_loader},
      {"proc.filename", text, "Path as it was passed to exec", read_self<filename_of>},
      {"proc.interp", text, "Interpreter that runs a script", read_self<interp_of>},
      decided_by(Trait::exec_in,
                 {"proc.exec_in", boolean, "The process was put into the workspace from outside",
                  read_exec_in}),
      {"proc.gained_root", boolean,
       "It became root (of the node's user namespace), and neither was nor ran a set-id program",
       read_gained_root},
      {"proc.origin", text,
       "Who drives it: human ide build package_manager ai_agent service platform unknown",
       read_origin, Values::one, Argument::none, kAllEvents, origin_word},
      {"lineage.agent", text, "Kind of the AI agent that it belongs to", read_agent},
      {"lineage.agent_session", text, "That agent's first process, by number and start",
       read_agent_session},
      {"proc.is_init", boolean, "The first process of the workspace", read_is_init},
      {"thread.tid", number, "Thread id in the initial pid namespace", read_tid},
      {"thread.cap_effective", text, "Effective capabilities by name, joined by blanks",
       read_capabilities<&Process::cap_effective>},
      {"thread.cap_permitted", text, "Permitted capabilities by name, joined by blanks",
       read_capabilities<&Process::cap_permitted>},
  });
  return kFields;
}

}  // namespace picket::rule
