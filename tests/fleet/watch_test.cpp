// A consumer that is away and comes back with its cursor misses nothing and sees nothing twice.
#include <gmock/gmock.h>

#include "tests/fleet/collector_fixture.h"

namespace picket::test {
namespace {

using testing::HasSubstr;

class Watch : public CollectorTest {
 protected:
  // Reads `count` alerts and goes away; the last one's cursor.
  uint64_t watch(uint64_t after, size_t count, std::vector<std::string> more = {}) {
    auto pipe = make_pipe();
    EXPECT_TRUE(pipe.ok());
    std::vector<std::string> arguments{"alerts", "watch",   "-o",
                                       "json",   "--after", std::to_string(after)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto program = Subprocess::start(
        {.argv = picketctl_command("vic", arguments), .out = pipe->write.get(), .err = 2});
    EXPECT_TRUE(program.ok()) << program.status();
    pipe->write.reset();
    LineReader lines(std::move(pipe->read));
    uint64_t cursor = after;
    for (size_t i = 0; i < count; ++i) {
      const auto line = lines.next(std::chrono::steady_clock::now() + kDeadline);
      if (!line) {
        ADD_FAILURE() << "only " << i << " alerts behind " << after;
        return cursor;
      }
      const auto alert = nlohmann::json::parse(*line);
      seen_.push_back(alert["id"]);
      EXPECT_GT(alert["cursor"].get<uint64_t>(), cursor);
      cursor = alert["cursor"];
    }
    return cursor;
  }
  void store(uint64_t first, uint64_t last) {
    const auto node = agent();
    ASSERT_EQ(node->hello(), first - 1);
    for (uint64_t next = first; next <= last; next += 50)
      ASSERT_TRUE(node->send(alerts_batch(kNode, next, std::min(next + 49, last))));
    ASSERT_TRUE(node->wait_for_ack(last));
  }
  std::vector<std::string> seen_;
};

TEST_F(Watch, GoesOnBehindItsCursor) {
  store(1, 250);
  uint64_t cursor = watch(0, 230);
  cursor = watch(cursor, 20);
  store(251, 260);  // while nobody watches
  stop();
  start();
  cursor = watch(cursor, 5);
  watch(cursor, 5);
  ASSERT_EQ(seen_.size(), 260U);
  for (size_t i = 0; i < seen_.size(); ++i) ASSERT_EQ(seen_[i], fmt::format("epoch-1-{}", i + 1));
}

TEST_F(Watch, FiltersBehindTheCursor) {
  std::vector<v1::Envelope> mixed;
  for (uint64_t i = 1; i <= 6; ++i) {
    v1::Alert alert = make_alert(fmt::format("a{}", i));
    if (i % 2 == 0) alert.set_rule("other");
    mixed.push_back(envelope(i, alert));
  }
  const auto node = agent();
  ASSERT_EQ(node->hello(), 0U);
  ASSERT_TRUE(node->send(batch(kNode, std::move(mixed))));
  ASSERT_TRUE(node->wait_for_ack(6));
  watch(2, 2, {"--rule", "other"});
  EXPECT_THAT(seen_, testing::ElementsAre("a4", "a6"));
}

TEST_F(Watch, HasOneBeginningOnly) {
  const ProgramResult both = picketctl("vic", {"alerts", "watch", "--since", "1h", "--after", "0"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("--since"));
}

}  // namespace
}  // namespace picket::test
