// TR9: what changes something goes to exactly one region, or is not done.
#include "tests/acceptance/regions.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST_F(TR9, AnOrderGoesWhereItsWorkspaceIsAndNowhereElse) {
  add_workspace(eu_, "aa11", "alpha");
  add_workspace(us_, "bb22", "beta");
  add_workspace(eu_, "cc33", "shared");
  add_workspace(us_, "dd44", "shared");
  add_workspace(eu_, "ee55", "moved", v1::WORKSPACE_STATE_GONE);
  add_workspace(us_, "ff66", "moved");
  if (HasFatalFailure()) return;
  const auto freeze = [](const std::string& workspace, Arguments more = {}) {
    Arguments arguments{"workspace", "freeze", workspace, "--reason", "r", "-o", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  const ProgramResult several = run(freeze("shared"));
  EXPECT_EQ(several.exit_code, kUsage);
  EXPECT_THAT(several.err, AllOf(HasSubstr("nothing was done"), HasSubstr("eu, us-west")));
  const ProgramResult nowhere = run(freeze("none"));
  EXPECT_EQ(nowhere.exit_code, kFailure);
  EXPECT_THAT(nowhere.err, AllOf(HasSubstr("picketctl: eu: "), HasSubstr("picketctl: us-west: ")));
  EXPECT_THAT(ordered_in("workspace.freeze"), IsEmpty());

  for (const auto& [region, workspace] : std::vector<std::pair<Region*, std::string>>{
           {&eu_, "alpha"}, {&us_, "bb"}, {&us_, "moved"}}) {
    const ProgramResult done = order(*region, freeze(workspace));
    ASSERT_EQ(done.exit_code, kOk) << workspace << ": " << done.err;
    EXPECT_EQ(parse(done.out)[0]["region"], region->name);
    EXPECT_EQ(parse(done.out)[0]["detail"], "done in " + region->name);
  }
  EXPECT_EQ(order(eu_, freeze("shared", {"--region", "eu"})).exit_code, kOk);
  EXPECT_THAT(
      order(us_, {"workspace", "thaw", "shared", "--reason", "r", "--region", "us-west"}).out,
      StartsWith("us-west  done in us-west"));

  // Which is not to be known while one does not answer.
  us_.node.reset();
  us_.collector->signal(SIGKILL);
  ASSERT_TRUE(us_.collector->wait().ok());
  const ProgramResult unknown = run(freeze("alpha"));
  EXPECT_EQ(unknown.exit_code, kNoConnection);
  EXPECT_THAT(unknown.err,
              AllOf(HasSubstr("picketctl: us-west: connect to"), HasSubstr("nothing was done")));
  EXPECT_EQ(unknown.out, "");
  EXPECT_EQ(order(eu_, freeze("alpha", {"--region", "eu"})).exit_code, kOk);
}

TEST_F(TR9, AChangeOfThePolicyNamesItsRegion) {
  const std::string rules = folder_ / "rules", key = folder_ / "rules.key";
  std::filesystem::create_directory(rules);
  ASSERT_TRUE(write_file(rules + "/test.yaml",
                         "- rule: one\n  desc: d\n  condition: evt.type = execve\n  output: o\n"
                         "  priority: NOTICE\n")
                  .ok());
  ASSERT_TRUE(output_of({"openssl", "genpkey", "-algorithm", "ed25519", "-out", key}).ok());
  ASSERT_EQ(run({"rules", "sign", rules, "--key", key, "--serial", "7"}).exit_code, kOk);
  const Arguments publish{"policy", "publish", rules, "--reason", "r"};
  const std::vector<Arguments> changes{publish,
                                       {"policy", "rollout", "7", "--reason", "r"},
                                       {"policy", "halt", "--reason", "r"},
                                       {"waivers", "remove", "w", "--reason", "r"}};
  for (const Arguments& change : changes) {
    const ProgramResult refused = run(change);
    EXPECT_EQ(refused.exit_code, kUsage) << fmt::format("{}", fmt::join(change, " "));
    EXPECT_THAT(refused.err, HasSubstr("in which region? give --region with one of: eu, us-west"));
  }
  EXPECT_THAT(ordered_in("policy.publish"), IsEmpty());
  Arguments there = publish;
  there.insert(there.end(), {"--region", "us-west"});
  const ProgramResult published = run(there);
  EXPECT_EQ(published.exit_code, kOk) << published.err;
  EXPECT_THAT(published.out, StartsWith("us-west  bundle "));
  EXPECT_THAT(ordered_in("policy.publish"), ElementsAre("us-west"));
  const std::vector<Json> versions = json({"policy", "list"});
  ASSERT_EQ(versions.size(), 1U);
  EXPECT_EQ(versions[0]["region"], "us-west");
  EXPECT_EQ(json({"policy", "show", "7"})[0]["region"], "us-west");
  // Both have a log of their own: what was seen of one says nothing about the other.
  const Arguments verify{"audit", "verify", "--remember", folder_ / "seen"};
  EXPECT_EQ(run(verify).exit_code, kUsage);
  EXPECT_THAT(run(verify).err, HasSubstr("give --region with one of: eu, us-west"));
  Arguments eu_only = verify;
  eu_only.insert(eu_only.end(), {"--region", "eu"});
  EXPECT_EQ(json(eu_only)[0]["holds"], true);
}

}  // namespace
}  // namespace picket::test
