#include "tests/bench/replay/rule_cost.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/detect/engine.h"
#include "agent/detect/rule/rule_detector.h"
#include "agent/enrich/enricher.h"
#include "agent/enrich/identity_json.h"
#include "agent/sensor/recording.h"
#include "tests/bench/replay/rule_sets.h"
#include "tests/bench/replay/ten_rules.h"

namespace picket::bench {
namespace {

constexpr size_t kLoaded = 1000;

// The observations of a recording, each with its process, ancestors and workspace as they were.
class Work final : public EventSink, private ObservationSink {
 public:
  static absl::StatusOr<std::unique_ptr<Work>> read(const std::string& file) {
    std::unique_ptr<Work> work(new Work);
    RecordingSource source(file, [&](std::string_view text) {
      auto identity = identity_from_json(text);
      if (!identity.ok()) return;
      work->enricher_.on_identity(identity->cgroup_id, std::move(identity->workspace), *work);
    });
    absl::Status status = source.start();
    while (status.ok()) status = source.poll(*work, std::chrono::milliseconds(0)).status();
    if (!absl::IsOutOfRange(status)) return status;
    if (work->moments_.empty()) return absl::InternalError("no observation in " + file);
    return work;
  }

  template <class Each>
  void replay(Each&& each) const {
    for (const Moment& moment : moments_)
      each(Observation{moment.event, *moment.process, *moment.workspace, moment.peer_names});
  }
  size_t size() const { return moments_.size(); }

 private:
  struct Moment {
    Event event;
    const Process* process;
    const Workspace* workspace;
    std::string peer_names;
  };

  Work()
      : enricher_(
            {}, [](uint64_t, const std::string&, uint32_t) {},
            [](const Workspace&, const absl::Status&) {}) {}

  void on_record(std::span<const std::byte> record) override {
    if (const auto event = Event::parse(record)) enricher_.on_event(*event, *this);
  }
  void on_observation(const Observation& seen) override {
    const std::span<const std::byte> bytes = seen.event.bytes();
    std::vector<uint64_t>& copy = records_.emplace_back((bytes.size() + 7) / 8);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(copy.data()));
    const auto event =
        Event::parse({reinterpret_cast<const std::byte*>(copy.data()), bytes.size()});
    Process& process = processes_.emplace_back(seen.process);
    process.parent = kept(seen.process.parent);
    const auto [workspace, fresh] =
        workspaces_.try_emplace(seen.workspace.cgroup_id, seen.workspace);
    moments_.push_back({*event, &process, &workspace->second, std::string(seen.peer_names)});
  }
  const Process* kept(const Process* process) {
    if (process == nullptr) return nullptr;
    const auto key = std::make_tuple(process->key.pid, process->key.start_ns, process->comm);
    const auto known = ancestors_.find(key);
    if (known != ancestors_.end()) return known->second;
    Process& copy = processes_.emplace_back(*process);
    ancestors_.emplace(key, &copy);
    copy.parent = kept(process->parent);
    return &copy;
  }

  Enricher enricher_;
  std::deque<std::vector<uint64_t>> records_;
  std::deque<Process> processes_;
  std::map<std::tuple<uint32_t, uint64_t, std::string>, const Process*> ancestors_;
  std::map<uint64_t, Workspace> workspaces_;
  std::vector<Moment> moments_;
};

struct Count final : FindingSink {
  void on_finding(Finding) override { ++count; }
  size_t count = 0;
};

void count_events(benchmark::State& state, const Work& work) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(work.size()));
  state.counters["events"] = static_cast<double>(work.size());
}

void skip(benchmark::State& state, const absl::Status& status) {
  state.SkipWithError(std::string(status.message()).c_str());
}

void evaluate(benchmark::State& state, const Work& work) {
  const auto files = rule_files(static_cast<size_t>(state.range(0)));
  if (!files.ok()) return skip(state, files.status());
  const auto rules = rule_set(*files);
  if (!rules.ok()) return skip(state, rules.status());
  Engine engine;
  engine.add(std::make_unique<RuleDetector>(*rules));
  Count findings;
  for (auto round : state)
    work.replay([&](const Observation& observation) { engine.on_event(observation, findings); });
  count_events(state, work);
  state.counters["rules"] = static_cast<double>((*rules)->rules().size());
  state.counters["findings"] = static_cast<double>(findings.count);
}

void predicate(benchmark::State& state, const Work& work) {
  for (auto round : state) {
    int found = 0;
    work.replay([&](const Observation& observation) { found += ten_rules(observation); });
    benchmark::DoNotOptimize(found);
  }
  count_events(state, work);
}

size_t bytes_in_use() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Until the first event could be evaluated; the files' texts are not counted.
void load(benchmark::State& state) {
  const auto files = rule_files(kLoaded);
  if (!files.ok()) return skip(state, files.status());
  size_t bytes = 0;
  for (auto round : state) {
    const size_t before = bytes_in_use();
    const auto rules = rule_set(*files);
    if (!rules.ok()) return skip(state, rules.status());
    const RuleDetector detector(*rules);
    bytes = bytes_in_use() - before;
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["bytes"] = static_cast<double>(bytes);
}

}  // namespace

void register_rule_cost(const std::string& recording) {
  static std::unique_ptr<Work> work;
  auto read = Work::read(recording);
  if (read.ok()) {
    work = *std::move(read);
    benchmark::RegisterBenchmark("predicate", [](auto& state) { predicate(state, *work); });
    for (const int64_t rules : {0, 10, 100, 1000})
      benchmark::RegisterBenchmark("rules", [](auto& state) {
        evaluate(state, *work);
      })->Arg(rules);
  } else {
    fmt::print(stderr, "bench_replay: {}\n", std::string(read.status().message()));
  }
  benchmark::RegisterBenchmark("load", load)->Unit(benchmark::kMillisecond);
}

}  // namespace picket::bench
