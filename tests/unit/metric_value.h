// A series of a registry, as Prometheus would read it: a name, or name{label="value"}.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "common/metrics.h"

namespace picket::test {

inline double metric_value(const MetricRegistry& registry, const std::string& series) {
  const std::string text = "\n" + registry.text(), line = "\n" + series + " ";
  const size_t found = text.find(line);
  if (found != std::string::npos) return std::stod(text.substr(found + line.size()));
  ADD_FAILURE() << "no metric " << series << " in" << text;
  return -1;
}

}  // namespace picket::test
