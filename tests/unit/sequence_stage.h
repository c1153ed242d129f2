// Sequences for tests: a rule that is one, and a stage on which processes of a workspace act by
// name, time and branch. One thread; a text that does not load throws, as rules_of() does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/rule_fixture.h"

namespace picket {

inline constexpr uint64_t kSecond = 1'000'000'000;

inline std::string sequence_of(std::string_view body, std::string_view output = "it happened") {
  return "- rule: s\n  desc: d\n  priority: NOTICE\n  output: \"" + std::string(output) +
         "\"\n  sequence:\n" + std::string(body);
}

// Processes of a workspace, whose first process is pid 100: events by name, time and branch.
class Stage {
 public:
  explicit Stage(std::string rules, SequenceLimits limits = {})
      : detector(rules_of(std::move(rules)), limits) {}

  // A process of that name below a branch of the workspace's first process.
  Stage& event(double seconds, std::string name, uint32_t branch = 1, uint64_t cgroup = 77,
               std::string address = {}) {
    Scene scene(address.empty() ? PK_EXEC : PK_CONNECT);
    if (!address.empty()) scene.with("remote_addr", address).with("remote_port", "443");
    scene.init.vpid = 1;
    scene.init.session = first_session;
    scene.parent.key = {200 + branch, 7};
    scene.parent.session = session;
    scene.process.session = session;
    scene.process.key = {++pid_, 9};
    scene.process.comm = std::move(name);
    scene.workspace.owner = owner;
    scene.workspace.cgroup_id = scene.init.workspace_cgroup = scene.parent.workspace_cgroup =
        scene.process.workspace_cgroup = cgroup;
    scene.record.header().time_ns = static_cast<uint64_t>(seconds * kSecond);
    for (Finding& finding : scene.run(detector)) found.push_back(std::move(finding));
    return *this;
  }
  Stage& tick(double seconds) {
    CollectingSink sink;
    detector.on_tick(static_cast<uint64_t>(seconds * kSecond), sink);
    for (Finding& finding : sink.findings) found.push_back(std::move(finding));
    return *this;
  }

  RuleDetector detector;
  std::vector<Finding> found;
  uint32_t session = 0, first_session = 0;
  std::string owner;

 private:
  uint32_t pid_ = 1000;
};

inline const std::string kThreeSteps = sequence_of(R"(
    within: 60s
    steps:
      - step: fetch
        condition: proc.name = curl
      - step: chmod
        condition: proc.name = chmod
      - step: run
        condition: proc.name = payload
)",
                                                   "%proc.name ran");

inline const std::string kUnreviewed = sequence_of(R"(
    within: 60s
    steps:
      - step: fetch
        condition: proc.name = curl
      - absent: check
        condition: proc.name = sha256sum
      - step: run
        condition: proc.name = payload
)");

}  // namespace picket
