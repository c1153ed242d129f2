#include "agent/sensor/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <utility>

#include "agent/sensor/hooks.h"
#include "agent/sensor/observe_only.h"
#include "bpf/picket/policy.h"
#include "sensor.skel.h"  // knows the types of policy.h

namespace picket {
namespace {

// libbpf explains a refusal only through this callback; the first line of it is kept as the reason.
thread_local std::string first_warning;

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || !first_warning.empty()) return 0;
  char line[256];
  vsnprintf(line, sizeof(line), format, arguments);
  line[strcspn(line, "\n")] = '\0';
  first_warning = line;
  return 0;
}

std::string reason(int error) {
  const std::string words = strerror(error < 0 ? -error : error);
  return first_warning.empty() ? words : fmt::format("{} ({})", words, first_warning);
}

bool is_chosen(const Hook& hook, bool compat_calls) {
  switch (hook.when) {
    case Hook::When::always:
      return true;
    case Hook::When::compat_calls:
      return compat_calls;
    case Hook::When::native_calls:
      return !compat_calls;
  }
  return false;
}

bpf_program* find_program(sensor_bpf& skeleton, std::string_view name) {
  return bpf_object__find_program_by_name(skeleton.obj, std::string(name).c_str());
}

bool is_cgroup_hook(const Hook& hook) { return hook.hook.starts_with("cgroup/"); }

absl::StatusOr<bpf_link*> attach_program(const Hook& hook, const bpf_program* program, int cgroup) {
  if (is_cgroup_hook(hook)) {
    const absl::Status proof =
        proves_observe_only({bpf_program__insns(program), bpf_program__insn_cnt(program)});
    if (!proof.ok())
      return absl::InternalError(
          fmt::format("not proven to allow everything: {}", std::string(proof.message())));
  }
  first_warning.clear();
  bpf_link* link = is_cgroup_hook(hook) ? bpf_program__attach_cgroup(program, cgroup)
                                        : bpf_program__attach(program);
  if (!link) return absl::UnavailableError(reason(errno));
  return link;
}

void keep_link(sensor_bpf& skeleton, std::string_view program, bpf_link* link) {
  for (int i = 0; i < skeleton.skeleton->prog_cnt; ++i)
    if (skeleton.skeleton->progs[i].name == program) *skeleton.skeleton->progs[i].link = link;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

void Probes::Close::operator()(sensor_bpf* skeleton) const { sensor_bpf__destroy(skeleton); }

Probes::Probes(Probes&&) noexcept = default;
Probes& Probes::operator=(Probes&&) noexcept = default;
Probes::~Probes() = default;

Probes::Probes(Skeleton skeleton, const ProbeOptions& options, const Refusals& refused)
    : skeleton_(std::move(skeleton)) {
  for (const Hook& hook : hooks()) {
    CoverageLine line;
    line.hook = hook.hook;
    line.event = hook.event;
    const auto refusal = refused.find(std::string(hook.program));
    if (!is_chosen(hook, options.compat_calls)) {
      if (hook.when == Hook::When::native_calls)
        continue;  // the other way is taken, nothing is missed
      line.effect = hook.missing;
      line.reason = "sensor.compat_calls is false";
    } else if (refusal != refused.end()) {
      line.state = CoverageLine::State::refused;
      line.effect = hook.missing;
      line.reason = refusal->second;
    }
    lines_.push_back(std::move(line));
  }
}

absl::StatusOr<Probes::Skeleton> Probes::open(const ProbeOptions& options,
                                              const Refusals& refused) {
  first_warning.clear();
  Skeleton skeleton(sensor_bpf__open());
  if (!skeleton)
    return absl::InternalError(fmt::format("cannot open the kernel programs: {}", reason(errno)));
  for (const Hook& hook : hooks())
    bpf_program__set_autoload(
        find_program(*skeleton, hook.program),
        is_chosen(hook, options.compat_calls) && !refused.contains(std::string(hook.program)));
  if (const int error = bpf_map__set_max_entries(skeleton->maps.ring, options.ring_bytes); error)
    return absl::InvalidArgumentError(
        fmt::format("cannot set the ring to {} bytes: {}", options.ring_bytes, reason(error)));
  for (__u64& classes : skeleton->bss->reader.urgent) classes = ~__u64{0};
  return skeleton;
}

// Loads each program alone. Neither the kernel's version nor its configuration tells which hooks it
// takes.
absl::StatusOr<Probes::Refusals> Probes::find_refused(const ProbeOptions& options) {
  Refusals refused;
  for (const Hook& alone : hooks()) {
    if (!is_chosen(alone, options.compat_calls)) continue;
    Refusals others;
    for (const Hook& hook : hooks())
      if (hook.program != alone.program) others[std::string(hook.program)] = "tried alone";
    absl::StatusOr<Skeleton> skeleton = open(options, others);
    if (!skeleton.ok()) return skeleton.status();
    const int error = sensor_bpf__load(skeleton->get());
    if (!error) continue;
    if (alone.essential)
      return absl::FailedPreconditionError(fmt::format(
          "the kernel refuses {}, without which {}: {}", alone.hook, alone.missing, reason(error)));
    refused[std::string(alone.program)] = reason(error);
  }
  return refused;
}

absl::StatusOr<Probes> Probes::load(const ProbeOptions& options) {
  libbpf_set_print(keep_warning);
  absl::StatusOr<Skeleton> skeleton = open(options, {});
  if (!skeleton.ok()) return skeleton.status();
  if (sensor_bpf__load(skeleton->get()) == 0) return Probes(*std::move(skeleton), options, {});

  const std::string first = first_warning;
  absl::StatusOr<Refusals> refused = find_refused(options);
  if (!refused.ok()) return refused.status();
  skeleton = open(options, *refused);
  if (!skeleton.ok()) return skeleton.status();
  if (const int error = sensor_bpf__load(skeleton->get()); error)
    return absl::FailedPreconditionError(
        fmt::format("cannot load the kernel programs: {}; at first: {}", reason(error), first));
  return Probes(*std::move(skeleton), options, *refused);
}

absl::Status Probes::attach(const std::string& cgroup_root) {
  const FileDescriptor root(::open(cgroup_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid())
    return absl::NotFoundError(
        fmt::format("cannot open the cgroup root {}: {}", cgroup_root, strerror(errno)));
  size_t next = 0;
  for (const Hook& hook : hooks()) {
    if (next == lines_.size() || lines_[next].hook != hook.hook)
      continue;  // a hook that has no line
    CoverageLine& line = lines_[next++];
    bpf_program* program = find_program(*skeleton_, hook.program);
    if (!bpf_program__autoload(program)) continue;
    absl::StatusOr<bpf_link*> link = attach_program(hook, program, root.get());
    if (link.ok()) {
      keep_link(*skeleton_, hook.program, *link);
      line.state = CoverageLine::State::attached;
      continue;
    }
    if (hook.essential)
      return absl::FailedPreconditionError(fmt::format("cannot attach {}, without which {}: {}",
                                                       hook.hook, hook.missing,
                                                       std::string(link.status().message())));
    line.state = CoverageLine::State::refused;
    line.effect = hook.missing;
    line.reason = std::string(link.status().message());
  }
  return absl::OkStatus();
}

absl::StatusOr<FileDescriptor> Probes::iterate() {
  const bpf_link* link = skeleton_->links.on_found;
  if (!link) return absl::UnavailableError("the task iterator is not attached");
  FileDescriptor walk(bpf_iter_create(bpf_link__fd(link)));
  if (!walk.valid())
    return absl::UnavailableError(fmt::format("cannot walk the tasks: {}", strerror(errno)));
  return walk;
}

int Probes::ring() const { return bpf_map__fd(skeleton_->maps.ring); }
int Probes::cgroups() const { return bpf_map__fd(skeleton_->maps.cgroups); }
int Probes::roots() const { return bpf_map__fd(skeleton_->maps.roots); }
int Probes::labels() const { return bpf_map__fd(skeleton_->maps.labels); }
int Probes::losses() const { return bpf_map__fd(skeleton_->maps.losses); }
pk_reader& Probes::reader() { return skeleton_->bss->reader; }

}  // namespace picket
