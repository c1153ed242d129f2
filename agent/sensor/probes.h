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

struct pk_reader;
struct sensor_bpf;
struct bpf_program;

namespace picket {

struct ProbeOptions {
  uint64_t ring_bytes = 1 << 20;
  bool compat_calls = true;
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
  absl::StatusOr<FileDescriptor> iterate();

  int ring() const;
  int cgroups() const;
  int roots() const;
  int labels() const;
  int losses() const;
  pk_reader& reader();  // mapped; the kernel reads and writes it too

  const std::vector<CoverageLine>& lines() const { return lines_; }

 private:
  struct Close {
    void operator()(sensor_bpf* skeleton) const;
  };
  using Skeleton = std::unique_ptr<sensor_bpf, Close>;
  using Refusals = std::map<std::string, std::string>;  // program -> reason

  Probes(Skeleton skeleton, const ProbeOptions& options, const Refusals& refused);
  static absl::StatusOr<Skeleton> open(const ProbeOptions& options, const Refusals& refused);
  static absl::StatusOr<Refusals> find_refused(const ProbeOptions& options);

  Skeleton skeleton_;
  std::vector<CoverageLine> lines_;
};

}  // namespace picket
