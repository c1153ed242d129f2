// A whole collector in this process, on ports of its own, with real certificates and a database in
// a temporary folder; picketctl runs against it as its own program. Owner: the test's thread.
// Errors: test failures.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "collector/app/collector.h"
#include "tests/fleet/simulated_agent.h"
#include "tests/support/subprocess.h"
#include "tests/unit/dev_pki.h"
#include "tests/unit/wire.h"

namespace picket::test {

class CollectorTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void start();
  void stop() { collector_.reset(); }

  static TlsFiles certificate(const std::string& name);
  int port() const { return collector_->grpc_port(); }
  std::unique_ptr<SimulatedAgent> agent(const std::string& name = "n1") const {
    return std::make_unique<SimulatedAgent>(port(), certificate(name));
  }

  // As the operator, or whatever else `who` is.
  std::vector<std::string> picketctl_command(const std::string& who,
                                             std::vector<std::string> arguments) const;
  ProgramResult picketctl(const std::string& who, std::vector<std::string> arguments) const;
  // Its output as JSON, one object for each line.
  std::vector<nlohmann::json> json(const std::string& who,
                                   std::vector<std::string> arguments) const;
  // The audit log without those who only read, which reading it adds to.
  std::vector<nlohmann::json> orders() const;
  uint64_t audit_entries() const;  // of which the chain holds
  double metric_of(const std::string& name, const std::string& label = "") const;
  static double refused(const CollectorTest& test, const std::string& reason);

  std::filesystem::path folder_;
  SystemClock clock_;
  std::unique_ptr<Collector> collector_;
  int last_port_ = 0;
};

}  // namespace picket::test
