#include "agent/spool/spool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace picket {
namespace {

using testing::ElementsAre;

class SpoolTest : public testing::Test {
 protected:
  SpoolTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-spool-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    file_ = folder_ / "spool.db";
  }
  ~SpoolTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Spool> open(Spool::Options options = {}) {
    auto spool = Spool::open(file_, options);
    EXPECT_TRUE(spool.ok()) << spool.status();
    return spool.ok() ? std::move(*spool) : nullptr;
  }
  std::string content() const {
    std::ifstream in(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const {
    std::filesystem::remove(file_.string() + "-wal");
    std::ofstream(file_, std::ios::binary) << bytes;
  }
  size_t files_aside() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      count += name.starts_with("spool.db.damaged-") && !name.ends_with("-wal");
    }
    return count;
  }

  std::filesystem::path folder_, file_;
};

uint64_t append(Spool& spool, const std::string& bytes, uint8_t priority = 5) {
  std::vector<SpoolItem> items{{0, priority, bytes}};
  const absl::Status status = spool.append(items);
  EXPECT_TRUE(status.ok()) << status;
  return items[0].sequence;
}

std::vector<std::string> texts(const Spool& spool, uint64_t from = 0) {
  const auto items = spool.read_from(from, 1'000'000, SIZE_MAX);
  EXPECT_TRUE(items.ok()) << items.status();
  std::vector<std::string> texts;
  uint64_t previous = 0;
  for (const SpoolItem& item : *items) {
    EXPECT_GT(item.sequence, previous);
    previous = item.sequence;
    texts.push_back(item.bytes);
  }
  return texts;
}

TEST_F(SpoolTest, GivesBackWhatWasAppendedInOrderAcrossARestart) {
  std::string epoch;
  {
    auto spool = open();
    epoch = spool->epoch();
    EXPECT_EQ(append(*spool, "a"), 1U);
    std::vector<SpoolItem> batch{{0, 0, "b"}, {0, 8, std::string("c\0d", 3)}, {0, 3, ""}};
    ASSERT_TRUE(spool->append(batch).ok());
    EXPECT_EQ(batch[2].sequence, 4U);
  }
  auto spool = open();
  EXPECT_EQ(spool->epoch(), epoch);
  EXPECT_THAT(texts(*spool), ElementsAre("a", "b", std::string("c\0d", 3), ""));
  EXPECT_EQ(spool->read_from(3, 10, 1000)->front().priority, 8);
  EXPECT_EQ(spool->first_sequence(), 1U);
  EXPECT_EQ(spool->last_sequence(), 4U);
  EXPECT_EQ(spool->bytes(), 5U);
  EXPECT_EQ(spool->count(), 4U);
}

TEST_F(SpoolTest, ForgetsWhatIsAcknowledgedAndNeverReusesASequence) {
  {
    auto spool = open();
    for (const char* text : {"a", "b", "c"}) append(*spool, text);
    ASSERT_TRUE(spool->acknowledge(2).ok());
    EXPECT_THAT(texts(*spool), ElementsAre("c"));
    EXPECT_EQ(spool->first_sequence(), 3U);
    ASSERT_TRUE(spool->acknowledge(3).ok());
    EXPECT_EQ(spool->first_sequence(), 0U);
    EXPECT_EQ(spool->bytes(), 0U);
  }
  EXPECT_EQ(append(*open(), "d"), 4U);
}

TEST_F(SpoolTest, ReadsInPortionsButAtLeastOneItem) {
  auto spool = open();
  append(*spool, std::string(100, 'x'));
  append(*spool, std::string(100, 'y'));
  append(*spool, "z");
  EXPECT_EQ(spool->read_from(1, 2, 1000)->size(), 2U);
  EXPECT_EQ(spool->read_from(1, 10, 150)->size(), 1U);
  EXPECT_EQ(spool->read_from(1, 10, 1)->size(), 1U);
  EXPECT_EQ(spool->read_from(4, 10, 1000)->size(), 0U);
}

TEST_F(SpoolTest, DropsTheOldestOfTheLeastSevereWhenFull) {
  auto spool = open({.max_bytes = 40});
  append(*spool, "critical.1", 3);
  append(*spool, "notice...2", 6);
  append(*spool, "notice...3", 6);
  append(*spool, "critical.4", 3);
  EXPECT_EQ(spool->take_loss()->count, 0U);
  append(*spool, "critical.5", 3);
  EXPECT_THAT(texts(*spool), ElementsAre("critical.1", "notice...3", "critical.4", "critical.5"));
  append(*spool, "critical.6", 3);
  append(*spool, "critical.7", 3);
  EXPECT_THAT(texts(*spool), ElementsAre("critical.4", "critical.5", "critical.6", "critical.7"));
  EXPECT_EQ(spool->first_sequence(), 4U);
  const auto loss = spool->take_loss();
  ASSERT_TRUE(loss.ok());
  EXPECT_EQ(loss->count, 3U);
  EXPECT_EQ(loss->first_sequence, 1U);
  EXPECT_EQ(loss->last_sequence, 3U);
  EXPECT_EQ(spool->take_loss()->count, 0U);
}

TEST_F(SpoolTest, ANewItemGivesWayToMoreSevereOldOnes) {
  auto spool = open({.max_bytes = 20});
  append(*spool, "critical.1", 3);
  append(*spool, "critical.2", 3);
  const uint64_t dropped = append(*spool, "debug....3", 8);
  EXPECT_THAT(texts(*spool), ElementsAre("critical.1", "critical.2"));
  const auto loss = spool->take_loss();
  EXPECT_EQ(loss->first_sequence, dropped);
  EXPECT_EQ(loss->count, 1U);
}

TEST_F(SpoolTest, CountsAnItemTooLargeForTheCollectorAsLost) {
  auto spool = open();
  append(*spool, "before");
  append(*spool, std::string(Spool::kMaxItemBytes + 1, 'x'), 0);
  append(*spool, std::string(Spool::kMaxItemBytes, 'y'));
  EXPECT_EQ(spool->count(), 2U);
  EXPECT_EQ(spool->take_loss()->first_sequence, 2U);
}

TEST_F(SpoolTest, SkippedSequencesAreGivenToNobody) {
  {
    auto spool = Spool::open(file_, {});
    ASSERT_TRUE(spool.ok()) << spool.status();
    std::vector<SpoolItem> items{{0, 5, "a"}};
    ASSERT_TRUE((*spool)->append(items).ok());
    const auto skipped = (*spool)->skip(3);
    ASSERT_TRUE(skipped.ok()) << skipped.status();
    EXPECT_EQ(skipped->first_sequence, 2U);
    EXPECT_EQ(skipped->last_sequence, 4U);
    EXPECT_EQ((*spool)->take_loss()->count, 0U);
  }
  auto spool = Spool::open(file_, {});
  ASSERT_TRUE(spool.ok()) << spool.status();
  std::vector<SpoolItem> items{{0, 5, "b"}};
  ASSERT_TRUE((*spool)->append(items).ok());
  EXPECT_EQ(items[0].sequence, 5U);
}

TEST_F(SpoolTest, TellsALossAgainUntilItsReportWasAcknowledged) {
  {
    auto spool = open({.max_bytes = 10});
    append(*spool, "one......1");
    append(*spool, "two......2");
    EXPECT_EQ(spool->take_loss()->count, 1U);
  }
  {
    auto spool = open({.max_bytes = 20});
    EXPECT_EQ(spool->take_loss()->count, 1U) << "the report may have died with the process";
    ASSERT_TRUE(spool->acknowledge(2).ok());
  }
  {
    auto spool = open({.max_bytes = 20});
    EXPECT_EQ(spool->take_loss()->count, 1U) << "only what came before the report was acknowledged";
    const uint64_t report = append(*spool, "report");
    ASSERT_TRUE(spool->acknowledge(report).ok());
  }
  EXPECT_EQ(open()->take_loss()->count, 0U);
}

TEST_F(SpoolTest, ABootBeginsANewEpochWithWhatIsKept) {
  std::string epoch;
  {
    auto spool = open({.boot_id = "first"});
    epoch = spool->epoch();
    for (const char* text : {"a", "b", "c", "d"}) append(*spool, text);
    ASSERT_TRUE(spool->acknowledge(2).ok());
  }
  {
    auto spool = open({.boot_id = "second"});
    EXPECT_NE(spool->epoch(), epoch);
    EXPECT_EQ(spool->first_sequence(), 1U);
    EXPECT_EQ(append(*spool, "e"), 3U) << "a hole would look like a loss";
    EXPECT_THAT(texts(*spool), ElementsAre("c", "d", "e"));
    epoch = spool->epoch();
  }
  EXPECT_EQ(open({.boot_id = "second"})->epoch(), epoch);
}

TEST_F(SpoolTest, IsForOneProcessAndOneOwner) {
  auto spool = open();
  append(*spool, "a");
  const auto second = Spool::open(file_, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  struct stat mode {};
  ASSERT_EQ(stat(file_.c_str(), &mode), 0);
  EXPECT_EQ(mode.st_mode & 0777U, 0600U);
}

TEST_F(SpoolTest, MovesADamagedFileAsideAndBeginsANewEpoch) {
  std::string epoch;
  {
    auto spool = open();
    epoch = spool->epoch();
    for (int i = 0; i < 200; ++i) append(*spool, std::string(200, 'x'));
  }
  const std::string good = content();
  size_t expected_aside = 0;
  for (const std::string& bad :
       {std::string("this is no database, whatever its name says"), good.substr(0, 5000),
        std::string(good).replace(4096, 3000, 3000, '\xff'),
        std::string(good).replace(0, 16, "SQLite format 9!"),
        // "Written by a later version": SQLite would read it, and never write.
        std::string(good).replace(18, 1, 1, '\x80')}) {
    write(bad);
    auto spool = open();
    EXPECT_EQ(files_aside(), ++expected_aside);
    EXPECT_TRUE(std::filesystem::exists(spool->damaged_file()));
    EXPECT_NE(spool->epoch(), epoch);
    EXPECT_EQ(append(*spool, "fresh"), 1U);
    EXPECT_THAT(texts(*spool), ElementsAre("fresh"));
  }
}

TEST_F(SpoolTest, SurvivesDamageAnywhereInTheFile) {
  {
    auto spool = open();
    for (int i = 0; i < 50; ++i) append(*spool, std::string(300, 'x'), static_cast<uint8_t>(i % 9));
  }
  const std::string good = content();
  std::mt19937 random(20261125);
  for (int round = 0; round < 60; ++round) {
    std::string bad = good;
    for (int hit = 0; hit < 8; ++hit) bad[random() % bad.size()] = static_cast<char>(random());
    if (round % 5 == 0) bad.resize(random() % bad.size());
    write(bad);
    auto spool = open();
    ASSERT_NE(spool, nullptr);
    const uint64_t before = spool->count();
    append(*spool, "still works");
    EXPECT_EQ(texts(*spool).back(), "still works");
    EXPECT_EQ(spool->count(), before + 1);
  }
}

TEST_F(SpoolTest, ReplacesItselfWhenDamageShowsAtRunTime) {
  auto spool = open();
  const std::string epoch = spool->epoch();
  append(*spool, "lost");
  ASSERT_TRUE(Spool::replace(spool).ok());
  EXPECT_NE(spool->epoch(), epoch);
  EXPECT_EQ(files_aside(), 1U);
  EXPECT_EQ(append(*spool, "kept"), 1U);
  spool.reset();
  EXPECT_THAT(texts(*open()), ElementsAre("kept"));
}

TEST_F(SpoolTest, SaysWhyItCannotBeOpened) {
  const auto spool = Spool::open(folder_ / "missing" / "spool.db", {});
  ASSERT_FALSE(spool.ok());
  EXPECT_THAT(std::string(spool.status().message()),
              testing::AllOf(testing::HasSubstr("missing/spool.db"),
                             testing::HasSubstr("No such file or directory")));
}

// Runs `body` in a child process, which ends with what it returns.
template <class Body>
pid_t in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  return child;
}

TEST_F(SpoolTest, AFullDiskFailsTheAppendAndNothingElse) {
  // A child, because the limit on file sizes that plays the full disk is the process's.
  const pid_t child = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    auto spool = Spool::open(file_, {});
    if (!spool.ok()) return 10;
    rlimit limit{256 << 10, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    size_t appended = 0;
    std::vector<SpoolItem> items{{0, 5, std::string(10'000, 'x')}};
    while ((*spool)->append(items).ok()) {
      if (++appended > 1000) return 11;
    }
    const uint64_t bytes = (*spool)->bytes();
    if (bytes != appended * 10'000) return 12;
    if ((*spool)->append(items).ok()) return 13;
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    if (!(*spool)->append(items).ok()) return 14;
    if (items[0].sequence != appended + 1) return 15;
    return (*spool)->read_from(1, 1000, SIZE_MAX)->size() == appended + 1 ? 0 : 16;
  });
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
}

// What the child did, told to the parent: after append() returned, before acknowledge() is called.
struct Told {
  uint64_t first, last;  // 0, N: everything up to N is about to be acknowledged
};

int append_until_killed(const std::filesystem::path& file, int pipe, unsigned seed) {
  auto spool = Spool::open(file, {});
  if (!spool.ok()) return 1;
  std::mt19937 random(seed);
  for (;;) {
    std::vector<SpoolItem> items(1 + random() % 20);
    uint64_t expected = (*spool)->last_sequence();
    for (SpoolItem& item : items) {
      item.priority = static_cast<uint8_t>(random() % 9);
      item.bytes = std::to_string(++expected) + std::string(random() % 500, '.');
    }
    if (!(*spool)->append(items).ok()) return 2;
    Told told{items.front().sequence, items.back().sequence};
    if (::write(pipe, &told, sizeof told) != sizeof told) return 3;
    if (random() % 8 != 0) continue;
    const uint64_t upto = (*spool)->last_sequence() - random() % 30;
    if (upto == 0 || upto > (*spool)->last_sequence()) continue;
    told = {0, upto};
    if (::write(pipe, &told, sizeof told) != sizeof told) return 4;
    if (!(*spool)->acknowledge(upto).ok()) return 5;
  }
}

TEST_F(SpoolTest, WhatWasAppendedSurvivesAKillAtAnyPoint) {
  std::mt19937 random(7);
  uint64_t committed = 0, acknowledged = 0;
  std::string epoch;
  for (unsigned round = 0; round < 40; ++round) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = in_child([&] { return append_until_killed(file_, ends[1], round); });
    close(ends[1]);
    Told told{};
    size_t patience = 1 + random() % 40;
    bool killed = false;
    while (read(ends[0], &told, sizeof told) == sizeof told) {
      if (told.first == 0) {
        acknowledged = std::max(acknowledged, told.last);
      } else {
        committed = told.last;
      }
      if (--patience == 0) {
        kill(child, SIGKILL);
        killed = true;
        patience = SIZE_MAX;  // what it told before it died counts
      }
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(killed && WIFSIGNALED(status)) << "the child failed: " << WEXITSTATUS(status);

    auto spool = open();
    if (round == 0) epoch = spool->epoch();
    ASSERT_EQ(spool->epoch(), epoch) << "a kill must not look like damage";
    // One batch may be committed whose telling died with the child.
    ASSERT_GE(spool->last_sequence(), committed);
    ASSERT_LE(spool->last_sequence(), committed + 20);
    const auto items = spool->read_from(0, 1'000'000, SIZE_MAX);
    ASSERT_TRUE(items.ok()) << items.status();
    const uint64_t first = items->empty() ? spool->last_sequence() + 1 : items->front().sequence;
    ASSERT_LE(first, acknowledged + 1) << "something went that nobody acknowledged";
    uint64_t expected = first;
    for (const SpoolItem& item : *items) {
      ASSERT_EQ(item.sequence, expected);
      ASSERT_EQ(item.bytes.substr(0, item.bytes.find('.')), std::to_string(expected));
      ++expected;
    }
    ASSERT_EQ(expected, spool->last_sequence() + 1);
    committed = spool->last_sequence();
  }
}

}  // namespace
}  // namespace picket
