#include "tests/bench/dispatch/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "dispatch.skel.h"
#include "tests/bench/dispatch/calls.h"
#include "tests/bench/dispatch/watched_calls.h"

namespace picket::bench {
namespace {

absl::Status failed(std::string_view what, int error) {
  return absl::InternalError(fmt::format("{}: {}", what, strerror(error)));
}

}  // namespace

std::string_view to_string(Dispatch dispatch) {
  switch (dispatch) {
    case Dispatch::none:
      return "nothing attached";
    case Dispatch::raw_empty:
      return "raw sys_enter, empty";
    case Dispatch::raw_enter:
      return "raw sys_enter, table";
    case Dispatch::raw_exit:
      return "raw sys_exit, table";
    case Dispatch::raw_both:
      return "raw enter + exit, table";
    case Dispatch::raw_scope_first:
      return "raw sys_enter, scope first";
    case Dispatch::calls_enter:
      return "per call, enter";
    case Dispatch::calls_exit:
      return "per call, exit";
    case Dispatch::calls_both:
      return "per call, enter + exit";
    case Dispatch::calls_and_compat:
      return "per call + raw for 32-bit";
  }
  return "";
}

void Probe::Destroy::operator()(dispatch* object) const { dispatch__destroy(object); }

Probe::Probe(dispatch* object, size_t watched_calls)
    : object_(object), watched_calls_(watched_calls) {}
Probe::Probe(Probe&&) noexcept = default;
Probe::~Probe() { detach(); }

absl::StatusOr<Probe> Probe::load(size_t watched_calls) {
  Probe probe(dispatch::open(), watched_calls);
  if (!probe.object_) return failed("open the dispatch probe", errno);
  auto& wanted = probe.object_->rodata->wanted;
  for (size_t i = 0; i < watched_calls; ++i) {
    wanted[kWatchedCalls[i].native] |= BENCH_NATIVE;
    wanted[kWatchedCalls[i].compat] |= BENCH_COMPAT;
  }
  bpf_program__set_type(probe.object_->progs.call_enter, BPF_PROG_TYPE_TRACEPOINT);
  bpf_program__set_type(probe.object_->progs.call_exit, BPF_PROG_TYPE_TRACEPOINT);
  if (const int error = dispatch::load(probe.object_.get())) {
    return failed("load the dispatch probe", -error);
  }
  return probe;
}

absl::Status Probe::watch(int pid) const {
  object_->bss->to_label = static_cast<__u32>(pid);
  bpf_link* link = bpf_program__attach_iter(object_->progs.label_process, nullptr);
  if (!link) return failed("attach the task iterator", errno);
  const int iterator = bpf_iter_create(bpf_link__fd(link));
  char nothing[16];
  const ssize_t got = iterator < 0 ? -1 : read(iterator, nothing, sizeof nothing);
  const int error = errno;
  if (iterator >= 0) close(iterator);
  bpf_link__destroy(link);
  return got == 0 ? absl::OkStatus() : failed("run the task iterator", error);
}

absl::Status Probe::add(bpf_link* link, std::string_view what) {
  if (!link) return failed(fmt::format("attach {}", what), errno);
  links_.push_back(link);
  return absl::OkStatus();
}

absl::Status Probe::attach_calls(bool enter, bool exit) {
  for (size_t i = 0; i < watched_calls_; ++i) {
    const auto event = [&](std::string_view side) {
      return fmt::format("sys_{}_{}", side, kWatchedCalls[i].name);
    };
    if (enter) {
      bpf_link* link = bpf_program__attach_tracepoint(object_->progs.call_enter, "syscalls",
                                                      event("enter").c_str());
      if (auto status = add(link, event("enter")); !status.ok()) return status;
    }
    if (exit) {
      bpf_link* link = bpf_program__attach_tracepoint(object_->progs.call_exit, "syscalls",
                                                      event("exit").c_str());
      if (auto status = add(link, event("exit")); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Probe::attach(Dispatch dispatch) {
  const auto raw = [&](bpf_program* program) {
    return add(bpf_program__attach(program), bpf_program__name(program));
  };
  auto& programs = object_->progs;
  switch (dispatch) {
    case Dispatch::none:
      return absl::OkStatus();
    case Dispatch::raw_empty:
      return raw(programs.enter_empty);
    case Dispatch::raw_enter:
      return raw(programs.enter_table);
    case Dispatch::raw_exit:
      return raw(programs.exit_table);
    case Dispatch::raw_scope_first:
      return raw(programs.enter_scope_first);
    case Dispatch::raw_both: {
      auto status = raw(programs.enter_table);
      return status.ok() ? raw(programs.exit_table) : status;
    }
    case Dispatch::calls_enter:
      return attach_calls(true, false);
    case Dispatch::calls_exit:
      return attach_calls(false, true);
    case Dispatch::calls_both:
      return attach_calls(true, true);
    case Dispatch::calls_and_compat: {
      auto status = raw(programs.enter_compat_only);
      return status.ok() ? attach_calls(true, false) : status;
    }
  }
  return absl::OkStatus();
}

void Probe::detach() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  links_.clear();
}

absl::StatusOr<Seen> Probe::seen() const {
  const auto total = [&](__u32 kind) -> absl::StatusOr<uint64_t> {
    std::vector<uint64_t> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
    if (bpf_map_lookup_elem(bpf_map__fd(object_->maps.seen), &kind, per_cpu.data()) != 0) {
      return failed("read the probe's counters", errno);
    }
    uint64_t sum = 0;
    for (const uint64_t count : per_cpu) sum += count;
    return sum;
  };
  const auto native = total(BENCH_SEEN_NATIVE), compat = total(BENCH_SEEN_COMPAT);
  if (!native.ok()) return native.status();
  if (!compat.ok()) return compat.status();
  return Seen{*native, *compat};
}

}  // namespace picket::bench
