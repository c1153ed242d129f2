// Numbered processes in a container (tests/support/programs/load.c), the rule that matches each of
// them, and when each ran by the container's own account. The test's thread only.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {

// All times below are as alerts print them: one form and one length, so that they compare as text.
struct Ran {
  std::string from, to;
};
struct Bounds {
  std::string first, last;
};

inline std::string utc_now() { return rfc3339(SystemClock().wall_ns()).text; }

inline const std::string kLoadRule =
    rule("test.load", "evt.type in (execve, execveat) and proc.args startswith load-");
inline constexpr char kLoadFolder[] = "/tmp/load";

inline absl::StatusOr<Container::Job> launch_load(Container& container, int count, int pause_us) {
  return container.launch({"load", kLoadFolder, std::to_string(count), std::to_string(pause_us)});
}

// By number, from 1: element 0 is process 1.
inline std::vector<Ran> load_that_ran(const Container& container) {
  std::string bytes =
      read_file(container.written(std::string(kLoadFolder) + "/times")).value_or("");
  std::vector<Ran> all;
  for (size_t at = 0; at + 2 * sizeof(uint64_t) <= bytes.size(); at += 2 * sizeof(uint64_t)) {
    uint64_t ran[2];
    std::memcpy(ran, bytes.data() + at, sizeof ran);
    all.push_back({rfc3339(ran[0]).text, rfc3339(ran[1]).text});
  }
  return all;
}

// The ids of the alerts of each process of the load, by its number.
inline std::map<size_t, std::set<std::string>> load_alerts(const std::vector<Alert>& alerts) {
  constexpr std::string_view kName = "load-";
  std::map<size_t, std::set<std::string>> ids;
  for (const Alert& alert : by_rule(alerts, "test.load")) {
    const std::string words = alert["process"]["cmdline"];
    EXPECT_EQ(alert["count"], 1) << alert;
    ids[std::stoul(words.substr(words.rfind(kName) + kName.size()))].insert(alert["id"]);
  }
  return ids;
}

inline std::vector<Alert> blind_spots(const std::vector<Alert>& alerts) {
  return by_rule(alerts, "picket.blind_spot");
}

inline Bounds bounds_of(const Alert& alert) { return {alert["first"], alert["last"]}; }

// Whether the two have a moment in common.
inline bool meet(const Ran& ran, const Bounds& bounds) {
  return ran.to >= bounds.first && ran.from <= bounds.last;
}

}  // namespace picket::test
