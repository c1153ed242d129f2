// RO6: the machine's process numbers go round twice within a workspace's load: who acts under a
// number that others had before is told as himself.
#include <map>
#include <set>
#include <sstream>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

// More takes too long to go round; a pid namespace of its own would not help, because the kernel
// gives every process a number of the machine as well, and that one the agent goes by.
constexpr uint32_t kMostNumbers = 65536;
constexpr int kSpots = 150;

class RO6 : public AcceptanceTest {
 protected:
  std::string missing() const override {
    const std::string most = read_file("/proc/sys/kernel/pid_max").value_or("0");
    if (std::stoul(most) > kMostNumbers)
      return "kernel.pid_max is " + most + ": its numbers do not go round within minutes";
    return AcceptanceTest::missing();
  }
};

TEST_F(RO6, WhoGetsAUsedNumberIsToldAsHimself) {
  deploy({.rules = rule("test.connect",
                        "evt.type = connect and fd.rport = 4406 and workspace.id = ro6-reuse"),
          .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container({.id = "ro6-reuse", .host_pids = true});
  ASSERT_TRUE(container);
  const std::vector<std::string> command = {"reuse", "/tmp/reuse", "4406", std::to_string(kSpots),
                                            "3"};
  const auto job = container->launch(command);
  ASSERT_TRUE(job.ok()) << job.status();
  auto code = container->wait_for(*job);
  for (int more = 0; !code.ok() && more < 7; ++more)  // so many forks may take longer than a step
    code = container->wait_for(*job);
  ASSERT_TRUE(code.ok()) << code.status();
  ASSERT_EQ(*code, 0) << container->output_so_far(*job).value_or("");

  // Who acted, by his own account: the number and what he is called.
  std::map<std::pair<uint32_t, std::string>, int> acted;
  std::map<int, int> lives;
  std::istringstream rows(read_file(container->written("/tmp/reuse/acted")).value_or(""));
  const std::string base = fmt::format("{}", fmt::join(command, " "));
  uint32_t pid = 0;
  for (int life = 0; rows >> life >> pid; ++lives[life]) {
    const char* name = life == 1 ? "first" : "third";
    acted[{pid, life == 2 ? base : fmt::format("reuse {}-{} /tmp/reuse 4406", name, pid)}] = life;
  }
  EXPECT_EQ(lives[1], kSpots);
  EXPECT_GE(lives[2], kSpots / 2) << "too few numbers came again to say anything";
  EXPECT_GE(lives[3], kSpots / 4);

  std::map<uint32_t, std::map<int, uint64_t>> starts;  // by number and life
  const std::vector<Alert> alerts = distinct(by_rule(alerts_so_far(*container), "test.connect"));
  for (const Alert& alert : alerts) {
    const Alert& process = alert["process"];
    const uint32_t number = process["pid"];
    const auto found = acted.find({number, process["cmdline"].get<std::string>()});
    ASSERT_NE(found, acted.end()) << "nobody like this acted: " << alert;
    EXPECT_EQ(alert["count"], 1) << alert;
    EXPECT_TRUE(starts[number].emplace(found->second, process["start_ns"]).second) << alert;
    EXPECT_EQ(alert["lineage"][0]["cmdline"], base) << alert;
    EXPECT_EQ(alert["lineage"][0]["pid"], job->pid) << alert;
  }
  EXPECT_EQ(alerts.size(), acted.size());
  for (const auto& [number, by_life] : starts) {
    uint64_t last = 0;
    for (const auto& [life, start_ns] : by_life) {
      EXPECT_GT(start_ns, last) << "number " << number << " in its life " << life;
      last = start_ns;
    }
  }
  fmt::print("{} of {} numbers came again, {} twice\n", lives[2], kSpots, lives[3]);
}

}  // namespace
}  // namespace picket::test
