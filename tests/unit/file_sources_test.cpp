// Where what a process runs comes from: who wrote it, who fed the writer, and what is forgotten.
#include <gtest/gtest.h>

#include "agent/enrich/process_table.h"
#include "tests/unit/records.h"

namespace picket {
namespace {

class FileSourcesTest : public ::testing::Test {
 protected:
  FileSourcesTest() { apply(test::exec(at(shell_), {1, 1}, "/usr/bin/dash")); }
  const Process& apply(const test::Bytes& record) {
    const auto event = Event::parse(record);
    EXPECT_TRUE(event);
    return table_.apply(*event);
  }
  test::At at(ProcessKey key) { return {.time_ns = ++time_ns_ * 1000, .key = key}; }

  // `input`, `output`: the pipes at its descriptors; 0: none.
  const Process& run(ProcessKey key, const std::string& exe, uint64_t inode = 1, int input = 0,
                     int output = 0) {
    RecordBuilder builder = test::record(PK_EXEC, at(key));
    test::set_parent(builder, shell_);
    test::set(builder, "exe", exe);
    test::set(builder, "cwd", "/project");
    test::set(builder, "layer", inode == 1 ? "image" : "upper");
    test::set(builder, "exe_inode", std::to_string(inode));
    for (const auto& [number, pipe] : {std::pair(0, input), std::pair(1, output)}) {
      if (pipe == 0) continue;
      test::set(builder, fmt::format("fd{}.kind", number), "pipe");
      test::set(builder, fmt::format("fd{}.inode", number), std::to_string(pipe));
    }
    EXPECT_TRUE(builder.set_list("argv", {exe, "argument"}).ok());
    return apply(builder.bytes());
  }
  void open(ProcessKey key, uint64_t inode, bool writes) {
    RecordBuilder builder = test::record(PK_OPEN, at(key));
    test::set(builder, "kind", "file");
    test::set(builder, "call", "openat");
    test::set(builder, "result", "3");
    test::set(builder, "inode", std::to_string(inode));
    test::set(builder, writes ? "writes" : "reads", "true");
    test::set(builder, "path", fmt::format("/project/{}", inode));
    apply(builder.bytes());
  }

  uint64_t time_ns_ = 0;
  ProcessTable table_;
  const ProcessKey shell_{10, 100}, a_{11, 200}, b_{12, 300}, c_{13, 400};
};

TEST_F(FileSourcesTest, WhatNobodyWasSeenToWriteHasNoSource) {
  EXPECT_EQ(run(a_, "/project/old", 7).source, nullptr);
}

TEST_F(FileSourcesTest, UnpackingFromAPipeIsFetchingIfItsFeederFetches) {
  run(a_, "/usr/bin/curl", 1, 0, 55);
  run(b_, "/usr/bin/tar", 1, 55);
  apply(test::connect(at(a_)));
  open(b_, 7, true);
  const Process& payload = run(c_, "/project/7", 7);
  ASSERT_NE(payload.source, nullptr);
  EXPECT_EQ(payload.source->origin, FileOrigin::fetched);
  EXPECT_EQ(payload.source->exe, "/usr/bin/tar");
  ASSERT_NE(payload.source->from, nullptr);
  EXPECT_EQ(payload.source->from->exe, "/usr/bin/curl");
}

TEST_F(FileSourcesTest, AScriptFromAPipeHasAFeederWhoeverStartsFirst) {
  const Process& reader = run(b_, "/usr/bin/dash", 1, 55);
  EXPECT_EQ(reader.feeder, nullptr) << "it is not there yet, and an argument is a script";
  RecordBuilder shell = test::record(PK_EXEC, at(b_));
  test::set_parent(shell, shell_);
  test::set(shell, "exe", "/usr/bin/dash");
  test::set(shell, "fd0.kind", "pipe");
  test::set(shell, "fd0.inode", "55");
  EXPECT_TRUE(shell.set_list("argv", {"sh"}).ok());
  apply(shell.bytes());
  run(a_, "/usr/bin/curl", 1, 0, 55);
  apply(test::connect(at(a_)));
  RecordBuilder child = test::record(PK_EXEC, at(c_));
  test::set_parent(child, b_);
  test::set(child, "exe", "/usr/bin/id");
  EXPECT_TRUE(child.set_list("argv", {"id"}).ok());
  const Process& started = apply(child.bytes());
  ASSERT_NE(started.feeder, nullptr);
  EXPECT_EQ(started.feeder->exe, "/usr/bin/curl");
  EXPECT_EQ(started.feeder->origin, FileOrigin::fetched);
}

TEST_F(FileSourcesTest, AnotherPipesReaderIsNotFed) {
  run(a_, "/usr/bin/curl", 1, 0, 55);
  run(b_, "/usr/bin/tar", 1, 56);
  apply(test::connect(at(a_)));
  open(b_, 7, true);
  EXPECT_EQ(run(c_, "/project/7", 7).source->origin, FileOrigin::unknown);
}

TEST_F(FileSourcesTest, WhatAForkedCopyOfItReadsItHasRead) {
  run(a_, "/usr/bin/wget");
  apply(test::connect(at(a_)));
  open(a_, 7, true);
  run(b_, "/usr/bin/tar");
  apply(test::fork(at(c_), b_));
  open(c_, 7, false);
  open(b_, 8, true);
  const ProcessKey payload{14, 500};
  EXPECT_EQ(run(payload, "/project/8", 8).source->origin, FileOrigin::fetched);
}

TEST_F(FileSourcesTest, TheNextProgramOfTheProcessHasReadNothing) {
  run(a_, "/usr/bin/wget");
  apply(test::connect(at(a_)));
  open(a_, 7, true);
  run(a_, "/usr/bin/editor");
  open(a_, 8, true);
  EXPECT_EQ(run(b_, "/project/8", 8).source->origin, FileOrigin::written);
}

TEST_F(FileSourcesTest, AWriterOfTheWorkspaceIsNoCopier) {
  run(a_, "/usr/bin/wget");
  apply(test::connect(at(a_)));
  open(a_, 7, true);
  run(b_, "/project/cp", 7);
  open(b_, 8, true);
  EXPECT_EQ(run(c_, "/project/8", 8).source->origin, FileOrigin::written);
}

TEST_F(FileSourcesTest, ForgetsWhoWasWrittenLongestAgo) {
  run(a_, "/usr/bin/editor");
  open(a_, 7, true);
  for (uint64_t i = 0; i < 70'000; ++i) open(a_, 1000 + i % 50'000, true);
  EXPECT_EQ(run(b_, "/elsewhere/7", 7).source, nullptr);
  EXPECT_NE(run(c_, "/elsewhere/x", 1000 + 69'999 % 50'000).source, nullptr);
}

}  // namespace
}  // namespace picket
