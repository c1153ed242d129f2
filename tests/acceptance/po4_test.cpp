// PO4: rules are tested with events as they are written and with recordings, without any privilege;
// the exit code is 0 or 3, and the difference to another set of rules is printed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "tests/support/subprocess.h"

namespace picket::test {
namespace {

constexpr const char* kRules = PICKET_SOURCE_DIR "/rules";
constexpr const char* kRecording = PICKET_SOURCE_DIR "/tests/records/reverse_shell.pkr";

class PO4 : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "po4-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const char* set : {"old", "new"}) make(set, kShells, "expect: {shell: 1}");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  // One rule with a hit, a miss and a recording in which every shell of the tests was run.
  void make(const std::string& set, const std::string& condition, const std::string& expect) {
    std::filesystem::create_directories(folder_ / set);
    ASSERT_TRUE(write_file(path(set + "/shell.yaml"),
                           "- rule: shell\n  desc: d\n  priority: NOTICE\n  output: o\n"
                           "  condition: evt.type = execve and " +
                               condition + "\n")
                    .ok());
    ASSERT_TRUE(
        write_file(
            path(set + "/shell.test.yaml"),
            "- name: a shell\n  events: [{event: exec, exe: /bin/bash}]\n  " + expect +
                "\n- name: no shell\n  events: [{event: exec, exe: /bin/ls}]\n  expect: miss\n")
            .ok());
    std::filesystem::copy_file(kRecording, folder_ / set / "reverse_shell.pkr",
                               std::filesystem::copy_options::overwrite_existing);
  }
  // Without a capability, and without a way to get one.
  ProgramResult picketctl(std::vector<std::string> arguments) {
    std::vector<std::string> argv = {"setpriv",
                                     "--no-new-privs",
                                     "--inh-caps=-all",
                                     "--bounding-set=-all",
                                     PICKET_BINARY_DIR "/picketctl",
                                     "rules"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    auto done = run_program({.argv = argv});
    EXPECT_TRUE(done.ok()) << done.status();
    return done.ok() ? *done : ProgramResult{};
  }

  static constexpr const char* kShells = "proc.name in (bash, sh, zsh)";
  std::filesystem::path folder_;
};

TEST_F(PO4, TheShippedRulesPassTheirTestsAndRecordings) {
  const ProgramResult result = picketctl({"test", kRules});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::HasSubstr(" passed, 0 failed"));
}

TEST_F(PO4, AnExpectationThatDoesNotHoldIsThree) {
  EXPECT_EQ(picketctl({"test", path("new")}).exit_code, 0);
  make("new", kShells, "expect: miss");
  const ProgramResult failed = picketctl({"test", path("new")});
  EXPECT_EQ(failed.exit_code, 3);
  EXPECT_THAT(failed.err, ::testing::HasSubstr("a shell: expected nothing, found shell"));
}

TEST_F(PO4, ARuleWithoutHitOrMissIsThree) {
  ASSERT_TRUE(
      write_file(path("new/shell.test.yaml"),
                 "- name: a shell\n  events: [{event: exec, exe: /bin/bash}]\n  expect: hit\n")
          .ok());
  const ProgramResult failed = picketctl({"test", path("new")});
  EXPECT_EQ(failed.exit_code, 3);
  EXPECT_THAT(failed.err, ::testing::HasSubstr("no passing case misses rule 'shell'"));
}

TEST_F(PO4, TheDifferenceToOtherRulesIsPrinted) {
  const ProgramResult same = picketctl({"test", path("new"), "--against", path("old")});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.out, ::testing::HasSubstr("3 cases and recordings compared, 0 differences"));

  make("new", "proc.name = ls", "expect: miss");
  ASSERT_TRUE(
      write_file(path("new/shell.test.yaml"),
                 "- name: a shell\n  events: [{event: exec, exe: /bin/bash}]\n  expect: miss\n"
                 "- name: no shell\n  events: [{event: exec, exe: /bin/ls}]\n  expect: hit\n")
          .ok());
  const ProgramResult other = picketctl({"test", path("new"), "--against", path("old")});
  EXPECT_EQ(other.exit_code, 0) << other.err;
  EXPECT_THAT(other.out, ::testing::HasSubstr("- shell: 0 alerts, before 1 (" +
                                              path("new/shell.test.yaml") + ": a shell)"));
  EXPECT_THAT(other.out, ::testing::HasSubstr("+ shell: 1 alerts, before 0 (" +
                                              path("new/shell.test.yaml") + ": no shell)"));
  EXPECT_THAT(other.out, ::testing::ContainsRegex("- shell: 0 alerts, before [0-9]+ \\([^ ]*"
                                                  "reverse_shell.pkr\\)"));
}

}  // namespace
}  // namespace picket::test
