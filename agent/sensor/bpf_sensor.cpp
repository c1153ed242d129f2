#include "agent/sensor/bpf_sensor.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "agent/sensor/open_names.h"
#include "bpf/picket/events.h"

namespace picket {
namespace {

constexpr std::chrono::milliseconds kMissingRoot{100};

uint64_t boot_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

absl::Status check_ring_size(uint64_t bytes) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (bytes < page || bytes > 1ULL << 30 || (bytes & (bytes - 1)) != 0)
    return absl::InvalidArgumentError(fmt::format(
        "sensor.ring_bytes is {}: it must be a power of two between {} and 1 GiB", bytes, page));
  return absl::OkStatus();
}

bool has_lsm_tier(const std::vector<CoverageLine>& lines) {
  return std::ranges::any_of(lines, [](const CoverageLine& line) {
    return line.hook.starts_with("lsm/") && line.state == CoverageLine::State::attached;
  });
}

}  // namespace

BpfSensor::BpfSensor(BpfSensorOptions options) : options_(std::move(options)) {}
BpfSensor::~BpfSensor() = default;

absl::Status BpfSensor::start() {
  if (absl::Status status = check_ring_size(options_.ring_bytes); !status.ok()) return status;
  if (absl::Status status = check_requirements(options_.machine); !status.ok()) return status;
  absl::StatusOr<std::string> mounts = read_text(options_.machine.proc / "self/mounts");
  if (!mounts.ok()) return mounts.status();
  absl::StatusOr<CgroupTree> tree = CgroupTree::find(*mounts);
  if (!tree.ok()) return tree.status();

  absl::StatusOr<Probes> probes =
      Probes::load({.ring_bytes = options_.ring_bytes,
                    .compat_calls = options_.compat_calls,
                    .lsm = options_.lsm,
                    .flow_interval_ns = static_cast<uint64_t>(options_.flow_interval.count())});
  if (!probes.ok()) return probes.status();
  probes_ = *std::move(probes);
  probes_->cpu_policy().least_percent = options_.cpu_least_percent;
  scope_.emplace(*std::move(tree), ScopeMaps{.cgroups = probes_->cgroups(),
                                             .roots = probes_->roots(),
                                             .labels = probes_->labels()});
  if (absl::Status status = enter_open_names(probes_->names()); !status.ok()) return status;
  interest_.emplace(probes_->unasked(), probes_->names());
  losses_.emplace(probes_->losses(), probes_->cgroups(), probes_->reader());
  if (absl::Status status = losses_->prepare(boot_ns()); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<RingReader>> ring =
      RingReader::open(probes_->ring(), probes_->reader());
  if (!ring.ok()) return ring.status();
  ring_ = *std::move(ring);
  if (absl::Status status = choose_workspaces(); !status.ok()) return status;

  // From here on the kernel tells of everything new; what is older is entered after it, so nothing
  // falls in between.
  if (absl::Status status = probes_->attach(scope_->tree().mount().string()); !status.ok())
    return status;
  lines_.insert(lines_.begin(), probes_->lines().begin(), probes_->lines().end());
  for (Record& record : scope_->scan(boot_ns())) pending_.push_back(std::move(record));
  start_walk();
  return absl::OkStatus();
}

absl::Status BpfSensor::choose_workspaces() {
  if (absl::Status status = leave_out_own_cgroup(); !status.ok()) return status;
  for (const std::string& path : options_.exclude)
    if (absl::Status status = scope_->exclude(path); !status.ok() && !absl::IsNotFound(status))
      return status;
  for (const std::string& path : options_.cgroup_roots) {
    const absl::Status status = scope_->add_root(path);
    if (absl::IsNotFound(status))
      missing_roots_.push_back(path);
    else if (!status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::Status BpfSensor::leave_out_own_cgroup() {
  if (in_private_cgroup_namespace(options_.machine)) {
    scope_->exclude_holder_of(static_cast<uint32_t>(getpid()));
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> text = read_text(options_.machine.proc / "self/cgroup");
  if (!text.ok()) return text.status();
  const std::string own = unified_path(*text);
  if (own.empty() || own == "/") return absl::OkStatus();  // the root is never a workspace
  const absl::Status status = scope_->exclude(own);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

// A root may be made by the runtime with its first container. Asked for while idle; what runc puts
// there before that is found by its init's name.
void BpfSensor::retry_missing_roots() {
  const size_t before = missing_roots_.size();
  std::erase_if(missing_roots_,
                [&](const std::string& path) { return scope_->add_root(path).ok(); });
  if (missing_roots_.size() == before) return;
  for (Record& record : scope_->scan(boot_ns())) pending_.push_back(std::move(record));
  start_walk();
}

void BpfSensor::start_walk() {
  absl::StatusOr<FileDescriptor> tasks = probes_->find_processes();
  if (tasks.ok())
    walk_ = TaskWalk(*std::move(tasks));  // else its coverage line says what is missed
}

// Existing processes come before the ring's first record, so that a child's fork finds its parent.
size_t BpfSensor::deliver_before_ring(EventSink& sink) {
  size_t count = 0;
  for (; !pending_.empty(); pending_.pop_front(), ++count) sink.on_record(pending_.front());
  return count + walk_.deliver(sink);
}

size_t BpfSensor::look_for_busy(EventSink& sink) {
  const auto interval = static_cast<uint64_t>(options_.cpu_interval.count());
  const uint64_t now = boot_ns();
  if (interval == 0 || now < next_look_ns_) return 0;
  next_look_ns_ = now + interval;
  absl::StatusOr<FileDescriptor> tasks = probes_->find_busy();
  if (!tasks.ok()) return 0;
  size_t count = 0;
  for (TaskWalk look(*std::move(tasks)); look.running();) count += look.deliver(sink);
  return count;
}

absl::StatusOr<size_t> BpfSensor::poll(EventSink& sink, std::chrono::milliseconds timeout) {
  if (!ring_) return absl::FailedPreconditionError("the sensor is not started");
  size_t early = 0;
  while (!pending_.empty() || walk_.running()) early += deliver_before_ring(sink);

  // A root that is made meanwhile tells nobody.
  if (!missing_roots_.empty()) timeout = std::min(timeout, kMissingRoot);
  absl::StatusOr<size_t> read = ring_->read(sink, early ? std::chrono::milliseconds(0) : timeout);
  if (!read.ok()) return read.status();
  if (*read == 0 && !missing_roots_.empty()) retry_missing_roots();
  return early + *read + look_for_busy(sink);
}

void BpfSensor::wake() {
  if (ring_) ring_->wake();
}

Coverage BpfSensor::coverage() const {
  const std::string release = kernel_release();
  Coverage coverage{.kernel = release,
                    .tested = is_tested_kernel(release),
                    .tier = has_lsm_tier(lines_) ? "lsm" : "tracepoint",
                    .lines = lines_};
  for (const std::string& path : missing_roots_)
    coverage.lines.push_back({.hook = "cgroup root " + path,
                              .event = "cgroup_mkdir",
                              .state = CoverageLine::State::off,
                              .effect = "cgroups below it are not workspaces until it exists",
                              .reason = "the cgroup does not exist"});
  return coverage;
}

void BpfSensor::mark_failing(std::string_view event, const std::string& why) {
  for (CoverageLine& line : lines_) {
    if (line.event != event || line.state != CoverageLine::State::attached) continue;
    line.state = CoverageLine::State::failing;
    line.effect = "events of this hook may be missing";
    line.reason = why;
  }
}

bool BpfSensor::set_lineage(const pk_process_key& process, const pk_lineage& lineage) {
  return probes_->set_lineage({.key = process, .lineage = lineage});
}

std::optional<pk_lineage> BpfSensor::lineage(const pk_process_key& process) const {
  pk_label label{};
  if (bpf_map_lookup_elem(probes_->labels(), &process, &label) != 0) return std::nullopt;
  return label.lineage;
}

std::vector<Loss> BpfSensor::losses() { return losses_->read(boot_ns); }

absl::Status BpfSensor::watch(uint64_t cgroup_id) {
  absl::StatusOr<std::vector<Record>> records = scope_->watch(cgroup_id, boot_ns());
  if (!records.ok()) return records.status();
  if (records->empty()) return absl::OkStatus();
  for (Record& record : *records) pending_.push_back(std::move(record));
  start_walk();
  return absl::OkStatus();
}

void BpfSensor::unwatch(uint64_t cgroup_id) { scope_->unwatch(cgroup_id); }

}  // namespace picket
