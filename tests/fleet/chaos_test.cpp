// Agent and collector are killed at random points under load; nothing that the spool has committed
// may be missing at the collector, or be there twice.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "agent/spool/spool.h"
#include "tests/support/chaos_seed.h"
#include "tests/support/http.h"
#include "tests/support/stored.h"
#include "tests/support/subprocess.h"
#include "tests/unit/dev_pki.h"

namespace picket::test {
namespace {

constexpr int kKills = 50;
constexpr int kKilled = 128 + SIGKILL;

// The two programs, their files, and what the agents said.
class Fleet : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // an order to an agent that was just killed
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-chaos-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    pki_.issue("collector collector");
    pki_.issue("node n1");
    const auto port = free_port(), http = free_port();
    ASSERT_TRUE(port.ok() && http.ok());
    port_ = *port;
    http_ = *http;
    const TlsFiles tls = pki_.files("collector");
    ASSERT_TRUE(
        write_file(folder_ / "collector.yaml",
                   fmt::format("listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\n"
                               "database: collector.db\nlog: {{level: warning}}\n"
                               "tls: {{ca: {}, cert: {}, key: {}}}\n",
                               port_, http_, tls.ca.string(), tls.cert.string(), tls.key.string()))
            .ok());
    log_ = Fd(open((folder_ / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  }
  void TearDown() override {
    agent_.reset();
    collector_.reset();
    if (HasFailure()) std::cerr << read_file(folder_ / "log").value_or("") << '\n';
    std::filesystem::remove_all(folder_);
  }

  void start_collector() {
    auto started = Subprocess::start(
        {.argv = {PICKET_BINARY_DIR "/picket-collector", "--config", folder_ / "collector.yaml"},
         .out = log_.get(),
         .err = log_.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    collector_ = std::move(*started);
  }
  void wait_for_collector() {
    for (;;) {
      const auto answer = http_get(http_, "/readyz");
      if (answer.ok() && answer->code == 200) return;
      ASSERT_TRUE(collector_->running_after(std::chrono::milliseconds(10))) << "it ended by itself";
    }
  }
  void start_agent() {
    auto in = make_pipe(), out = make_pipe();
    ASSERT_TRUE(in.ok() && out.ok());
    const TlsFiles tls = pki_.files("n1");
    auto started =
        Subprocess::start({.argv = {PICKET_CHAOS_AGENT, spool(), fmt::format("127.0.0.1:{}", port_),
                                    tls.ca, tls.cert, tls.key, fmt::format("life{}", ++lives_)},
                           .in = in->read.get(),
                           .out = out->write.get(),
                           .err = log_.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    agent_ = std::move(*started);
    orders_ = std::move(in->write);
    said_ = std::make_unique<LineReader>(std::move(out->read));
  }

  void order(size_t alerts) {
    const std::string text = fmt::format("{}\n", alerts);
    ASSERT_EQ(write(orders_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  enum class Heard { spooled, sending, end };
  Heard hear() {
    const auto line = said_->next(std::chrono::steady_clock::now() + kDeadline);
    if (!line) return Heard::end;
    std::istringstream words(*line);
    char kind = 0;
    uint64_t sequence = 0;
    std::string id;
    words >> kind >> sequence >> id;
    if (kind == 'W') return Heard::sending;
    EXPECT_EQ(kind, 'S') << "nothing may be lost here: " << *line;
    EXPECT_GT(sequence, last_) << "a sequence came back";
    last_ = std::max(last_, sequence);
    EXPECT_TRUE(committed_.insert(id).second) << id;
    return Heard::spooled;
  }
  void hear_the_rest() {
    while (hear() != Heard::end) {
    }
    EXPECT_TRUE(said_->closed());
  }
  // While the agent is away from the collector, or anywhere.
  void let_spool(size_t alerts) {
    for (size_t heard = 0; heard < alerts;) {
      const Heard what = hear();
      ASSERT_NE(what, Heard::end) << "the agent ended by itself";
      heard += what == Heard::spooled;
    }
  }
  // Until so many batches went out, with more to do all the time.
  void let_deliver(size_t batches) {
    for (size_t heard = 0; heard < batches;) {
      const Heard what = hear();
      ASSERT_NE(what, Heard::end) << "the agent ended by itself";
      if (what != Heard::sending) continue;
      ++heard;
      order(20);
    }
  }
  void kill_agent() {
    agent_->signal(SIGKILL);
    hear_the_rest();
    const auto code = agent_->wait();
    ASSERT_TRUE(code.ok() && *code == kKilled) << code.status() << " " << code.value_or(-1);
  }
  void kill_collector() {
    collector_->signal(SIGKILL);
    const auto code = collector_->wait();
    ASSERT_TRUE(code.ok() && *code == kKilled) << code.status() << " " << code.value_or(-1);
  }
  // Everything is delivered, and both end as they would for an operator.
  void end_well() {
    orders_.reset();
    hear_the_rest();
    const auto agent = agent_->wait();
    ASSERT_TRUE(agent.ok() && *agent == 0) << agent.status() << " " << agent.value_or(-1);
    collector_->signal(SIGTERM);
    const auto collector = collector_->wait();
    ASSERT_TRUE(collector.ok() && *collector == 0)
        << collector.status() << " " << collector.value_or(-1);
  }

  std::string spool() const { return folder_ / "spool.db"; }
  std::vector<std::string> stored(const std::string& sql) const {
    auto rows = stored_rows(folder_ / "collector.db", sql);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return std::move(rows).value_or(std::vector<std::string>());
  }

  const DevPki pki_;
  std::filesystem::path folder_;
  uint16_t port_ = 0, http_ = 0;
  Fd log_, orders_;
  std::unique_ptr<Subprocess> collector_, agent_;
  std::unique_ptr<LineReader> said_;
  int lives_ = 0;
  uint64_t last_ = 0;
  std::set<std::string> committed_;
};

TEST_F(Fleet, KillNine50) {
  const unsigned seed = chaos_seed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  start_collector();
  wait_for_collector();
  start_agent();
  int kills_of_agent = 0, in_delivery = 0;
  for (int kill = 0; kill < kKills && !HasFatalFailure(); ++kill) {
    const size_t alerts = 50 + random() % 300;
    order(alerts);
    if (random() % 3 == 0) {
      let_spool(1 + random() % alerts);
    } else {
      ++in_delivery;  // then both are at work: sending, storing, acknowledging
      let_deliver(1 + random() % 20);
    }
    if (random() % 2 == 0) {
      ++kills_of_agent;
      kill_agent();
      start_agent();
    } else {
      kill_collector();
      start_collector();
      if (random() % 2 == 0) wait_for_collector();  // else the next kill may hit its start
    }
  }
  ASSERT_FALSE(HasFatalFailure());
  wait_for_collector();
  order(10);
  end_well();
  if (HasFatalFailure()) return;

  const auto left = Spool::open(spool(), {});
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ((*left)->count(), 0U) << "everything was acknowledged";
  EXPECT_EQ((*left)->take_loss()->count, 0U);

  // An agent may have died between a commit and saying so: the collector may know more, never less.
  std::map<std::string, int> times;
  for (const std::string& id : stored("SELECT id FROM alerts")) ++times[id];
  for (const std::string& id : stored("SELECT command_id FROM command_results")) ++times[id];
  for (const std::string& id : committed_) ASSERT_EQ(times[id], 1) << id;
  for (const auto& [id, count] : times) ASSERT_EQ(count, 1) << id;
  EXPECT_EQ(stored("SELECT count(*) FROM alerts WHERE count <> 1").at(0), "0");
  EXPECT_TRUE(stored("SELECT first, last FROM gaps").empty());
  const auto streams = stored("SELECT node, epoch, last_sequence, missing FROM streams");
  ASSERT_EQ(streams.size(), 1U) << "no kill may look like a damaged spool";
  EXPECT_EQ(times.size(), (*left)->last_sequence()) << "every sequence is stored";
  EXPECT_TRUE(streams.at(0).ends_with(fmt::format("{} {} 0", (*left)->epoch(), last_)))
      << streams.at(0);
  fmt::print(
      "{} kills, {} of them of the agent, {} during delivery; {} envelopes said to be spooled, {} "
      "stored\n",
      kKills, kills_of_agent, in_delivery, committed_.size(), times.size());
}

}  // namespace
}  // namespace picket::test
