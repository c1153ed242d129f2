// rules/seccomp/workspace.json on a real container, as a runtime puts it there: attacks that
// succeed without it are stopped by it, and work goes on. What developers' own tools do behind it:
// tests/gates.
#include <gmock/gmock.h>

#include "tests/support/container.h"
#include "tests/support/live_test.h"

namespace picket::test {
namespace {

constexpr char kProfile[] = PICKET_SOURCE_DIR "/rules/seccomp/workspace.json";
constexpr int kNoSuchInterface = 77;

struct Attack {
  const char* what;
  std::vector<std::string> argv;  // ends with 0 when it was done
};

class WorkspaceProfile : public LiveTest {
 protected:
  std::unique_ptr<Container> make(bool privileged, const std::string& profile) {
    auto made = Container::run_new(sandbox(), {.privileged = privileged, .seccomp = profile});
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *std::move(made) : nullptr;
  }

  static int result_of(Container& container, const std::vector<std::string>& argv) {
    const auto ended = container.run(argv);
    EXPECT_TRUE(ended.ok()) << ended.status();
    return ended.ok() ? ended->exit_code : -1;
  }

  void expect_stopped(bool privileged, const std::vector<Attack>& attacks) {
    const auto open = make(privileged, ""), filtered = make(privileged, kProfile);
    ASSERT_TRUE(open && filtered);
    for (const Attack& attack : attacks) {
      const int without = result_of(*open, attack.argv);
      if (without == kNoSuchInterface) continue;
      EXPECT_EQ(without, 0) << "without the profile: " << attack.what;
      const int with = result_of(*filtered, attack.argv);
      EXPECT_THAT(with, ::testing::AnyOf(1, 2)) << "with the profile: " << attack.what;
    }
  }
};

TEST_F(WorkspaceProfile, StopsWhatAnOrdinaryContainerMay) {
  expect_stopped(false, {{"root of a user namespace, and a mount there",
                          {"unshare", "-U", "-r", "-m", "mount", "-t", "tmpfs", "none", "/tmp"}},
                         {"a user namespace by the 32-bit interface", {"escape", "userns32"}},
                         {"a file by a ring", {"escape", "ringread", "/etc/passwd"}}});
}

TEST_F(WorkspaceProfile, StopsWhatAPrivilegedContainerMay) {
  expect_stopped(true, {{"a program in the kernel", {"escape", "bpf", "1"}},
                        {"a file by its handle", {"escape", "handle", "/dev/shm"}},
                        {"a file system by the new calls", {"escape", "fsmount", "tmpfs", "none"}},
                        {"a mount", {"mount", "-t", "tmpfs", "none", "/tmp"}}});
}

// Files and archives, pipes and jobs, a server and its client, a debugger on a child.
constexpr char kWork[] = R"sh(set -e
cd /tmp
mkdir tree
seq 1 2000 >tree/numbers
test "$(sort -rn tree/numbers | head -n 1)" = 2000
tar cf - tree | gzip >tree.tar.gz
mv tree before
gunzip <tree.tar.gz | tar xf -
cmp tree/numbers before/numbers
chown -R 1000:1000 before
ln -s tree/numbers link
mkfifo fifo
cat fifo >read &
cat link >fifo
wait $!
cmp read tree/numbers
httpd -p 127.0.0.1:8080 -h tree
wget -q -O fetched http://127.0.0.1:8080/numbers
cmp fetched tree/numbers
trace seize child
renice -n 5 $$
su dev -c 'sha256sum tree/numbers'
)sh";

TEST_F(WorkspaceProfile, LetsWorkThrough) {
  const auto workspace = make(false, kProfile);
  ASSERT_TRUE(workspace);
  const auto ended = workspace->run({"sh", "-c", kWork});
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->exit_code, 0) << ended->out;
  // It has the filter: the file says so of every process in it.
  const auto status = workspace->run({"grep", "Seccomp:", "/proc/self/status"});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->out, "Seccomp:\t2\n");
}

}  // namespace
}  // namespace picket::test
