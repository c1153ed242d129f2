// What the collector holds of a rule's alerts, with their counts as they are now: the stream tells
// an alert once. The test's thread only; a list that cannot be had fails the test.
#pragma once

#include <sstream>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {

inline std::vector<Alert> stored_alerts(Deployment& deployment, const std::string& rule) {
  std::vector<Alert> alerts;
  auto listed =
      deployment.picketctl({"alerts", "list", "--rule", rule, "--limit", "10000", "-o", "json"});
  if (!listed.ok() || listed->exit_code != 0) {
    ADD_FAILURE() << "list the alerts of " << rule << ": "
                  << (listed.ok() ? listed->err : std::string(listed.status().message()));
    return alerts;
  }
  std::istringstream lines(listed->out);
  for (std::string line; std::getline(lines, line);) alerts.push_back(Alert::parse(line));
  return alerts;
}

}  // namespace picket::test
