// picketd and the collector are killed at random points while a container is busy. What the
// agent's spool has committed is stored once; an event that gave no alert lies in an interval of
// which a blind spot tells.
#include <sys/inotify.h>

#include <filesystem>
#include <random>

#include "agent/spool/spool.h"
#include "picket/v1/agent.pb.h"
#include "tests/acceptance/load.h"
#include "tests/support/chaos_seed.h"
#include "tests/support/stored.h"

namespace picket::test {
namespace {

constexpr int kRounds = 10;  // in each the agent is killed and then the collector
constexpr int kLoadCount = 60'000;
constexpr int kLoadPauseUs = 1000;

// The next write of a file, from the moment this is made.
class NextWrite {
 public:
  explicit NextWrite(const std::string& file) : watch_(inotify_init1(IN_CLOEXEC)) {
    EXPECT_GE(inotify_add_watch(watch_.get(), file.c_str(), IN_MODIFY), 0) << file;
  }
  bool came() {
    pollfd waiting{watch_.get(), POLLIN, 0};
    return poll(&waiting, 1, std::chrono::milliseconds(kDeadline).count()) == 1;
  }

 private:
  Fd watch_;
};

// An interval without an agent: from a kill until, at the earliest, the one after it was started.
struct Absence {
  std::string from, to;
};

class Chaos : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = kLoadRule, .shipped_rules = false});
    if (HasFatalFailure()) return;
    container_ = make_container();
    ASSERT_TRUE(container_);
    auto load = launch_load(*container_, kLoadCount, kLoadPauseUs);
    ASSERT_TRUE(load.ok()) << load.status();
    load_ = *load;
  }

  std::chrono::milliseconds at_most(unsigned ms) {
    return std::chrono::milliseconds(random_() % ms);
  }

  void kill_agent() {
    absences_.push_back({utc_now(), {}});
    scratch_.push_back(
        fmt::format("{}/picket-self-check-{}", cgroup2_mount(), deployment().agent_pid()));
    absl::Status killed = deployment().kill_agent();
    ASSERT_TRUE(killed.ok()) << killed;
    ++agent_kills_;
    look_into_spool();
    absences_.back().to = utc_now();
    absl::Status launched = deployment().launch_agent();
    ASSERT_TRUE(launched.ok()) << launched;
  }
  void wait_for_agent() {
    absl::Status ready = deployment().wait_for_agent();
    ASSERT_TRUE(ready.ok()) << ready;
  }
  void kill_collector() {
    absl::Status killed = deployment().kill_collector();
    ASSERT_TRUE(killed.ok()) << killed;
    ++collector_kills_;
  }
  void launch_collector() {
    absl::Status launched = deployment().launch_collector();
    ASSERT_TRUE(launched.ok()) << launched;
  }
  bool coin() { return random_() % 2 == 0; }

  // The worst moments are those right after the agent has noted how far it has watched: what it
  // noted must not be ahead of what the spool has.
  void agents_turn() {
    NextWrite heartbeat(sandbox().path("agent/heartbeat"));
    if (coin())
      ASSERT_TRUE(deployment().agent().running_after(at_most(1500)));
    else
      ASSERT_TRUE(heartbeat.came());
    kill_agent();
    if (HasFatalFailure() || coin()) return;
    NextWrite first_heartbeat(sandbox().path("agent/heartbeat"));
    if (coin())  // the successor in the middle of its start
      ASSERT_TRUE(deployment().agent().running_after(at_most(600)));
    else
      ASSERT_TRUE(first_heartbeat.came());
    kill_agent();
  }
  void collectors_turn() {
    ASSERT_TRUE(deployment().collector().running_after(at_most(1500)));
    kill_collector();
  }
  void one_round() {
    if (coin()) {  // the agent dies with a spool that fills up
      collectors_turn();
      if (!HasFatalFailure()) agents_turn();
    } else {
      agents_turn();
      if (!HasFatalFailure() && coin())
        wait_for_agent();  // else the collector dies while it starts
      if (!HasFatalFailure()) collectors_turn();
    }
    if (!HasFatalFailure()) launch_collector();
    if (!HasFatalFailure()) wait_for_agent();
  }

  // A copy: what the dead agent left is for the next one alone.
  void look_into_spool() {
    const std::string copy = sandbox().path("spool-copy.db");
    for (const char* part : {"", "-wal"}) {  // an agent that ended well leaves no log
      std::error_code error;
      std::filesystem::remove(copy + part, error);
      if (!std::filesystem::exists(sandbox().path("agent/spool.db") + part)) continue;
      std::filesystem::copy_file(sandbox().path("agent/spool.db") + part, copy + part, error);
      ASSERT_FALSE(error) << error.message();
    }
    auto spool = Spool::open(copy, {});
    ASSERT_TRUE(spool.ok()) << spool.status();
    EXPECT_TRUE((*spool)->damaged_file().empty());
    EXPECT_TRUE(epoch_.empty() || epoch_ == (*spool)->epoch()) << "a kill is no new epoch";
    epoch_ = (*spool)->epoch();
    EXPECT_GE((*spool)->last_sequence(), last_sequence_) << "a sequence came back";
    last_sequence_ = (*spool)->last_sequence();
    auto items = (*spool)->read_from(1, SIZE_MAX, SIZE_MAX);
    ASSERT_TRUE(items.ok()) << items.status();
    for (const SpoolItem& item : *items) {
      v1::Envelope envelope;
      ASSERT_TRUE(envelope.ParseFromString(item.bytes));
      if (envelope.has_alert()) spooled_.insert(envelope.alert().id());
    }
  }

  // The load ends, and the collector has everything.
  void end_well() {
    ASSERT_TRUE(container_->run({"touch", std::string(kLoadFolder) + "/stop"}).ok());
    ASSERT_EQ(container_->wait_for(load_).value_or(-1), 0);
    absl::Status status = deployment().wait_for_collector();
    if (status.ok()) status = deployment().watch_alerts();
    ASSERT_TRUE(status.ok()) << status;
    for (const Alert& alert : alerts_so_far(*container_)) load_alerts_.push_back(alert);
    alerts_ = deployment().alerts().seen();
    status = deployment().stop_agent();
    if (status.ok()) status = deployment().stop_collector();
    ASSERT_TRUE(status.ok()) << status;
  }

  // Every sequence that the spool gave is stored, and none twice.
  void expect_whole_stream() {
    look_into_spool();
    auto spool = Spool::open(sandbox().path("agent/spool.db"), {});
    ASSERT_TRUE(spool.ok()) << spool.status();
    EXPECT_EQ((*spool)->count(), 0u) << "everything was acknowledged";
    EXPECT_EQ((*spool)->take_loss()->count, 0u);
    const auto rows = [&](const char* query) {
      return stored_rows(deployment().database(), query).value_or(std::vector<std::string>{});
    };
    EXPECT_THAT(rows("SELECT epoch, last_sequence, missing FROM streams"),
                ::testing::ElementsAre(fmt::format("{} {} 0", epoch_, (*spool)->last_sequence())));
    EXPECT_THAT(rows("SELECT count(*) FROM gaps"), ::testing::ElementsAre("0"));
    std::set<std::string> stored;
    for (const std::string& id : rows("SELECT id FROM alerts"))
      EXPECT_TRUE(stored.insert(id).second) << id << " is stored twice";
    EXPECT_GT(spooled_.size(), 0u) << "no kill found anything in the spool";
    for (const std::string& id : spooled_) EXPECT_TRUE(stored.contains(id)) << id;
  }

  std::vector<Bounds> blind() const {
    std::vector<Bounds> all;
    for (const Alert& alert : blind_spots(alerts_))
      if (alert["workspace"]["id"] == "" || of(*container_, alert)) all.push_back(bounds_of(alert));
    return all;
  }

  void expect_absences_told() {
    const auto all = blind();
    EXPECT_EQ(absences_.size(), static_cast<size_t>(agent_kills_));
    for (const Absence& absence : absences_) {
      ASSERT_LT(absence.from, absence.to);
      EXPECT_TRUE(std::ranges::any_of(all,
                                      [&](const Bounds& bounds) {
                                        return bounds.first <= absence.from &&
                                               bounds.last >= absence.to;
                                      }))
          << "no blind spot covers " << absence.from << " to " << absence.to;
    }
  }

  void expect_every_process_accounted_for() {
    const auto ran = load_that_ran(*container_);
    const auto alerts = load_alerts(load_alerts_);
    const auto all = blind();
    size_t unseen = 0, outside = 0;
    for (size_t i = 0; i < ran.size(); ++i) {
      const bool in_blind_spot =
          std::ranges::any_of(all, [&](const Bounds& bounds) { return meet(ran[i], bounds); });
      outside += !in_blind_spot;
      const auto found = alerts.find(i + 1);
      if (found == alerts.end()) {
        ++unseen;
        EXPECT_TRUE(in_blind_spot)
            << "process " << i + 1 << " vanished: " << ran[i].from << " to " << ran[i].to;
      } else {
        EXPECT_EQ(found->second.size(), 1u) << "process " << i + 1 << " gave two alerts";
      }
    }
    fmt::print(
        "{} kills of the agent, {} of the collector; {} processes: {} alerts, {} unseen; "
        "{} outside of every blind spot; {} alerts seen in the spool of a dead agent\n",
        agent_kills_, collector_kills_, ran.size(), alerts.size(), unseen, outside,
        spooled_.size());
    EXPECT_GT(unseen, 0u) << "the kills hit nothing";
    EXPECT_GT(outside, 10u * kRounds) << "a blind spot that covers everything says nothing";
    EXPECT_LE(alerts.empty() ? 0 : alerts.rbegin()->first, ran.size());
  }

  std::mt19937 random_{chaos_seed()};
  std::unique_ptr<Container> container_;
  Container::Job load_;
  std::vector<Absence> absences_;
  std::string epoch_;
  std::vector<std::string> scratch_;  // the cgroups of the self checks of killed agents
  uint64_t last_sequence_ = 0;
  int agent_kills_ = 0, collector_kills_ = 0;
  std::set<std::string> spooled_;  // of every dead agent
  std::vector<Alert> alerts_, load_alerts_;
};

TEST_F(Chaos, AgentAndCollectorKilled) {
  SCOPED_TRACE(fmt::format("PICKET_CHAOS_SEED={}", chaos_seed()));
  for (int round = 0; round < kRounds; ++round) {
    one_round();
    if (HasFatalFailure()) return;
  }
  end_well();
  if (HasFatalFailure()) return;
  EXPECT_THAT(by_rule(alerts_, "picket.self_check"), ::testing::IsEmpty());
  for (const std::string& cgroup : scratch_)
    EXPECT_FALSE(std::filesystem::exists(cgroup)) << cgroup << " is left behind";
  expect_whole_stream();
  expect_absences_told();
  expect_every_process_accounted_for();
}

}  // namespace
}  // namespace picket::test
