// The containers of the tests are what they claim: isolated, and gone without a trace afterwards.
#include "tests/support/container.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/live_test.h"

namespace picket::test {
namespace {

class ContainerTest : public LiveTest {
 protected:
  std::unique_ptr<Container> make(ContainerOptions options = {}) {
    auto container = Container::run_new(sandbox(), std::move(options));
    EXPECT_TRUE(container.ok()) << container.status();
    return container.ok() ? *std::move(container) : nullptr;
  }
};

std::string namespace_of(std::string_view pid, std::string_view kind) {
  return std::filesystem::read_symlink(std::string("/proc/").append(pid) + "/ns/" +
                                       std::string(kind));
}

TEST_F(ContainerTest, HasNamespacesOfItsOwnAndLoopbackOnly) {
  auto container = make();
  ASSERT_TRUE(container);
  for (const char* kind : {"pid", "mnt", "net", "uts", "ipc", "cgroup"})
    EXPECT_NE(namespace_of(std::to_string(container->init_pid()), kind),
              namespace_of("self", kind));
  auto links = container->run({"ip", "-o", "link"});
  ASSERT_TRUE(links.ok()) << links.status();
  EXPECT_THAT(links->out, ::testing::HasSubstr("lo: <LOOPBACK,UP"));
  EXPECT_EQ(std::count(links->out.begin(), links->out.end(), '\n'), 1) << links->out;
}

TEST_F(ContainerTest, RunsProgramsAsDescendantsOfItsFirstProcess) {
  auto container = make();
  ASSERT_TRUE(container);
  auto result = container->run({"sh", "-c", "echo $PPID; exit 3"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "1\n");
  EXPECT_EQ(result->exit_code, 3);

  auto outside = container->exec({"sh", "-c", "echo $PPID; exit 4"});
  ASSERT_TRUE(outside.ok()) << outside.status();
  EXPECT_EQ(outside->out, "0\n");
  EXPECT_EQ(outside->exit_code, 4);
}

TEST_F(ContainerTest, KnowsTheMachinesPidOfAJob) {
  auto container = make({.id = "a-plain-name"});
  ASSERT_TRUE(container);
  auto job = container->launch({"sleep", "1000"});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_NE(job->pid, 0u);
  EXPECT_EQ(kill(static_cast<pid_t>(job->pid), SIGTERM), 0);
  auto code = container->wait_for(*job);
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, 128 + SIGTERM);
}

TEST_F(ContainerTest, LeavesNothingBehind) {
  auto container = make();
  ASSERT_TRUE(container);
  ASSERT_TRUE(container->exec_detached({"sleep", "1000"}).ok());
  std::string cgroup = container->cgroup_folder();
  EXPECT_EQ(container->pids().size(), 2u);
  EXPECT_TRUE(container->remove().ok());
  EXPECT_FALSE(std::filesystem::exists(cgroup));
  EXPECT_FALSE(std::filesystem::exists(container->rootfs()));
  auto states = std::filesystem::directory_iterator(sandbox().path("runc"));
  EXPECT_EQ(begin(states), end(states));
}

TEST_F(ContainerTest, EndsWithTheTestThatMadeIt) {
  // A test of its own, in a process that is killed in the middle.
  Pipe told = make_pipe().value();
  pid_t crashing = fork();
  if (crashing == 0) {
    auto own = Sandbox::create();
    auto container = Container::run_new(**own);
    std::string line = (*own)->folder() + " " + (*container)->cgroup_folder() + "\n";
    (void)!write(told.write.get(), line.data(), line.size());
    pause();
  }
  told.write.reset();
  LineReader reader(std::move(told.read));
  auto line = reader.next(std::chrono::steady_clock::now() + kDeadline);
  ASSERT_TRUE(line);
  std::string folder = line->substr(0, line->find(' ')), cgroup = line->substr(line->find(' ') + 1);
  ASSERT_TRUE(std::filesystem::exists(cgroup));
  kill(crashing, SIGKILL);
  waitpid(crashing, nullptr, 0);

  remove_leftovers();
  EXPECT_FALSE(std::filesystem::exists(cgroup));
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace picket::test
