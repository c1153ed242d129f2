// cpu.*: how busy a process was through an interval, and oom.*: whom the kernel killed for memory.
#include <algorithm>

#include "agent/detect/rule/field.h"

namespace picket::rule {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr EventMask kCpu = mask_of(PK_CPU);
constexpr EventMask kOom = mask_of(PK_OOM);

int64_t share(uint64_t part, uint64_t whole) {
  return whole == 0
             ? 0
             : static_cast<int64_t>(100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

using CpuNumber = int64_t (*)(const pk_cpu&);

template <CpuNumber Number>
void read_cpu(const FieldRequest& request, FieldResult& result) {
  if (const auto* cpu = request.observation.event.as<pk_cpu>()) result.add(Number(*cpu));
}

int64_t percent(const pk_cpu& cpu) { return share(cpu.cpu_ns, cpu.interval_ns); }
int64_t wanted_percent(const pk_cpu& cpu) {
  return share(cpu.cpu_ns + cpu.waited_ns, cpu.interval_ns);
}
int64_t user_percent(const pk_cpu& cpu) {
  return std::min<int64_t>(share(cpu.user_ns, cpu.cpu_ns), 100);
}
int64_t seconds(const pk_cpu& cpu) { return static_cast<int64_t>(cpu.interval_ns / kSecond); }
int64_t threads(const pk_cpu& cpu) { return cpu.threads; }
int64_t busy_threads(const pk_cpu& cpu) { return cpu.busy_threads; }
int64_t switches(const pk_cpu& cpu) {
  return cpu.interval_ns == 0 ? 0
                              : static_cast<int64_t>(static_cast<double>(cpu.switches) * kSecond /
                                                     static_cast<double>(cpu.interval_ns));
}

void read_trigger_pid(const FieldRequest& request, FieldResult& result) {
  if (const auto* oom = request.observation.event.as<pk_oom>())
    result.add(static_cast<int64_t>(oom->trigger_pid));
}
void read_trigger_inside(const FieldRequest& request, FieldResult& result) {
  if (const auto* oom = request.observation.event.as<pk_oom>())
    result.add(oom->trigger_cgroup_id == oom->header.cgroup_id);
}

}  // namespace

std::span<const Field> resource_fields() {
  using enum FieldType;
  static constexpr auto kNone = Argument::none;
  static const auto kFields = std::to_array<Field>({
      {"cpu.percent", number, "Processor time of the interval; 100: one processor, all the time",
       read_cpu<percent>, Values::one, kNone, kCpu},
      {"cpu.wanted_percent", number, "The same with the time in which it was ready and others ran",
       read_cpu<wanted_percent>, Values::one, kNone, kCpu},
      {"cpu.user_percent", number, "The part of it that was spent outside of the kernel",
       read_cpu<user_percent>, Values::one, kNone, kCpu},
      {"cpu.interval", number, "Length of the interval in seconds", read_cpu<seconds>, Values::one,
       kNone, kCpu},
      {"cpu.threads", number, "Threads of the process", read_cpu<threads>, Values::one, kNone,
       kCpu},
      {"cpu.busy_threads", number,
       "Threads that ran or were ready nearly all the time; 0 in the first interval of a busy time",
       read_cpu<busy_threads>, Values::one, kNone, kCpu},
      {"cpu.switches", number,
       "Times in a second that its threads waited for something: calls of a miner are few",
       read_cpu<switches>, Values::one, kNone, kCpu},
      {"oom.trigger_pid", number, "The process that asked for the memory", read_trigger_pid,
       Values::one, kNone, kOom},
      {"oom.trigger_inside", boolean, "That process is of the same workspace", read_trigger_inside,
       Values::one, kNone, kOom},
  });
  return kFields;
}

}  // namespace picket::rule
