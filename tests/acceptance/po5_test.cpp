// PO5: a waiver withholds the alerts of its rules until its end; then they come again by
// themselves, without a reload, and its end is told with owner, reason and how many were withheld.
#include <chrono>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

// UTC, whole seconds.
std::string time_in(std::chrono::seconds later) {
  const time_t at = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + later);
  char text[32];
  std::tm utc{};
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &utc));
  return text;
}

TEST_F(AcceptanceTest, AWaiverEndsByItself) {
  const std::string asked = "evt.type in (execve, execveat) and proc.args = asked";
  deploy({.rules = rule("test.waived", asked) + rule("test.other", asked) +
                   "- waiver: migration\n  rules: [test.waived]\n  owner: ann@example.org\n"
                   "  reason: the old build calls it\n  expires: " +
                   time_in(std::chrono::seconds(25)) + "\n",
          .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  ASSERT_TRUE(container->run({"true", "asked"}).ok());
  const auto before = distinct(alerts_so_far(*container));
  ASSERT_EQ(before.size(), 1u) << Alert(before).dump(1);
  EXPECT_EQ(before[0]["rule"], "test.other");

  auto ended = deployment().alerts().wait_for("the waiver's end", [](const Alert& alert) {
    return alert["rule"] == "picket.waiver_ended";
  });
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ((*ended)["fields"]["waiver"], "migration");
  EXPECT_EQ((*ended)["fields"]["owner"], "ann@example.org");
  EXPECT_EQ((*ended)["fields"]["withheld"], "1");
  EXPECT_THAT((*ended)["output"].get<std::string>(),
              ::testing::HasSubstr("the old build calls it"));
  EXPECT_THAT(read_file(deployment().agent_log()).value_or(""),
              ::testing::HasSubstr("waiver migration of ann@example.org ended"));

  ASSERT_TRUE(container->run({"true", "asked"}).ok());
  EXPECT_EQ(by_rule(alerts_so_far(*container), "test.waived").size(), 1u);
}

}  // namespace
}  // namespace picket::test
