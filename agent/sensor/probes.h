// The kernel programs as one thing: opened, loaded hook by hook where the kernel refuses some,
// attached, with their maps. Owner: BpfSensor. Errors: load() fails only when an essential hook is
// refused, and names it with the kernel's reason; every other refusal becomes a coverage line.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/sensor/coverage.h"
#include "agent/sensor/lsm_hooks.h"

struct bpf_link;
struct pk_cpu_policy;
struct pk_lineage_change;
struct pk_unasked;
struct pk_reader;
struct sensor_bpf;
struct bpf_program;

namespace picket {

struct Hook;

struct ProbeOptions {
  uint64_t ring_bytes = 1 << 20;
  bool compat_calls = true;
  bool lsm = true;
  uint64_t flow_interval_ns = 60'000'000'000;
};

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

class Probes {
 public:
  static absl::StatusOr<Probes> load(const ProbeOptions& options);
  Probes(Probes&&) noexcept;
  Probes& operator=(Probes&&) noexcept;
  ~Probes();

  // `cgroup_root`: the root directory of the cgroup v2 tree.
  absl::Status attach(const std::string& cgroup_root);

  // A file that yields one PK_FOUND record for each process not yet known. Each call walks the
  // tasks anew.
  absl::StatusOr<FileDescriptor> find_processes();
  // The same with a PK_CPU record for each process that was busy since the last call.
  absl::StatusOr<FileDescriptor> find_busy();

  // false: the kernel knows no label of the process, or refused the program.
  bool set_lineage(const pk_lineage_change& change);

  int ring() const;
  int cgroups() const;
  int roots() const;
  int labels() const;
  int losses() const;
  int names() const;
  pk_reader& reader();          // mapped; the kernel reads and writes it too
  uint32_t& has_lost();         // mapped; 1: `losses` has grown
  pk_unasked& unasked();        // mapped; the kernel reads it
  pk_cpu_policy& cpu_policy();  // mapped; the kernel reads it

  const std::vector<CoverageLine>& lines() const { return lines_; }

 private:
  struct Close {
    void operator()(sensor_bpf* skeleton) const;
  };
  using Skeleton = std::unique_ptr<sensor_bpf, Close>;
  using Refusals = std::map<std::string, std::string>;  // program -> reason

  Probes(Skeleton skeleton, const ProbeOptions& options, const Refusals& refused, LsmHooks lsm);
  struct RingTracepoints {  // of io_uring, which kernels shape in two ways
    bool old_submission = false;
    bool answers_are_pointers = false;
  };
  static RingTracepoints ring_tracepoints(const KernelTypes& types);
  static absl::StatusOr<Skeleton> open(const ProbeOptions& options, const RingTracepoints& rings,
                                       const Refusals& refused);
  static absl::StatusOr<Refusals> find_refused(const ProbeOptions& options,
                                               const RingTracepoints& rings, const Refusals& known);

  struct Detach {
    void operator()(bpf_link* link) const;
  };
  using Link = std::unique_ptr<bpf_link, Detach>;

  static absl::StatusOr<FileDescriptor> walk(const bpf_link* iterator);
  absl::Status attach_hook(const Hook& hook, int cgroup_root);
  absl::Status attach_single_calls(const bpf_program* program);
  void silence_handlers(std::string_view dispatcher);
  void refuse_silent_lsm();

  Skeleton skeleton_;
  LsmHooks lsm_;
  std::vector<Link> links_;  // ended before the programs are
  std::vector<CoverageLine> lines_;
  std::vector<std::string_view> programs_;  // whose line it is
};

}  // namespace picket
