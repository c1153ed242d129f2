// An uplink with a spool of its own and a collector in this process. Owner: the test's thread.
// Errors: test failures.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "agent/uplink/uplink.h"
#include "tests/unit/dev_pki.h"
#include "tests/unit/fake_collector.h"
#include "tests/unit/metric_value.h"

namespace picket {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline const DevPki& pki() {
  static const DevPki* const pki = [] {
    auto* made = new DevPki;
    made->issue("collector collector");
    made->issue("node n1");
    made->issue("operator admin alice");
    return made;
  }();
  return *pki;
}

class UplinkTest : public testing::Test {
 protected:
  UplinkTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "picket-uplink-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    options_.first_backoff = milliseconds(5);
    options_.last_backoff = milliseconds(50);
    options_.random = [] { return 0.5; };
    options_.agent_version = "test";
    callbacks_.on_command = [this](const v1::Command& command) {
      note([&] { commands_.push_back(command); });
    };
    callbacks_.on_loss = [this](const UplinkLoss& loss) { note([&] { losses_.push_back(loss); }); };
    callbacks_.on_spooled = [this](uint64_t sequence, const v1::Envelope& envelope) {
      note([&] { spooled_.emplace_back(sequence, envelope.alert().id()); });
    };
    callbacks_.on_settled = [this](uint64_t checkpoint) {
      note([&] { settled_.emplace_back(checkpoint, spooled_.size()); });
    };
  }
  ~UplinkTest() override {
    uplink_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start(const std::string& node = "n1",
             const std::string& server_id = "spiffe://picket/collector/collector") {
    auto spool = Spool::open(folder_ / "spool.db", spool_options_);
    ASSERT_TRUE(spool.ok()) << spool.status();
    epoch_ = (*spool)->epoch();
    registry_ = std::make_unique<MetricRegistry>();
    uplink_ = std::make_unique<Uplink>(
        std::move(*spool), grpc_stream_factory(collector_.address(), pki().files(node), server_id),
        options_, callbacks_, *registry_);
    uplink_->start();
  }
  void publish(int from, int to, uint8_t priority = 5) {
    for (int i = from; i <= to; ++i) {
      v1::Envelope envelope;
      envelope.mutable_alert()->set_id(std::to_string(i));
      ASSERT_TRUE(uplink_->publish(std::move(envelope), priority));
    }
  }
  void expect_exactly_once(int count, const std::string& epoch) {
    const auto state = collector_.state();
    ASSERT_TRUE(state.committed.contains(epoch));
    const auto& committed = state.committed.at(epoch);
    ASSERT_EQ(committed.size(), static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) EXPECT_EQ(committed[i].alert().id(), std::to_string(i + 1));
  }
  // What is still in the spool once the agent is gone.
  uint64_t left_in_spool() {
    uplink_.reset();
    auto spool = Spool::open(folder_ / "spool.db", spool_options_);
    EXPECT_TRUE(spool.ok()) << spool.status();
    return (*spool)->count();
  }
  double metric(const std::string& name) const { return test::metric_value(*registry_, name); }
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(60), condition);
  }
  template <class Change>
  void note(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

  std::filesystem::path folder_;
  Spool::Options spool_options_;
  Uplink::Options options_;
  Uplink::Callbacks callbacks_;
  FakeCollector collector_{pki().files("collector")};
  std::unique_ptr<MetricRegistry> registry_;
  std::unique_ptr<Uplink> uplink_;
  std::string epoch_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<v1::Command> commands_;
  std::vector<UplinkLoss> losses_;
  std::vector<std::pair<uint64_t, std::string>> spooled_;
  std::vector<std::pair<uint64_t, size_t>> settled_;  // the checkpoint, and how many were spooled
};

inline auto committed(size_t count) {
  return [count](const FakeCollector::State& state) {
    size_t total = 0;
    for (const auto& [epoch, envelopes] : state.committed) total += envelopes.size();
    return total >= count;
  };
}
inline auto hellos(size_t count) {
  return [count](const FakeCollector::State& state) { return state.hellos.size() >= count; };
}

}  // namespace picket
