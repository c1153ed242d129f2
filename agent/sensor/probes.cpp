#include "agent/sensor/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "agent/sensor/hooks.h"
#include "agent/sensor/kernel_types.h"
#include "agent/sensor/observe_only.h"
#include "bpf/picket/keyed_hash.h"
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

bool is_cgroup_hook(const Hook& hook) { return hook.hook.starts_with("cgroup"); }

absl::Status prove_harmless(const Hook& hook, const bpf_program* program, const LsmHooks& lsm) {
  const std::span<const bpf_insn> text{bpf_program__insns(program), bpf_program__insn_cnt(program)};
  absl::Status proof;
  if (is_cgroup_hook(hook)) proof = proves_observe_only(text);
  if (is_lsm(hook)) proof = proves_given_return(text, lsm.arguments(hook.program));
  if (proof.ok()) return proof;
  return absl::InternalError(
      fmt::format("not proven to allow everything: {}", std::string(proof.message())));
}

bool any_lsm_loads(const std::map<std::string, std::string>& refused) {
  return std::ranges::any_of(hooks(), [&](const Hook& hook) {
    return is_lsm(hook) && !refused.contains(std::string(hook.program));
  });
}

void keep_link(sensor_bpf& skeleton, std::string_view program, bpf_link* link) {
  for (int i = 0; i < skeleton.skeleton->prog_cnt; ++i)
    if (skeleton.skeleton->progs[i].name == program) *skeleton.skeleton->progs[i].link = link;
}

absl::Status put_handler(const bpf_map* handlers, pk_handler handler, const bpf_program* program) {
  const uint32_t key = handler;
  const int fd = bpf_program__fd(program);
  if (bpf_map_update_elem(bpf_map__fd(handlers), &key, &fd, BPF_ANY) == 0) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("cannot enter the handler: {}", strerror(errno)));
}

struct NamedCall {
  const char* name;
  int native;
  pk_handler handler;
};
#define PK_NAMED_CALL(name, native, compat, handler, type) {#name, native, handler},
constexpr NamedCall kCalls[] = {PK_CALLS(PK_NAMED_CALL)};
#undef PK_NAMED_CALL

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

void Probes::Detach::operator()(bpf_link* link) const { bpf_link__destroy(link); }
void Probes::Close::operator()(sensor_bpf* skeleton) const { sensor_bpf__destroy(skeleton); }

Probes::Probes(Probes&&) noexcept = default;
Probes& Probes::operator=(Probes&&) noexcept = default;
Probes::~Probes() = default;

Probes::Probes(Skeleton skeleton, const ProbeOptions& options, const Refusals& refused,
               LsmHooks lsm)
    : skeleton_(std::move(skeleton)), lsm_(std::move(lsm)) {
  for (const Hook& hook : hooks()) {
    CoverageLine line;
    line.hook = hook.hook;
    line.event = hook.event;
    const auto refusal = refused.find(std::string(hook.program));
    if (!is_chosen(hook, options.compat_calls)) {
      if (hook.when == Hook::When::native_calls || hook.handler != PK_OWN_HOOK)
        continue;  // the other way is taken, nothing is missed
      line.effect = hook.missing;
      line.reason = "sensor.compat_calls is false";
    } else if (refusal != refused.end()) {
      line.state = CoverageLine::State::refused;
      line.effect = hook.missing;
      line.reason = refusal->second;
    }
    lines_.push_back(std::move(line));
    programs_.push_back(hook.program);
  }
}

// The submission's name says which of the two this kernel has; of the answer, how many arguments
// there are beside the ring, the request and the answer.
Probes::RingTracepoints Probes::ring_tracepoints(const KernelTypes& types) {
  return {.old_submission = types.tracepoint_arguments("io_uring_submit_sqe").has_value(),
          .answers_are_pointers = types.tracepoint_arguments("io_uring_complete") == 3};
}

absl::StatusOr<Probes::Skeleton> Probes::open(const ProbeOptions& options,
                                              const RingTracepoints& rings,
                                              const Refusals& refused) {
  first_warning.clear();
  Skeleton skeleton(sensor_bpf__open());
  if (!skeleton)
    return absl::InternalError(fmt::format("cannot open the kernel programs: {}", reason(errno)));
  for (const Hook& hook : hooks())
    if (hook.hook == kRingSubmission && rings.old_submission)
      bpf_program__set_attach_target(find_program(*skeleton, hook.program), 0,
                                     "io_uring_submit_sqe");
  for (const Hook& hook : hooks())
    bpf_program__set_autoload(
        find_program(*skeleton, hook.program),
        is_chosen(hook, options.compat_calls) && !refused.contains(std::string(hook.program)));
  if (const int error = bpf_map__set_max_entries(skeleton->maps.ring, options.ring_bytes); error)
    return absl::InvalidArgumentError(
        fmt::format("cannot set the ring to {} bytes: {}", options.ring_bytes, reason(error)));
  if (getrandom(&skeleton->rodata->hash_key, sizeof(pk_hash_key), 0) != sizeof(pk_hash_key))
    return absl::InternalError(fmt::format("cannot draw a random key: {}", strerror(errno)));
  skeleton->rodata->flow_interval_ns = options.flow_interval_ns;
  skeleton->rodata->compat_calls = options.compat_calls;
  skeleton->rodata->answers_are_pointers = rings.answers_are_pointers;
  skeleton->rodata->takes_notes = any_lsm_loads(refused);
  if (!skeleton->rodata->takes_notes)
    for (bpf_map* notes : {skeleton->maps.openings, skeleton->maps.noted})
      bpf_map__set_max_entries(notes, 1);
  for (__u64& classes : skeleton->bss->reader.urgent) classes = ~__u64{0};
  return skeleton;
}

// Loads each program alone. Neither the kernel's version nor its configuration tells which hooks it
// takes.
absl::StatusOr<Probes::Refusals> Probes::find_refused(const ProbeOptions& options,
                                                      const RingTracepoints& rings,
                                                      const Refusals& known) {
  Refusals refused = known;
  for (const Hook& alone : hooks()) {
    if (!is_chosen(alone, options.compat_calls) || known.contains(std::string(alone.program)))
      continue;
    Refusals others;
    for (const Hook& hook : hooks())
      if (hook.program != alone.program) others[std::string(hook.program)] = "tried alone";
    absl::StatusOr<Skeleton> skeleton = open(options, rings, others);
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
  std::optional<KernelTypes> types = KernelTypes::load();
  LsmHooks lsm = options.lsm ? LsmHooks::probe(*types) : LsmHooks::none();
  const RingTracepoints rings = ring_tracepoints(*types);
  types.reset();  // libbpf reads its own
  absl::StatusOr<Skeleton> skeleton = open(options, rings, lsm.refused());
  if (!skeleton.ok()) return skeleton.status();
  if (sensor_bpf__load(skeleton->get()) == 0)
    return Probes(*std::move(skeleton), options, lsm.refused(), lsm);

  const std::string first = first_warning;
  absl::StatusOr<Refusals> refused = find_refused(options, rings, lsm.refused());
  if (!refused.ok()) return refused.status();
  skeleton = open(options, rings, *refused);
  if (!skeleton.ok()) return skeleton.status();
  if (const int error = sensor_bpf__load(skeleton->get()); error)
    return absl::FailedPreconditionError(
        fmt::format("cannot load the kernel programs: {}; at first: {}", reason(error), first));
  return Probes(*std::move(skeleton), options, *refused, std::move(lsm));
}

// One link for each call; where the kernel lacks a tracepoint the others are still of use.
absl::Status Probes::attach_single_calls(const bpf_program* program) {
  std::string refused;
  for (const NamedCall& call : kCalls) {
    if (call.handler == PK_OWN_HOOK || call.native == PK_NO_NUMBER) continue;
    const std::string name = fmt::format("sys_exit_{}", call.name);
    Link link(bpf_program__attach_tracepoint(program, "syscalls", name.c_str()));
    if (link)
      links_.push_back(std::move(link));
    else if (errno != ENOENT || links_.empty())  // a later kernel's call is nobody's loss
      refused += fmt::format("{}{}", refused.empty() ? "" : ", ", call.name);
  }
  if (refused.empty()) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("no tracepoint for {}: {}", refused, reason(errno)));
}

absl::Status Probes::attach_hook(const Hook& hook, int cgroup_root) {
  const bpf_program* program = find_program(*skeleton_, hook.program);
  first_warning.clear();
  if (hook.program == kSingleCalls) return attach_single_calls(program);
  if (hook.program == kSetLineage) return absl::OkStatus();  // it is run, not attached
  if (hook.handler != PK_OWN_HOOK)
    return put_handler(hook.when == Hook::When::native_calls ? skeleton_->maps.single_handlers
                                                             : skeleton_->maps.handlers,
                       hook.handler, program);
  if (absl::Status proof = prove_harmless(hook, program, lsm_); !proof.ok()) return proof;
  bpf_link* link = is_cgroup_hook(hook) ? bpf_program__attach_cgroup(program, cgroup_root)
                                        : bpf_program__attach(program);
  if (!link) return absl::UnavailableError(reason(errno));
  keep_link(*skeleton_, hook.program, link);
  return absl::OkStatus();
}

absl::Status Probes::attach(const std::string& cgroup_root) {
  const FileDescriptor root(::open(cgroup_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid())
    return absl::NotFoundError(
        fmt::format("cannot open the cgroup root {}: {}", cgroup_root, strerror(errno)));
  size_t next = 0;
  for (const Hook& hook : hooks()) {
    if (next == lines_.size() || programs_[next] != hook.program)
      continue;  // a hook that has no line
    CoverageLine& line = lines_[next++];
    if (!bpf_program__autoload(find_program(*skeleton_, hook.program))) continue;
    const absl::Status status = attach_hook(hook, root.get());
    if (status.ok()) {
      line.state = CoverageLine::State::attached;
      continue;
    }
    if (hook.essential)
      return absl::FailedPreconditionError(fmt::format("cannot attach {}, without which {}: {}",
                                                       hook.hook, hook.missing,
                                                       std::string(status.message())));
    line.state = CoverageLine::State::refused;
    line.effect = hook.missing;
    line.reason = std::string(status.message());
    if (hook.program == kRawCalls || (hook.program == kSingleCalls && links_.empty()))
      silence_handlers(hook.hook);
  }
  refuse_silent_lsm();
  return absl::OkStatus();
}

// A kernel whose list of security modules leaves out bpf takes the programs and never calls them.
void Probes::refuse_silent_lsm() {
  if (!skeleton_->links.on_lsm_file_open) return;
  const FileDescriptor opened(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!opened.valid() || skeleton_->bss->lsm_fired) return;
  for (size_t i = 0; i < lines_.size(); ++i) {
    const auto hook = std::ranges::find(hooks(), programs_[i], &Hook::program);
    if (!is_lsm(*hook) || lines_[i].state != CoverageLine::State::attached) continue;
    lines_[i].state = CoverageLine::State::refused;
    lines_[i].effect = hook->missing;
    lines_[i].reason = "the kernel does not call it: bpf is none of its security modules (lsm=)";
  }
}

// Nobody calls them.
void Probes::silence_handlers(std::string_view dispatcher) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    const auto hook = std::ranges::find(hooks(), programs_[i], &Hook::program);
    if (hook->handler == PK_OWN_HOOK) continue;
    lines_[i].state = CoverageLine::State::refused;
    lines_[i].effect = hook->missing;
    lines_[i].reason = fmt::format("{} is not attached", dispatcher);
  }
}

absl::StatusOr<FileDescriptor> Probes::find_processes() { return walk(skeleton_->links.on_found); }
absl::StatusOr<FileDescriptor> Probes::find_busy() { return walk(skeleton_->links.on_cpu_look); }

absl::StatusOr<FileDescriptor> Probes::walk(const bpf_link* iterator) {
  if (!iterator) return absl::UnavailableError("the task iterator is not attached");
  FileDescriptor walk(bpf_iter_create(bpf_link__fd(iterator)));
  if (!walk.valid())
    return absl::UnavailableError(fmt::format("cannot walk the tasks: {}", strerror(errno)));
  return walk;
}

bool Probes::set_lineage(const pk_lineage_change& change) {
  const int program = bpf_program__fd(skeleton_->progs.set_lineage);
  if (program < 0) return false;
  pk_lineage_change argument = change;
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.ctx_in = &argument;
  options.ctx_size_in = sizeof(argument);
  return bpf_prog_test_run_opts(program, &options) == 0 && options.retval == 1;
}

int Probes::ring() const { return bpf_map__fd(skeleton_->maps.ring); }
int Probes::cgroups() const { return bpf_map__fd(skeleton_->maps.cgroups); }
int Probes::roots() const { return bpf_map__fd(skeleton_->maps.roots); }
int Probes::labels() const { return bpf_map__fd(skeleton_->maps.labels); }
int Probes::losses() const { return bpf_map__fd(skeleton_->maps.losses); }
int Probes::names() const { return bpf_map__fd(skeleton_->maps.names); }
pk_cpu_policy& Probes::cpu_policy() { return skeleton_->bss->cpu_policy; }
pk_unasked& Probes::unasked() { return skeleton_->bss->unasked; }
pk_reader& Probes::reader() { return skeleton_->bss->reader; }
uint32_t& Probes::has_lost() { return skeleton_->bss->has_lost; }

}  // namespace picket
