// The last good rules on disk, and the watcher that sees rule files change.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "agent/app/rule_watcher.h"
#include "agent/app/rules.h"
#include "common/bounded_queue.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct KeptTest : testing::Test {
  KeptTest() {
    std::string name = testing::TempDir() + "rules-XXXXXX";
    folder = mkdtemp(name.data());
  }
  ~KeptTest() override { std::filesystem::remove_all(folder); }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder / name) << text;
  }
  std::filesystem::path folder;
};

TEST_F(KeptTest, TheLastGoodSetComesBackWhole) {
  write("a.yaml", rule_with("proc.name = x"));
  const std::vector<std::filesystem::path> paths = {folder / "a.yaml"};
  auto read = read_rules(paths);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(keep_rules(folder / "kept", read->files).ok());
  auto kept = kept_rules(folder / "kept");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->files, read->files);
  EXPECT_EQ(kept->set->rules()[0].name, "r");
}

// Kubernetes mounts a ConfigMap as links into a folder that begins with a dot.
TEST_F(KeptTest, AFileBehindALinkIsReadOnce) {
  std::filesystem::create_directories(folder / "mount/..2026");
  write("mount/..2026/a.yaml", rule_with("proc.name = x"));
  std::filesystem::create_symlink("..2026", folder / "mount/..data");
  std::filesystem::create_symlink("..data/a.yaml", folder / "mount/a.yaml");
  const std::vector<std::filesystem::path> paths = {folder / "mount"};
  const auto read = read_rules(paths);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->files.size(), 1u);
  EXPECT_EQ(read->files[0].name, folder / "mount/a.yaml");
}

TEST_F(KeptTest, WhatIsNoFileIsAnErrorNotAWait) {
  std::filesystem::create_directories(folder / "odd");
  std::filesystem::create_symlink("nowhere", folder / "odd/a.yaml");
  ASSERT_EQ(mkfifo((folder / "odd/b.yaml").c_str(), 0600), 0);
  LoadReport report;
  const std::vector<std::filesystem::path> paths = {folder / "odd", "/dev/zero"};
  EXPECT_TRUE(read_rule_files(paths, report).empty());
  EXPECT_EQ(report.errors.size(), 3u) << report.error_text();
}

TEST_F(KeptTest, NothingKeptAndADamagedCopyAreTold) {
  EXPECT_TRUE(absl::IsNotFound(kept_rules(folder / "kept").status()));
  for (const char* text : {"", "[", "[]", "{}", "[{\"name\": 1}]"}) {
    write("kept", text);
    EXPECT_TRUE(absl::IsDataLoss(kept_rules(folder / "kept").status())) << text;
  }
}

struct WatcherTest : KeptTest {
  void watch(std::vector<std::filesystem::path> paths) {
    watcher = std::make_unique<RuleWatcher>(std::move(paths), [this](RuleWatcher::Cause cause) {
      reloads.push(RuleWatcher::Cause(cause));
    });
    ASSERT_TRUE(watcher->start().ok());
  }
  std::optional<RuleWatcher::Cause> next() { return reloads.pop(10s); }
  BoundedQueue<RuleWatcher::Cause> reloads{16};
  std::unique_ptr<RuleWatcher> watcher;
};

TEST_F(WatcherTest, SeesAFileWrittenReplacedAndInANewFolder) {
  std::filesystem::create_directory(folder / "rules");
  watch({folder / "rules"});
  write("rules/a.yaml", "1");
  EXPECT_EQ(next(), RuleWatcher::Cause::changed);
  write("b.new", "2");
  std::filesystem::rename(folder / "b.new", folder / "rules/a.yaml");
  EXPECT_EQ(next(), RuleWatcher::Cause::changed);
  std::filesystem::create_directory(folder / "rules/more");
  EXPECT_EQ(next(), RuleWatcher::Cause::changed);
  write("rules/more/c.yaml", "3");
  EXPECT_EQ(next(), RuleWatcher::Cause::changed);
}

TEST_F(WatcherTest, SeesASingleFileReplaced) {
  write("a.yaml", "1");
  watch({folder / "a.yaml"});
  write("b.new", "2");
  std::filesystem::rename(folder / "b.new", folder / "a.yaml");
  EXPECT_EQ(next(), RuleWatcher::Cause::changed);
}

TEST_F(WatcherTest, AsksOnRequest) {
  std::filesystem::create_directory(folder / "rules");
  watch({folder / "rules"});
  watcher->request();
  EXPECT_EQ(next(), RuleWatcher::Cause::requested);
}

}  // namespace
}  // namespace picket
