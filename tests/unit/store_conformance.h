// What every Store must do, whatever the database: instantiate StoreConformance with a way to make
// an empty one. One thread. Errors: test failures.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "collector/store/store.h"
#include "common/clock.h"

namespace picket::test {

class TestClock final : public Clock {
 public:
  uint64_t boot_ns() const override { return now; }
  uint64_t wall_ns() const override { return now; }
  uint64_t now = 1'764'102'600'000'000'000U;
};

// A database that a test may close and open again.
struct StoreUnderTest {
  virtual ~StoreUnderTest() = default;
  virtual absl::StatusOr<std::unique_ptr<Store>> open(const Clock& clock) = 0;
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
};

class StoreConformance : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override;
  void reopen();
  CommitOutcome commit(const NodeBatch& batch);
  std::unique_ptr<StoreReader> reader();
  std::vector<std::string> alert_ids(AlertQuery query = {});

  TestClock clock_;
  std::unique_ptr<StoreUnderTest> under_test_;
  std::unique_ptr<Store> store_;
};

}  // namespace picket::test
