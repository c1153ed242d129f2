// Base of tests that need root, BTF and a container runtime: skips with the reason where they are
// missing, and fails instead when CI=true. Owns the sandbox of the test. The test's thread only.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string_view>

#include "tests/support/sandbox.h"

namespace picket::test {

class LiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = missing(); !why.empty()) {
      const char* ci = std::getenv("CI");
      if (ci != nullptr && std::string_view(ci) == "true") FAIL() << "must run here, but: " << why;
      GTEST_SKIP() << why;
    }
    auto made = Sandbox::create();
    ASSERT_TRUE(made.ok()) << made.status();
    sandbox_ = *std::move(made);
  }

  // Why the test cannot run here; empty: it can.
  virtual std::string missing() const { return missing_for_live_tests(); }

  Sandbox& sandbox() { return *sandbox_; }

 private:
  std::unique_ptr<Sandbox> sandbox_;
};

}  // namespace picket::test
