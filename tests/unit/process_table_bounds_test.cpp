// The process table under load and disorder: bounds, and agreement with the kernel.
#include "agent/enrich/process_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "agent/enrich/lineage.h"
#include "tests/unit/records.h"

namespace picket {
namespace {

using test::At;
using test::Bytes;

TEST(ProcessTable, TwoHundredThousandProcessesStayInBounds) {
  ProcessTable table({.max_processes = 20'000});
  const auto apply = [&](const Bytes& record) { table.apply(*Event::parse(record)); };
  apply(test::exec({.time_ns = 1, .key = {1, 1}}, {}, "/sbin/init"));
  RecordBuilder builder = test::record(PK_FORK, {});
  test::set_parent(builder, {1, 1});
  for (uint32_t i = 2; i <= 200'000; ++i) {
    builder.header().pid = i;
    builder.header().start_ns = builder.header().time_ns = i * 1000;
    apply(builder.bytes());
    ASSERT_LE(table.size(), 20'000u);
  }
  EXPECT_EQ(table.size(), 20'000u);
  EXPECT_EQ(table.stats().created, 200'000u);
  EXPECT_EQ(table.stats().evicted_running, 180'000u);
  EXPECT_NE(table.find_pid(200'000), nullptr);
  EXPECT_LE(sizeof(ProcessNode), 552u);
}

TEST(ProcessTable, ExitedProcessesMakeRoomBeforeRunningOnes) {
  ProcessTable table({.max_processes = 100});
  const auto apply = [&](const Bytes& record) { table.apply(*Event::parse(record)); };
  apply(test::exec({.time_ns = 1, .key = {1, 1}}, {}, "/sbin/init"));
  for (uint32_t i = 2; i <= 1000; ++i) {
    apply(test::fork({.time_ns = i, .key = {i, i}}, {1, 1}));
    apply(test::exit({.time_ns = i, .key = {i, i}}));
  }
  EXPECT_EQ(table.stats().evicted_running, 0u);
  EXPECT_GT(table.stats().evicted_exited, 800u);
  EXPECT_NE(table.find({1, 1}), nullptr);
}

// A kernel in small: it knows the truth, tells some of it as records, and forgets to tell what
// happened before `attach`.
class Kernel {
 public:
  struct Truth {
    ProcessKey born_of, parent;
    std::string exe;
    bool alive = true;
    ProcessKey told{};  // the parent that the table must have
    bool seen = false;
    bool born_told = false;     // its fork is a record
    bool program_told = false;  // an exec or found record told what it runs
    bool found_first = false;   // and that was what it ran when the sensor was attached
    bool inherited = false;     // its parent's program was told before it was born
  };

  // False for a process whose program no record can tell: forked by one that was gone before it was
  // found.
  bool knowable(const Truth& truth) const {
    return truth.program_told || truth.inherited || (truth.born_told && start_known(truth.born_of));
  }

  explicit Kernel(uint32_t seed) : random_(seed) { processes_[{1, 1}] = {{}, {}, "/sbin/init"}; }

  void step() {
    now_ += 10;
    const ProcessKey key = pick();
    switch (random_() % 4) {
      case 0:
      case 1:
        if (alive() < 40) return fork(key);  // leaves pids to use again
        break;
      case 2:
        return exec(key);
      default:
        break;
    }
    if (key.pid != 1) exit(key);
  }

  // What the iterator at start sees: it walks for a while, and its records may reach the ring a
  // little late.
  void attach() {
    attached_ = true;
    for (const auto& [key, truth] : processes_) {
      if (truth.alive) to_find_.push_back(key);
    }
    std::ranges::shuffle(to_find_, random_);
  }
  void find_some() {
    for (size_t i = random_() % 4; i > 0 && !to_find_.empty(); --i) {
      const ProcessKey key = to_find_.back();
      to_find_.pop_back();
      now_ += 1;
      const Truth& truth = processes_[key];
      if (!truth.alive) continue;
      late_.push_back(
          {key, truth.parent, test::found({.time_ns = now_, .key = key}, truth.parent, truth.exe)});
    }
    while (!late_.empty() && random_() % 3 != 0) {
      const Late next = late_.front();
      late_.erase(late_.begin());
      Truth& truth = processes_[next.key];
      if (!truth.seen || truth.told == ProcessKey{}) tell_parent(truth, next.key, next.parent);
      if (!truth.program_told) truth.found_first = true;
      truth.program_told = true;
      truth.seen = true;
      records_.push_back(next.record);
    }
  }
  bool searching() const { return !to_find_.empty() || !late_.empty(); }

  std::vector<Bytes> take_records() { return std::exchange(records_, {}); }
  const std::map<ProcessKey, Truth>& processes() const { return processes_; }

 private:
  bool start_known(ProcessKey key) const {
    const Truth& truth = processes_.at(key);
    return truth.found_first || truth.inherited || (truth.born_told && start_known(truth.born_of));
  }

  struct Late {
    ProcessKey key, parent;
    Bytes record;
  };

  ProcessKey pick() {
    std::vector<ProcessKey> alive;
    for (const auto& [key, truth] : processes_) {
      if (truth.alive) alive.push_back(key);
    }
    return alive[random_() % alive.size()];
  }
  size_t alive() const {
    return std::ranges::count_if(processes_, [](const auto& p) { return p.second.alive; });
  }
  void tell_parent(Truth& truth, ProcessKey key, ProcessKey parent) {
    if (parent.pid != 0 &&
        std::pair(parent.start_ns, parent.pid) < std::pair(key.start_ns, key.pid))
      truth.told = parent;
  }
  void fork(ProcessKey parent) {
    ProcessKey key{0, now_};
    do {
      key.pid = 2 + random_() % 60;  // few pids: they are used again and again
    } while (std::ranges::any_of(
        processes_, [&](const auto& p) { return p.first.pid == key.pid && p.second.alive; }));
    Truth& truth = processes_[key] = {parent, parent, processes_[parent].exe};
    if (!attached_) return;
    records_.push_back(test::fork({.time_ns = now_, .key = key}, parent));
    truth.told = parent;
    truth.seen = truth.born_told = true;
    truth.inherited = processes_[parent].program_told || processes_[parent].inherited;
  }
  void exec(ProcessKey key) {
    Truth& truth = processes_[key];
    truth.exe = "/bin/p" + std::to_string(random_() % 1000);
    if (!attached_) return;
    if (truth.told == ProcessKey{}) tell_parent(truth, key, truth.parent);
    truth.seen = truth.program_told = true;
    records_.push_back(test::exec({.time_ns = now_, .key = key}, truth.parent, truth.exe));
  }
  void exit(ProcessKey key) {
    Truth& truth = processes_[key];
    truth.alive = false;
    for (auto& [other, child] : processes_) {
      if (child.alive && child.parent == key) child.parent = {1, 1};
    }
    if (!attached_) return;
    truth.seen = true;
    records_.push_back(test::exit({.time_ns = now_, .key = key}));
  }

  std::mt19937 random_;
  uint64_t now_ = 10;
  bool attached_ = false;
  std::map<ProcessKey, Truth> processes_;
  std::vector<ProcessKey> to_find_;
  std::vector<Late> late_;
  std::vector<Bytes> records_;
};

TEST(ProcessTable, AgreesWithTheKernelWhateverTheOrderOfItsRecords) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Kernel kernel(seed);
    for (int i = 0; i < 60; ++i) kernel.step();
    kernel.attach();
    ProcessTable table({.grace_ns = uint64_t{1} << 60});  // so that every process can be compared
    for (int i = 0; i < 300 || kernel.searching(); ++i) {
      kernel.find_some();
      kernel.step();
      for (const Bytes& record : kernel.take_records()) table.apply(*Event::parse(record));
    }
    size_t seen = 0;
    for (const auto& [key, truth] : kernel.processes()) {
      const Process* process = table.find(key);
      ASSERT_EQ(process != nullptr, truth.seen) << key.pid << "/" << key.start_ns;
      if (process == nullptr) continue;
      ++seen;
      ASSERT_EQ(process->exited, !truth.alive) << key.pid;
      if (truth.alive && (kernel.knowable(truth) || !process->exe.empty())) {
        ASSERT_EQ(process->exe, truth.exe) << key.pid << "/" << key.start_ns;
      }
      ASSERT_EQ(process->parent_key, truth.told) << key.pid;
      ASSERT_EQ(process->parent, truth.told == ProcessKey{} ? nullptr : table.find(truth.told))
          << key.pid;
    }
    ASSERT_EQ(table.size(), seen);  // each exactly once
  }
}

TEST(ProcessTable, LineagesStayTrueWhileProcessesAreForgotten) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Kernel kernel(seed);
    kernel.attach();
    ProcessTable table({.max_processes = 40, .grace_ns = 200, .max_depth = 4});
    for (int i = 0; i < 2000; ++i) {
      kernel.find_some();
      kernel.step();
      for (const Bytes& record : kernel.take_records()) {
        const Process& process = table.apply(*Event::parse(record));
        ASSERT_LE(table.size(), 40u);
        // Every ancestor that the table shows is one in truth, in the right order.
        ProcessKey truth = kernel.processes().at(process.key).born_of;
        for (const Process* shown = process.parent; shown != nullptr; shown = shown->parent) {
          while (truth != ProcessKey{} && truth != shown->key)
            truth = kernel.processes().at(truth).born_of;
          ASSERT_EQ(truth, shown->key);
        }
      }
    }
  }
}

}  // namespace
}  // namespace picket
