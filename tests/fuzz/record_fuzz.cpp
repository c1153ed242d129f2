// The input is a stream of records, each as long as its header claims. Whatever they hold, parsing
// reads nothing outside, every field of a record that parses can be read and printed, and the
// tables keep their bounds.
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "agent/enrich/enricher.h"
#include "agent/enrich/lineage.h"
#include "agent/event/json.h"

namespace {

using namespace picket;

struct Reader final : ObservationSink {
  void on_observation(const Observation& observation) override {
    size_t depth = 0;
    for (const Process& ancestor : lineage(observation.process))
      depth += ancestor.cmdline().size() + 1;
    if (depth == 0 && observation.workspace.id.empty()) __builtin_trap();
  }
};

// A copy of exactly its size, so that the sanitizer sees one byte too far.
std::vector<std::byte> next_record(std::span<const std::byte>& rest) {
  pk_header header{};
  std::memcpy(&header, rest.data(), std::min(rest.size(), sizeof header));
  const size_t size =
      std::min<size_t>(rest.size(), header.size < sizeof header ? rest.size() : header.size);
  std::vector<std::byte> record(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(size));
  rest = rest.subspan(size);
  return record;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader sink;
  EnricherOptions options;
  options.processes.max_processes = 16;
  options.max_workspaces = 4;
  options.max_held_records = 8;
  std::vector<uint64_t> asked;
  Enricher enricher(
      options, [&](uint64_t cgroup, const std::string&, uint32_t) { asked.push_back(cgroup); },
      [](const Workspace&, const absl::Status&) {});
  std::span<const std::byte> rest = std::as_bytes(std::span(data, size));
  while (!rest.empty()) {
    const std::vector<std::byte> record = next_record(rest);
    const auto event = Event::parse(record);
    if (!event) continue;
    if (to_json_line(*event).empty()) __builtin_trap();
    enricher.on_event(*event, sink);
    if (enricher.processes().size() > options.processes.max_processes) __builtin_trap();
    if (asked.size() > 1) {
      Workspace workspace;
      workspace.id = workspace.name = workspace.image = "w";
      enricher.on_identity(asked.front(), workspace, sink);
      asked.erase(asked.begin());
    }
  }
  return 0;
}
