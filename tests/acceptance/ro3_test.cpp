// RO3: a watched file reached in every way that gives it another name: the same rule fires for
// each. One rule knows the file by what it is, one by its name and by the calls that give it
// another.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

constexpr char kImageFile[] = "/opt/picket-test/listener";  // in a lower layer until it is written

class WatchedFile : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    container_ = make_container();
    ASSERT_TRUE(container_);
    in("mkdir -p /opt/vault /opt/bound && echo text > /opt/vault/secret && echo text > /tmp/text");
    deploy({.rules = rule("test.object",
                          fmt::format("evt.type in (open, openat, openat2) and fd.num >= 0 and "
                                      "fd.typechar = f and fd.ino in ({}, {})",
                                      inode_of("/opt/vault/secret"), inode_of(kImageFile))) +
                     rule("test.name",
                          "evt.type in (open, openat, openat2) and fd.num >= 0 and "
                          "fd.name = /opt/vault/secret or "
                          "evt.type in (rename, renameat, renameat2, link, linkat) and "
                          "evt.arg.oldpath = /opt/vault/secret or "
                          "evt.type in (symlink, symlinkat) and "
                          "evt.arg.target = /opt/vault/secret"),
            .shipped_rules = false});
  }

  void in(const std::string& script) {
    const auto result = container_->run({"sh", "-c", script});
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->exit_code, 0) << result->out;
  }
  std::string inode_of(const std::string& path) {
    const auto result = container_->run({"stat", "-c", "%i", path});
    EXPECT_TRUE(result.ok() && result->exit_code == 0);
    return result.ok() ? result->out.substr(0, result->out.find('\n')) : "0";
  }

  // How often the rule fired in what the program did.
  size_t alerts_of(const std::string& rule, const std::vector<std::string>& argv) {
    const size_t before = total(rule);
    const auto result = container_->run(argv);
    EXPECT_TRUE(result.ok() && result->exit_code == 0) << (result.ok() ? result->out : "");
    return total(rule) - before;
  }

  std::unique_ptr<Container> container_;

 private:
  size_t total(const std::string& rule) {
    return distinct(by_rule(alerts_so_far(*container_), rule)).size();
  }
};

using Ways = std::vector<std::pair<const char*, std::vector<std::string>>>;

TEST_F(WatchedFile, TheRuleOfTheObjectFiresForEveryName) {
  // Containers may not mount: their runtime does.
  const auto mounted = output_of({"nsenter", "-t", std::to_string(container_->init_pid()), "-m",
                                  "mount", "--bind", "/opt/vault", "/opt/bound"});
  ASSERT_TRUE(mounted.ok()) << mounted.status();
  const std::string image = kImageFile;
  const Ways ways = {
      {"absolute", {"cat", "/opt/vault/secret"}},
      {"relative", {"sh", "-c", "cd /opt/vault && exec cat secret"}},
      {"self root", {"cat", "/proc/self/root/opt/vault/secret"}},
      {"symbolic link", {"sh", "-c", "ln -s vault/secret /opt/link && exec cat /opt/link"}},
      {"bind mount", {"cat", "/opt/bound/secret"}},
      {"hard link", {"sh", "-c", "ln /opt/vault/secret /opt/twin && exec cat /opt/twin"}},
      {"openat2 beneath", {"processes", "openat2", "/opt/vault", "secret", "beneath"}},
      {"openat2 in root", {"processes", "openat2", "/opt", "/vault/secret", "root"}},
      {"rename", {"sh", "-c", "mv /opt/twin /opt/moved && exec cat /opt/moved"}},
      {"of the image", {"head", "-c", "1", image}},
      {"copy-up", {"sh", "-c", "echo more >> " + image}},
      {"copied up", {"head", "-c", "1", image}},
      {"copied up, by another name",
       {"sh", "-c", "ln " + image + " /opt/x && exec head -c 1 /opt/x"}},
  };
  for (const auto& [name, argv] : ways) EXPECT_GE(alerts_of("test.object", argv), 1u) << name;
  EXPECT_EQ(alerts_of("test.object", {"cat", "/tmp/text"}), 0u);
}

TEST_F(WatchedFile, TheRuleOfTheNameFiresForEveryWayAndForNewNames) {
  const Ways ways = {
      {"absolute", {"cat", "/opt/vault/secret"}},
      {"relative", {"sh", "-c", "cd /opt/vault && exec cat secret"}},
      {"dots", {"cat", "/opt/bound/.././vault//secret"}},
      {"self root", {"cat", "/proc/self/root/opt/vault/secret"}},
      {"self cwd", {"sh", "-c", "cd /opt/vault && exec cat /proc/self/cwd/secret"}},
      {"symbolic link", {"sh", "-c", "ln -s vault/secret /opt/link && exec cat /opt/link"}},
      {"symbolic link on the way",
       {"sh", "-c", "ln -s vault /opt/dir && exec cat /opt/dir/secret"}},
      {"openat2 beneath", {"processes", "openat2", "/opt/vault", "secret", "beneath"}},
      {"openat2 in root", {"processes", "openat2", "/opt", "/vault/secret", "root"}},
      {"for writing", {"sh", "-c", "echo more >> /opt/vault/secret"}},
      {"hard link", {"sh", "-c", "cd /opt && ln vault/secret twin"}},
      {"symbolic link to it", {"ln", "-s", "/opt/vault/secret", "/opt/pointer"}},
      {"rename", {"mv", "/opt/vault/secret", "/opt/moved"}},
  };
  for (const auto& [name, argv] : ways) EXPECT_GE(alerts_of("test.name", argv), 1u) << name;
  EXPECT_EQ(alerts_of("test.name", {"cat", "/tmp/text"}), 0u);
}

}  // namespace
}  // namespace picket::test
