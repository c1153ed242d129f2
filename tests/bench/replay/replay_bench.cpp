// The user-space path of an event on one thread: what an event costs before it matches anything. It
// runs anywhere: a synthetic workspace up to the enricher, a recording for the rules (rule_cost.h);
// items are events, envelopes for the spool, or a rule set that is loaded.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "agent/enrich/enricher.h"
#include "agent/event/record_builder.h"
#include "agent/spool/spool.h"
#include "common/bounded_queue.h"
#include "tests/bench/replay/rule_cost.h"

namespace picket::bench {
namespace {

constexpr uint64_t kWorkspace = 7;
constexpr ProcessKey kShell{.pid = 100, .start_ns = 1'000};
constexpr size_t kChildren = 250;  // fork, exec, connect, exit each

[[noreturn]] void die(const absl::Status& status) {
  std::cerr << "bench_replay: " << std::string(status.message()) << '\n';
  exit(1);
}
void must(const absl::Status& status) {
  if (!status.ok()) die(status);
}

using Record = std::vector<std::byte>;

RecordBuilder record_of(pk_type type, ProcessKey key, uint64_t time_ns) {
  RecordBuilder builder(type);
  pk_header& header = builder.header();
  header.time_ns = time_ns;
  header.pid = header.tid = key.pid;
  header.start_ns = key.start_ns;
  header.cgroup_id = kWorkspace;
  return builder;
}

Record program(ProcessKey key, ProcessKey parent, uint64_t time_ns) {
  RecordBuilder builder = record_of(PK_EXEC, key, time_ns);
  must(builder.set_text("parent_pid", std::to_string(parent.pid)));
  must(builder.set_text("parent_start_ns", std::to_string(parent.start_ns)));
  must(builder.set_text("exe", "/usr/bin/python3.11"));
  must(builder.set_text("cwd", "/home/dev/project"));
  must(builder.set_text("comm", "python3.11"));
  must(builder.set_list("argv", {"python3", "-m", "pytest", "-q", "tests/unit", "--maxfail=1"}));
  return builder.bytes();
}

// Every round uses the same keys again, as a machine uses its process ids.
std::vector<Record> make_records() {
  std::vector<Record> records{program(kShell, {}, 2'000)};
  uint64_t time_ns = 10'000;
  for (uint32_t i = 0; i < kChildren; ++i) {
    const ProcessKey child{.pid = 1'000 + i, .start_ns = time_ns += 1'000};
    RecordBuilder fork = record_of(PK_FORK, child, time_ns);
    must(fork.set_text("parent_pid", std::to_string(kShell.pid)));
    must(fork.set_text("parent_start_ns", std::to_string(kShell.start_ns)));
    must(fork.set_text("comm", "bash"));
    records.push_back(fork.bytes());
    records.push_back(program(child, kShell, time_ns += 1'000));
    RecordBuilder connect = record_of(PK_CONNECT, child, time_ns += 1'000);
    must(connect.set_text("remote_addr", "10.1.2.3"));
    must(connect.set_text("remote_port", "443"));
    records.push_back(connect.bytes());
    records.push_back(record_of(PK_EXIT, child, time_ns += 1'000).bytes());
  }
  return records;
}

// The enricher and what it gives on, in one workspace that is known.
class Path final : public ObservationSink {
 public:
  Path()
      : enricher_(
            {}, [](uint64_t, std::string, uint32_t) {},
            [](const Workspace&, const absl::Status&) {}) {
    give(program(kShell, {}, 1'500));
    Workspace workspace;
    workspace.id = workspace.name = workspace.container_id = std::string(64, 'a');
    workspace.image = "debian:12";
    workspace.image_source = "annotation";
    workspace.resolved = true;
    enricher_.on_identity(kWorkspace, workspace, *this);
  }

  void give(std::span<const std::byte> bytes) {
    const auto event = Event::parse(bytes);
    if (!event) die(absl::InternalError("a record of the benchmark does not parse"));
    enricher_.on_event(*event, *this);
  }
  void on_observation(const Observation&) override { ++observations; }

  size_t observations = 0;

 private:
  Enricher enricher_;
};

void enrich(benchmark::State& state) {
  const std::vector<Record> records = make_records();
  Path path;
  for (auto round : state) {
    for (const Record& record : records) path.give(record);
  }
  const size_t events = static_cast<size_t>(state.iterations()) * records.size();
  if (path.observations < events) state.SkipWithError("not every event came out");
  state.SetItemsProcessed(static_cast<int64_t>(events));
}

void parse(benchmark::State& state) {
  const std::vector<Record> records = make_records();
  for (auto round : state) {
    for (const Record& record : records) benchmark::DoNotOptimize(Event::parse(record));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(records.size()));
}

void queue(benchmark::State& state) {
  BoundedQueue<std::string> queue(1024);
  for (auto round : state) {
    queue.push(std::string(512, 'x'));
    benchmark::DoNotOptimize(queue.pop(std::chrono::milliseconds(0)));
  }
  state.SetItemsProcessed(state.iterations());
}

void spool(benchmark::State& state) {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("bench_spool.{}", getpid());
  std::filesystem::create_directory(folder);
  {
    auto opened = Spool::open(folder / "spool.db", {});
    must(opened.status());
    const auto batch = static_cast<size_t>(state.range(0));
    for (auto round : state) {
      std::vector<SpoolItem> items(batch,
                                   SpoolItem{.priority = 2, .bytes = std::string(1'500, 'x')});
      must((*opened)->append(items));
      must((*opened)->acknowledge(items.back().sequence));
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace

void register_all() {
  benchmark::RegisterBenchmark("parse", parse);
  benchmark::RegisterBenchmark("enrich", enrich);
  register_rule_cost(PICKET_SOURCE_DIR "/tests/records/developer.pkr");
  benchmark::RegisterBenchmark("queue", queue);
  for (const int batch : {1, 100}) benchmark::RegisterBenchmark("spool", spool)->Arg(batch);
}

}  // namespace picket::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  picket::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
