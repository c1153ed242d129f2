// EV9: the agent starts while processes run: each is in the tree exactly once, below its real
// parent.
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <set>

#include "agent/event/event.h"
#include "agent/sensor/recording.h"
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

constexpr uint32_t kTree = 1 + 4 + 16 + 64;  // processes tree 3 4

// Up to the workspace's first process, as the kernel tells it.
std::vector<uint32_t> real_tree(uint32_t pid, uint32_t init) {
  std::vector<uint32_t> tree = {pid};
  while (tree.back() != init && tree.size() < 16) {
    std::ifstream status(fmt::format("/proc/{}/status", tree.back()));
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("PPid:"))
        tree.push_back(static_cast<uint32_t>(std::stoul(line.substr(5))));
  }
  return tree;
}

std::string cmdline_of(uint32_t pid) {
  std::string text = read_file(fmt::format("/proc/{}/cmdline", pid)).value_or("");
  if (!text.empty()) text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

// How often each process of the workspace was reported as running already.
struct FoundCounter final : EventSink {
  explicit FoundCounter(uint64_t cgroup) : cgroup_id(cgroup) {}
  void on_record(std::span<const std::byte> record) override {
    auto event = Event::parse(record);
    if (event && event->type() == PK_FOUND && event->header().cgroup_id == cgroup_id)
      ++times[event->header().pid];
  }
  uint64_t cgroup_id;
  std::map<uint32_t, int> times;
};

TEST_F(AcceptanceTest, EveryRunningProcessIsFoundOnceBelowItsParent) {
  auto container = make_container({.id = "ev9-tree"});
  ASSERT_TRUE(container);
  ASSERT_EQ(container->run({"listener", "4400", "1"})->exit_code, 0);
  ASSERT_EQ(container->run({"processes", "tree", "3", "4", "4400"})->exit_code, 0);
  // What makes the node busy: processes that come and go while the agent attaches.
  auto churn = make_container({.id = "ev9-churn"});
  ASSERT_TRUE(churn);
  auto busy =
      churn->launch({"sh", "-c", "i=0; while [ $i -lt 5000 ]; do /bin/true; i=$((i+1)); done"});
  ASSERT_TRUE(busy.ok()) << busy.status();

  std::map<uint32_t, std::vector<uint32_t>> trees;
  std::map<uint32_t, std::string> cmdlines;
  for (uint32_t pid : container->pids()) {
    std::string cmdline = cmdline_of(pid);
    if (!cmdline.starts_with("processes ")) continue;
    trees[pid] = real_tree(pid, container->init_pid());
    cmdlines[pid] = cmdline;
  }
  ASSERT_EQ(trees.size(), kTree);
  std::vector<uint32_t> running = container->pids();

  deploy({.rules = rule("test.connect",
                        "evt.type = connect and fd.rport = 4400 and workspace.id = ev9-tree"),
          .shipped_rules = false,
          .recording = sandbox().path("start.pkr")});
  if (HasFatalFailure()) return;
  for (const auto& [pid, tree] : trees) ASSERT_EQ(kill(static_cast<pid_t>(pid), SIGUSR1), 0);
  std::set<uint32_t> silent;
  for (const auto& [pid, tree] : trees) silent.insert(pid);
  auto last = deployment().alerts().wait_for("an alert of each process", [&](const Alert& alert) {
    if (alert["rule"] == "test.connect") silent.erase(alert["process"]["pid"].get<uint32_t>());
    return silent.empty();
  });
  ASSERT_TRUE(last.ok()) << last.status();

  auto alerts = distinct(by_rule(deployment().alerts().seen(), "test.connect"));
  EXPECT_EQ(alerts.size(), kTree);
  for (const Alert& alert : alerts) {
    uint32_t pid = alert["process"]["pid"];
    EXPECT_EQ(tree_of(alert), trees[pid]) << alert;
    EXPECT_EQ(alert["process"]["cmdline"], cmdlines[pid]) << alert;
    expect_identity(alert, *container);
  }

  ASSERT_TRUE(deployment().stop_agent().ok());
  struct stat cgroup {};
  ASSERT_EQ(stat(container->cgroup_folder().c_str(), &cgroup), 0);
  FoundCounter found(cgroup.st_ino);
  RecordingSource recording(sandbox().path("start.pkr"));
  ASSERT_TRUE(recording.start().ok());
  while (recording.poll(found, std::chrono::milliseconds(0)).ok()) continue;
  EXPECT_EQ(recording.damage(), RecordingDamage::none);
  for (uint32_t pid : running) EXPECT_EQ(found.times[pid], 1) << pid << " " << cmdline_of(pid);
  EXPECT_EQ(found.times.size(), running.size());
}

}  // namespace
}  // namespace picket::test
