// PO3: rules that change are taken by themselves: no event is lost, what the agent knows of
// processes stays, an open sequence goes on; the loader prints shadowed, unreachable, contradictory
// and unenforceable rules. A broken set is refused with file, line and column, and the last good
// one stays, also over a restart. A set that the collector hands on is taken in the same way.
#include "tests/acceptance/signed_rules.h"

namespace picket::test {
namespace {

const std::string kSequence = R"(
- rule: test.sequence
  desc: Of a test
  sequence:
    within: 10m
    steps:
      - step: begin
        condition: evt.type in (execve, execveat) and proc.args = begin
      - step: end
        condition: evt.type in (execve, execveat) and proc.args = end
  output: "%proc.cmdline"
  priority: NOTICE
)";
const std::string kEach =
    rule("test.each", "evt.type in (execve, execveat) and proc.args startswith load-");
const std::string kFirst = kSequence + kEach;

class PO3 : public SignedRulesTest {
 protected:
  std::string file() { return sandbox().path("rules/test.yaml"); }
  std::string log() { return read_file(deployment().agent_log()).value_or(""); }
  size_t times(std::string_view words) {
    const std::string text = log();
    size_t count = 0;
    for (size_t at = text.find(words); at != text.npos; at = text.find(words, at + 1)) ++count;
    return count;
  }
  // As somebody does who wants nobody to read half of it.
  void put(const std::string& rules) {
    ASSERT_TRUE(write_file(file() + ".new", rules).ok());
    std::filesystem::rename(file() + ".new", file());
  }
};

TEST_F(PO3, AChangeLosesNothingAndIsJudged) {
  deploy({.rules = kFirst, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  const auto run = [&](const std::string& word) {
    ASSERT_EQ(container->run({"true", word})->exit_code, 0);
  };
  // The parent runs before the change, its children during it.
  constexpr int kProcesses = 1000;
  auto script = container->launch(
      {"sh", "-c",
       fmt::format("/bin/true begin; load /tmp/load {} 1000; /bin/true end", kProcesses)});
  ASSERT_TRUE(script.ok()) << script.status();
  ASSERT_TRUE(until(
      [&] { return read_file(container->written("/tmp/load/times")).value_or("").size() > 160; }));

  const std::string added =
      rule("test.added", "evt.type in (execve, execveat) and proc.args = added") +
      rule("test.shadowed",
           "evt.type in (execve, execveat) and proc.args = added and user.uid = 0") +
      rule("test.killing", "evt.type = connect and fd.sport = 83", "  respond: kill\n") +
      rule("test.freezing", "evt.type = connect and fd.sport = 83", "  respond: freeze\n") +
      rule("test.late", "evt.type = procexit and proc.name = late", "  respond: kill\n") +
      rule("test.unreachable", "evt.type = connect and proc.name = a and proc.name = b");
  put(kFirst + kMarkRule + added);
  ASSERT_TRUE(until([&] { return times("9 rules from 1 files") > 0; })) << log();
  ASSERT_TRUE(container->wait_for(*script).ok());
  run("added");

  const auto alerts = distinct(alerts_so_far(*container));
  EXPECT_EQ(by_rule(alerts, "test.added").size(), 1u);
  EXPECT_EQ(by_rule(alerts, "test.each").size(), static_cast<size_t>(kProcesses));
  for (const Alert& alert : by_rule(alerts, "test.each")) {
    const auto tree = tree_of(alert);  // load-N, load, sh, init
    ASSERT_EQ(tree.size(), 4u) << alert;
    EXPECT_EQ(tree.back(), container->init_pid());
  }
  const auto sequence = by_rule(alerts, "test.sequence");
  ASSERT_EQ(sequence.size(), 1u);
  EXPECT_EQ(sequence[0]["steps"][0]["process"]["cmdline"], "/bin/true begin");

  const std::string text = log();
  for (const char* words :
       {"rule 'test.shadowed' is shadowed: 'test.added' (",
        "rules 'test.freezing' and 'test.killing' (", "rule 'test.late' can never be enforced",
        "rule 'test.unreachable' can never match"})
    EXPECT_THAT(text, ::testing::HasSubstr(words));
}

TEST_F(PO3, ABrokenSetIsRefusedAlsoOverARestart) {
  deploy({.rules = kFirst, .shipped_rules = false});
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  put("- rule: broken\n  desc: d\n  condition: proc.nam = x\n  output: o\n  priority: NOTICE\n");
  const std::string complaint = "rules/test.yaml:3:14: unknown field 'proc.nam'";
  auto refused = deployment().alerts().wait_for(
      "the refusal", [](const Alert& alert) { return alert["rule"] == "picket.rules_refused"; });
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_THAT((*refused)["output"].get<std::string>(), ::testing::HasSubstr(complaint));
  EXPECT_THAT(log(), ::testing::HasSubstr(complaint));

  ASSERT_TRUE(container->run({"load", "/tmp/a", "1", "0"}).ok());
  EXPECT_EQ(distinct(by_rule(alerts_so_far(*container), "test.each")).size(), 1u);
  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().start_agent().ok());
  EXPECT_THAT(log(), ::testing::HasSubstr("the last good ones are used"));
  ASSERT_TRUE(container->run({"load", "/tmp/b", "1", "0"}).ok());
  EXPECT_EQ(distinct(by_rule(alerts_so_far(*container), "test.each")).size(), 2u);

  // A good set is taken again, here on request: SIGHUP.
  const size_t before = times("rules from 1 files");
  put(kFirst + kMarkRule +
      rule("test.added", "evt.type in (execve, execveat) and proc.args = added"));
  ASSERT_EQ(kill(deployment().agent_pid(), SIGHUP), 0);
  ASSERT_TRUE(until([&] { return times("rules from 1 files") > before; })) << log();
  ASSERT_TRUE(until([&] {
    EXPECT_TRUE(container->run({"true", "added"}).ok());
    return !by_rule(alerts_so_far(*container), "test.added").empty();
  }));
}

TEST_F(PO3, ASetFromTheCollectorLosesNothingEither) {
  deploy_signed(kFirst + kMarkRule);
  if (HasFatalFailure()) return;
  auto container = make_container();
  ASSERT_TRUE(container);
  constexpr int kProcesses = 1000;
  auto script = container->launch(
      {"sh", "-c",
       fmt::format("/bin/true begin; load /tmp/load {} 1000; /bin/true end", kProcesses)});
  ASSERT_TRUE(script.ok()) << script.status();
  ASSERT_TRUE(until(
      [&] { return read_file(container->written("/tmp/load/times")).value_or("").size() > 160; }));
  make("fleet", kFirst + kMarkRule +
                    rule("test.added", "evt.type in (execve, execveat) and proc.args = added"));
  sign("fleet", 2);
  hand_out("fleet", 2);
  expect_status("in force");
  ASSERT_TRUE(container->wait_for(*script).ok());
  ASSERT_EQ(container->run({"true", "added"})->exit_code, 0);
  const auto alerts = distinct(alerts_so_far(*container));
  EXPECT_EQ(by_rule(alerts, "test.added").size(), 1u);
  EXPECT_EQ(by_rule(alerts, "test.each").size(), static_cast<size_t>(kProcesses));
  EXPECT_EQ(by_rule(alerts, "test.sequence").size(), 1u) << "it was open meanwhile";
}

}  // namespace
}  // namespace picket::test
