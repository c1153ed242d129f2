// PO8: an agent with a key takes signed rules only: an unsigned or altered folder is refused, and
// the last good rules stay, also over a restart.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

const std::string kGood =
    rule("test.good", "evt.type in (execve, execveat) and proc.args = asked") + kMarkRule;
const std::string kAltered =
    rule("test.good", "evt.type in (execve, execveat) and proc.args = never") + kMarkRule;

class PO8 : public AcceptanceTest {
 protected:
  std::string path(const std::string& name) { return sandbox().path(name); }
  void picketctl(const std::string& command, const std::string& folder, int exit_code) {
    auto done = deployment().picketctl({"rules", command, path(folder), "--key",
                                        path(command == "sign" ? "rules.key" : "rules.pub")});
    ASSERT_TRUE(done.ok()) << done.status();
    EXPECT_EQ(done->exit_code, exit_code) << done->out << done->err;
  }
  // Whole: the folder is exchanged.
  void exchange(const std::string& folder) {
    std::filesystem::rename(path("rules"), path("rules.old"));
    std::filesystem::rename(path(folder), path("rules"));
    std::filesystem::remove_all(path("rules.old"));
  }
  void make(const std::string& folder, const std::string& rules) {
    std::filesystem::create_directory(path(folder));
    ASSERT_TRUE(write_file(path(folder + "/test.yaml"), rules).ok());
  }
  void expect_refused(const std::string& why) {
    auto refused = deployment().alerts().wait_for("the refusal: " + why, [&](const Alert& alert) {
      return alert["rule"] == "picket.rules_refused" &&
             alert["output"].get<std::string>().find(why) != std::string::npos;
    });
    EXPECT_TRUE(refused.ok()) << refused.status();
  }
  void expect_good_rules(Container& container) {
    ASSERT_TRUE(container.run({"true", "asked"}).ok());
    EXPECT_EQ(distinct(by_rule(alerts_so_far(container), "test.good")).size(), ++good_);
  }
  size_t good_ = 0;
};

TEST_F(PO8, UnsignedOrAlteredRulesAreRefused) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"genpkey", "-algorithm", "ed25519", "-out", path("rules.key")},
        {"pkey", "-in", path("rules.key"), "-pubout", "-out", path("rules.pub")}}) {
    std::vector<std::string> argv = {"openssl"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    auto made = run_program({.argv = argv});
    ASSERT_TRUE(made.ok() && made->exit_code == 0);
  }
  auto started = Deployment::with_collector(
      sandbox(),
      {.rules = kGood, .shipped_rules = false, .agent_settings = "rules_key: rules.pub\n"});
  ASSERT_TRUE(started.ok()) << started.status();
  deployment_ = *std::move(started);
  picketctl("sign", "rules", 0);
  picketctl("verify", "rules", 0);
  ASSERT_TRUE(deployment().start_agent().ok());
  auto container = make_container();
  ASSERT_TRUE(container);
  expect_good_rules(*container);

  // Altered behind the signature.
  make("altered", kGood);
  picketctl("sign", "altered", 0);
  ASSERT_TRUE(write_file(path("altered/test.yaml"), kAltered).ok());
  picketctl("verify", "altered", 3);
  exchange("altered");
  expect_refused("test.yaml was altered");
  expect_good_rules(*container);

  // A file more than was signed.
  make("added", kGood);
  picketctl("sign", "added", 0);
  ASSERT_TRUE(write_file(path("added/more.yaml"), rule("test.more", "evt.type = connect")).ok());
  exchange("added");
  expect_refused("more.yaml was added");

  // Not signed at all, and the agent begins anew.
  make("unsigned", kAltered);
  exchange("unsigned");
  expect_refused("there is no rules.sig");
  ASSERT_TRUE(deployment().stop_agent().ok());
  ASSERT_TRUE(deployment().start_agent().ok());
  expect_good_rules(*container);

  // Signed with another key.
  auto other = run_program(
      {.argv = {"openssl", "genpkey", "-algorithm", "ed25519", "-out", path("rules.key")}});
  ASSERT_TRUE(other.ok() && other->exit_code == 0);
  make("foreign", kAltered);
  picketctl("sign", "foreign", 0);
  picketctl("verify", "foreign", 3);
  exchange("foreign");
  expect_refused("was not made with the configured key");
  expect_good_rules(*container);
}

}  // namespace
}  // namespace picket::test
