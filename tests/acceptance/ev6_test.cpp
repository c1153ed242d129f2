// EV6: the calls by which older ways of watching are passed by are events of their own, and every
// system call of the running kernel is watched or ignored for a reason.
#include <fmt/format.h>

#include <map>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

using nlohmann::json;

constexpr std::string_view kCalls[] = {"openat2",    "execveat",  "fsopen",     "fsmount",
                                       "move_mount", "open_tree", "pidfd_getfd"};

std::string rules() {
  std::string text;
  for (const std::string_view call : kCalls)
    text += rule(fmt::format("test.{}", call),
                 fmt::format("evt.type = {} and proc.cmdline startswith new_calls", call));
  return text;
}

class EV6 : public AcceptanceTest {
 protected:
  std::vector<json> system_calls() {
    std::vector<json> rows;
    EXPECT_TRUE(until([&] {
      rows.clear();
      const auto said = deployment().picketctl({"coverage", "--syscalls", "-o", "json"});
      if (!said.ok() || said->exit_code != 0) return false;
      std::istringstream lines(said->out);
      for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
      return !rows.empty();
    })) << "the collector never heard of the system calls";
    return rows;
  }
};

TEST_F(EV6, EachCallIsAnEventOfItsOwn) {
  deploy({.rules = rules(), .shipped_rules = false});
  ASSERT_FALSE(HasFatalFailure());
  auto container = make_container({.id = "ev6-box"});
  ASSERT_TRUE(container);
  const auto ran = container->run({"new_calls"});
  ASSERT_TRUE(ran.ok()) << ran.status();
  ASSERT_EQ(ran->exit_code, 0) << ran->out;
  const auto alerts = distinct(alerts_so_far(*container));
  for (const std::string_view call : kCalls) {
    const auto own = by_rule(alerts, "test." + std::string(call));
    ASSERT_EQ(own.size(), 1u) << call << Alert(alerts).dump(1);
    expect_identity(own.front(), *container);
  }
}

TEST_F(EV6, EveryCallOfTheKernelIsAccountedFor) {
  deploy({.rules = rules(), .shipped_rules = false});
  ASSERT_FALSE(HasFatalFailure());
  std::map<std::string, json> calls;
  for (const json& row : system_calls()) {
    EXPECT_TRUE(calls.emplace(row["syscall"], row).second) << row;
    EXPECT_TRUE(row["state"] == "watched" || row["state"] == "ignored") << row;
    EXPECT_NE(row["detail"], "") << row;
  }
  EXPECT_GT(calls.size(), 330u);
  for (const std::string_view call : kCalls)
    EXPECT_EQ(calls[std::string(call)]["state"], "watched") << call;
  EXPECT_EQ(calls["getpid"]["state"], "ignored");
  const auto text = deployment().picketctl({"coverage", "--syscalls"});
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(text->out, ::testing::ContainsRegex("watched  openat2 +file_open"));
}

}  // namespace
}  // namespace picket::test
