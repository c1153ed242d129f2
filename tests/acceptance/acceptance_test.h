// What the acceptance tests share: a deployment, containers, rules of their own, and a mark in the
// stream of alerts behind which nothing that happened before can be missing. The test's thread
// only.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <poll.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/container.h"
#include "tests/support/deployment.h"
#include "tests/support/live_test.h"

namespace picket::test {

using Alert = AlertStream::Alert;

// For what raises no event that another process could wait for: files, counters behind HTTP.
inline bool until(const std::function<bool()>& holds) {
  auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds()) return true;
    poll(nullptr, 0, 20);
  }
  return false;
}

// A rule that the test needs to see an event at the collector.
inline std::string rule(std::string_view name, std::string_view condition,
                        std::string_view more = {}) {
  return fmt::format(
      "- rule: {}\n  desc: Of a test\n  condition: {}\n  output: \"%proc.cmdline\"\n"
      "  priority: NOTICE\n{}",
      name, condition, more);
}

// The file of the agent's records when tests/records/record asks for them; empty: none are kept.
inline std::string recording_as(std::string_view name) {
  const char* folder = std::getenv("PICKET_RECORD_TO");
  return folder != nullptr ? fmt::format("{}/{}.pkr", folder, name) : std::string();
}

inline const std::string kMarkRule =
    rule("test.mark", "evt.type in (execve, execveat) and proc.args startswith mark-");

class AcceptanceTest : public LiveTest {
 protected:
  // Its first alert may be of another container of the machine: tests ask for their workspace's.
  void deploy(DeploymentOptions options = {}) {
    options.rules += kMarkRule;
    auto started = Deployment::with_agent(sandbox(), std::move(options));
    ASSERT_TRUE(started.ok()) << started.status();
    deployment_ = *std::move(started);
  }

  std::unique_ptr<Container> make_container(ContainerOptions options = {}) {
    auto made = Container::run_new(sandbox(), std::move(options));
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *std::move(made) : nullptr;
  }

  // Everything that the container's processes did before this call: the alerts of its workspace.
  std::vector<Alert> alerts_so_far(Container& container) {
    std::string mark = fmt::format("mark-{}", ++marks_);
    EXPECT_TRUE(container.run({"true", mark}).ok());
    auto all = deployment().alerts().all_until("the mark " + mark, [&](const Alert& alert) {
      return alert["rule"] == "test.mark" && of(container, alert) &&
             alert["process"]["cmdline"].get<std::string>().ends_with(mark);
    });
    EXPECT_TRUE(all.ok()) << all.status();
    std::vector<Alert> own;
    if (!all.ok()) return own;
    for (const Alert& alert : *all)
      if (of(container, alert) && alert["rule"] != "test.mark") own.push_back(alert);
    return own;
  }

  static bool of(const Container& container, const Alert& alert) {
    return alert["workspace"]["container_id"] == container.id();
  }

  Deployment& deployment() { return *deployment_; }
  std::unique_ptr<Deployment> deployment_;

 private:
  int marks_ = 0;
};

// A merged repeat comes again under its id: the last state of each alert, in order of the first.
inline std::vector<Alert> distinct(const std::vector<Alert>& alerts) {
  std::vector<Alert> result;
  for (const Alert& alert : alerts) {
    auto same = std::find_if(result.begin(), result.end(),
                             [&](const Alert& known) { return known["id"] == alert["id"]; });
    if (same == result.end())
      result.push_back(alert);
    else
      *same = alert;
  }
  return result;
}

// It claims that somebody did what they should not, and is no mere record.
inline bool accuses(const Alert& alert) {
  return alert["priority"] != "INFORMATIONAL" && alert["priority"] != "DEBUG";
}

inline std::vector<Alert> accusations(const std::vector<Alert>& alerts) {
  std::vector<Alert> result;
  for (const Alert& alert : distinct(alerts))
    if (accuses(alert)) result.push_back(alert);
  return result;
}

inline std::vector<Alert> by_rule(const std::vector<Alert>& alerts, std::string_view name) {
  std::vector<Alert> result;
  for (const Alert& alert : alerts)
    if (alert["rule"] == name) result.push_back(alert);
  return result;
}

// Who, what and where: no field of the identity is empty, and it is the container's.
inline void expect_identity(const Alert& alert, const Container& container) {
  const Alert& workspace = alert["workspace"];
  EXPECT_EQ(workspace["container_id"], container.id()) << alert;
  EXPECT_EQ(workspace["cgroup"], container.cgroup()) << alert;
  for (const char* field : {"id", "name", "image"})
    EXPECT_NE(workspace[field], "") << field << " of " << alert;
  EXPECT_THAT(workspace["image_source"].get<std::string>(),
              ::testing::AnyOf("annotation", "runtime", "rootfs"));
  EXPECT_NE(alert["process"]["pid"], 0u) << alert;
  EXPECT_NE(alert["process"]["start_ns"], 0u) << alert;
  EXPECT_NE(alert["process"]["cmdline"], "") << alert;
  EXPECT_THAT(alert["node"].get<std::string>(), "spiffe://picket/node/node-a");
}

// The pids of the process and of its ancestors, nearest first.
inline std::vector<uint32_t> tree_of(const Alert& alert) {
  std::vector<uint32_t> pids = {alert["process"]["pid"].get<uint32_t>()};
  for (const Alert& ancestor : alert["lineage"]) pids.push_back(ancestor["pid"].get<uint32_t>());
  return pids;
}

}  // namespace picket::test
