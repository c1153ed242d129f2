// TR1: the collector is away while there is much to tell. When it is back every alert is stored
// once, in the order of its workspace. A spool that is too small for all of it loses what only
// describes first, the oldest of that, and no alert. The hour is one of event time: the clock of
// the events is the test's, and jumps; the agent itself is shown with seconds.
#include <atomic>
#include <map>
#include <thread>

#include "agent/uplink/uplink.h"
#include "common/alert_json.h"
#include "common/tls.h"
#include "tests/acceptance/load.h"
#include "tests/support/http.h"
#include "tests/support/stored.h"

namespace picket::test {
namespace {

[[maybe_unused]] const bool tls13 = [] {
  require_tls13();
  return true;
}();

constexpr int kSeconds = 3600, kEachSecond = 4, kWorkspaces = 5;
constexpr uint64_t kTick = 1'000'000'000ULL / kEachSecond;
constexpr uint8_t kDescribes = 8;  // what is no alert

struct EventClock final : Clock {
  uint64_t boot_ns() const override { return now; }
  uint64_t wall_ns() const override { return now; }
  uint64_t now = 1'764'102'600'000'000'000U;
};

class TR1 : public AcceptanceTest {
 protected:
  std::vector<std::string> stored(const std::string& query) {
    auto rows = stored_rows(deployment().database(), query);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.value_or(std::vector<std::string>());
  }
};

TEST_F(TR1, WhatTheAgentSawWhileTheCollectorWasAway) {
  constexpr int kProcesses = 2000;
  deploy({.rules = kLoadRule, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  alerts_so_far(*container);
  ASSERT_TRUE(deployment().stop_collector().ok());
  auto load = launch_load(*container, kProcesses, 500);
  ASSERT_TRUE(load.ok()) << load.status();
  ASSERT_EQ(container->wait_for(*load).value_or(-1), 0);
  ASSERT_TRUE(until([&] {
    return metric(deployment().agent_http(), "picket_uplink_lag").value_or(0) >= kProcesses;
  })) << "the spool keeps what cannot be sent";
  ASSERT_TRUE(deployment().start_collector().ok());
  const auto alerts = alerts_so_far(*container);
  size_t next = 0;
  for (const Alert& alert : by_rule(alerts, "test.load")) {
    const std::string words = alert["process"]["cmdline"];
    EXPECT_THAT(words, ::testing::EndsWith(fmt::format("load-{}", ++next)));
  }
  EXPECT_EQ(next, static_cast<size_t>(kProcesses));
  EXPECT_EQ(
      stored("SELECT count(*), count(DISTINCT id) FROM alerts WHERE rule = 'test.load'").at(0),
      fmt::format("{} {}", kProcesses, kProcesses));
  EXPECT_EQ(stored("SELECT sum(missing) FROM streams").at(0), "0");
}

// The agent's spool and uplink, and a collector as it is run.
class Hour : public TR1 {
 protected:
  void SetUp() override {
    TR1::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto started = Deployment::with_collector(sandbox(), {});
    ASSERT_TRUE(started.ok()) << started.status();
    deployment_ = *std::move(started);
    ASSERT_TRUE(deployment().stop_collector().ok());
    auto spool = Spool::open(sandbox().path("spool.db"), {.max_bytes = kSpoolBytes});
    ASSERT_TRUE(spool.ok()) << spool.status();
    Uplink::Callbacks callbacks;
    callbacks.on_loss = [this](const UplinkLoss& loss) { lost_ += loss.count; };
    callbacks.on_spooled = [this](uint64_t sequence, const v1::Envelope& envelope) {
      if (!envelope.has_alert()) describing_.push_back(sequence);
      ++spooled_;
    };
    Uplink::Options options;
    options.last_backoff = std::chrono::milliseconds(200);
    uplink_ = std::make_unique<Uplink>(
        *std::move(spool),
        grpc_stream_factory(fmt::format("127.0.0.1:{}", deployment().collector_port()),
                            {deployment().pki_file("ca.crt"), deployment().pki_file("node-a.crt"),
                             deployment().pki_file("node-a.key")},
                            "spiffe://picket/collector/collector"),
        options, callbacks, registry_);
    uplink_->start();
  }
  void publish(v1::Envelope envelope, uint8_t priority) {
    // As fast as the spool takes it: an outbox that overflows is another story.
    ASSERT_TRUE(until([&] { return published_ - spooled_ < 4000; }));
    ++published_;
    ASSERT_TRUE(uplink_->publish(std::move(envelope), priority));
  }
  void publish_alert(int number) {
    v1::Envelope envelope;
    v1::Alert& alert = *envelope.mutable_alert();
    alert.set_id(fmt::format("{:06}", number));
    alert.set_rule("hour");
    alert.set_priority(static_cast<v1::Priority>(1 + number % 8));
    alert.set_output(std::string(200, 'a'));
    alert.mutable_workspace()->set_id(fmt::format("w{}", number % kWorkspaces));
    set_wall_ns(*alert.mutable_time(), clock_.wall_ns());
    publish(std::move(envelope), static_cast<uint8_t>(number % 8));
  }
  void publish_description(int number) {
    v1::Envelope envelope;
    envelope.mutable_session()->set_id(fmt::format("s{}", number));
    envelope.mutable_session()->set_program(std::string(250, 's'));
    publish(std::move(envelope), kDescribes);
  }
  void TearDown() override { uplink_.reset(); }

  // All alerts, and a part of the rest.
  static constexpr uint64_t kSpoolBytes = 6 << 20;
  EventClock clock_;
  MetricRegistry registry_;
  std::atomic<uint64_t> lost_{0}, spooled_{0};
  std::vector<uint64_t> describing_;  // sequences, of the uplink's thread until it ended
  uint64_t published_ = 0;
  std::unique_ptr<Uplink> uplink_;
};

TEST_F(Hour, OfEventTimeWithoutACollector) {
  int alerts = 0;
  const uint64_t begun = clock_.now;
  for (int second = 0; second < kSeconds && !HasFatalFailure(); ++second) {
    if (second == kSeconds / 2) clock_.now -= 600 * 1'000'000'000ULL;  // the clock was set
    for (int i = 0; i < kEachSecond; ++i, clock_.now += kTick) publish_alert(++alerts);
    for (int i = 0; i < kEachSecond; ++i) publish_description(second * kEachSecond + i);
  }
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(clock_.now - begun, (kSeconds - 600) * 1'000'000'000ULL);
  ASSERT_TRUE(until([&] { return spooled_ == published_; }));
  ASSERT_TRUE(deployment().start_collector().ok());
  uplink_->stop(std::chrono::seconds(120));
  uplink_.reset();
  ASSERT_TRUE(deployment().stop_collector().ok());

  std::map<std::string, int> last, count;
  for (const std::string& row : stored("SELECT workspace_id, id FROM alerts ORDER BY row")) {
    const std::string workspace = row.substr(0, row.find(' '));
    const int number = std::stoi(row.substr(row.find(' ') + 1));
    EXPECT_GT(number, last[workspace]) << "of " << workspace;
    last[workspace] = number;
    ++count[workspace];
  }
  EXPECT_EQ(count.size(), static_cast<size_t>(kWorkspaces));
  for (const auto& [workspace, stored_of_it] : count)
    EXPECT_EQ(stored_of_it, alerts / kWorkspaces) << workspace;

  // What is missing is known to the number, and is the oldest of what describes.
  std::vector<uint64_t> missing;
  for (const std::string& row : stored("SELECT first, last FROM gaps ORDER BY first"))
    for (uint64_t next = std::stoull(row); next <= std::stoull(row.substr(row.find(' ') + 1));
         ++next)
      missing.push_back(next);
  ASSERT_FALSE(missing.empty()) << "the spool was large enough for everything";
  ASSERT_LT(missing.size(), describing_.size());
  EXPECT_EQ(missing.size(), lost_);
  describing_.resize(missing.size());
  EXPECT_EQ(missing, describing_);
  EXPECT_EQ(stored("SELECT sum(missing) FROM streams").at(0), std::to_string(missing.size()));
  fmt::print(
      "{} alerts in {} s of event time stored once, in order; of {} descriptions the oldest {} "
      "were shed\n",
      alerts, kSeconds, kSeconds * kEachSecond, missing.size());
}

}  // namespace
}  // namespace picket::test
