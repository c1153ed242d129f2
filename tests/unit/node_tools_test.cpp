// `picketctl doctor` and `picketctl bugtool`: what they print and gather, and above all what they
// leave out.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "collector/cli/bug_report.h"
#include "collector/cli/doctor.h"
#include "common/health_server.h"

namespace picket {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{60};

TEST(Doctor, TellsWhatDoesNotWorkFirst) {
  const auto lines = parse_doctor(
      "{\"check\":\"kernel\",\"state\":\"ok\",\"words\":\"6.1\"}\n"
      "{\"check\":\"hooks\",\"state\":\"limited\",\"words\":\"no LSM\"}\n"
      "{\"check\":\"sensor\",\"state\":\"failed\",\"words\":\"no BTF\\u001b[2J\"}\n");
  ASSERT_TRUE(lines.ok()) << lines.status();
  const std::string text = doctor_text(*lines);
  EXPECT_THAT(text, StartsWith("failed   sensor         no BTF"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_LT(text.find("limited  hooks"), text.find("ok       kernel"));
  EXPECT_THAT(text, EndsWith("1 of 3 checks failed\n"));
  EXPECT_THAT(doctor_text({{"kernel", "ok", "6.1"}}),
              EndsWith("nothing failed, 0 of 1 checks name a limit\n"));
}

TEST(Doctor, RefusesWhatIsNoReport) {
  for (const char* wrong : {"", "no json\n", "[]\n", "{\"check\":\"a\"}\n", "{\"check\":1}\n"})
    EXPECT_FALSE(parse_doctor(wrong).ok()) << wrong;
}

TEST(Program, BringsWhatItPrintedAndHowItEnded) {
  const auto both = run_program({"sh", "-c", "echo out; echo err >&2; exit 3"}, kPatience);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->out, "out\n");
  EXPECT_EQ(both->err, "err\n");
  EXPECT_EQ(both->exit_code, 3);
  const auto killed = run_program({"sh", "-c", "kill -TERM $$"}, kPatience);
  ASSERT_TRUE(killed.ok()) << killed.status();
  EXPECT_EQ(killed->exit_code, 128 + 15);
  // More than a pipe holds, on both.
  const auto much = run_program(
      {"sh", "-c", "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"}, kPatience);
  ASSERT_TRUE(much.ok()) << much.status();
  EXPECT_EQ(much->out.size(), 300000u);
  EXPECT_EQ(much->err.size(), 300000u);
  EXPECT_TRUE(absl::IsNotFound(run_program({"/no/such/program"}, kPatience).status()));
}

TEST(Program, IsKilledWhenItTakesTooLong) {
  const auto slow = run_program({"sleep", "1000"}, std::chrono::milliseconds(50));
  EXPECT_TRUE(absl::IsDeadlineExceeded(slow.status())) << slow.status();
}

class BugReportTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "picket-bug-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    sources_.root = folder_;
    sources_.run = [this](const std::vector<std::string>& argv) -> absl::StatusOr<ProgramOutput> {
      asked_.push_back(argv);
      if (argv[0] == "journalctl")
        return ProgramOutput{0, "refused --token=hunter2secret of " + argv[2] + "\n", ""};
      if (argv[0] == "systemctl") return absl::NotFoundError("run systemctl: no such file");
      return ProgramOutput{1, "half\n", "the other half\n"};
    };
    sources_.get = [](uint16_t port, const std::string& path) -> absl::StatusOr<std::string> {
      if (port == 7421) return absl::UnavailableError("nobody listens");
      return fmt::format("answer of {}{}", port, path);
    };
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& file, const std::string& text) {
    fs::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text;
  }
  std::string text_of(const std::vector<BugFile>& files, const std::string& name) {
    for (const BugFile& file : files)
      if (file.name == name) return file.text;
    return "no " + name;
  }

  fs::path folder_;
  BugSources sources_;
  std::vector<std::vector<std::string>> asked_;
};

TEST_F(BugReportTest, SecretsAreMaskedWhereverTheyStand) {
  write("etc/picket/picketd.yaml", "collector: {address: a:1}\npassword: correct-horse\n");
  write("etc/picket/picketd.conf.d/10.yaml", "url: https://u:topsecretword@example.org\n");
  write("proc/cmdline", "root=/dev/sda1 api_key=abcdefgh12345\n");
  const std::vector<BugFile> files = gather(sources_);
  EXPECT_EQ(text_of(files, "config/picketd.yaml"),
            "collector: {address: a:1}\npassword: [masked]\n");
  EXPECT_EQ(text_of(files, "agent/log"), "refused --token=[masked] of picketd.service\n");
  for (const BugFile& file : files)
    for (const char* secret : {"hunter2secret", "correct-horse", "topsecretword", "abcdefgh12345"})
      EXPECT_THAT(file.text, Not(HasSubstr(secret))) << file.name;
  EXPECT_THAT(text_of(files, "system"), HasSubstr("root=/dev/sda1 api_key=[masked]"));
}

TEST_F(BugReportTest, KeysAndDataAreNotRead) {
  write("etc/picket/pki/node.key",
        "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----\n");
  write("etc/picket/pki/node.crt", "a certificate");
  write("var/lib/picket/spool.db", "what a workspace did");
  write("var/lib/picket-collector/collector.db", "all alerts");
  const std::vector<BugFile> files = gather(sources_);
  for (const BugFile& file : files)
    for (const char* never : {"PRIVATE KEY", "a certificate", "what a workspace did", "all alerts"})
      EXPECT_THAT(file.text, Not(HasSubstr(never))) << file.name;
  EXPECT_THAT(text_of(files, "state"), HasSubstr("20 644 "));
  EXPECT_THAT(text_of(files, "state"), HasSubstr(" spool.db\n"));
}

TEST_F(BugReportTest, WhatCannotBeHadSaysWhy) {
  const std::vector<BugFile> files = gather(sources_);
  EXPECT_EQ(text_of(files, "agent/readyz"), "answer of 9470/readyz");
  EXPECT_EQ(text_of(files, "collector/metrics"), "not to be had: nobody listens\n");
  EXPECT_EQ(text_of(files, "agent/unit"), "not to be had: run systemctl: no such file\n");
  EXPECT_EQ(text_of(files, "doctor.jsonl"), "half\nstandard error:\nthe other half\nexit code 1\n");
  EXPECT_THAT(text_of(files, "system"), HasSubstr("no readable"));
  EXPECT_TRUE(std::ranges::is_sorted(files, {}, &BugFile::name));
  EXPECT_THAT(asked_, testing::Contains(ElementsAre("picketd", "--doctor")));
}

TEST_F(BugReportTest, TheArchiveIsItsOwnersOnly) {
  const fs::path archive = folder_ / "report.tar.gz";
  const absl::Status packed = pack({{"a/b", "text"}, {"c", ""}}, "report", archive);
  ASSERT_TRUE(packed.ok()) << packed;
  struct stat info {};
  ASSERT_EQ(stat(archive.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto list = run_program({"tar", "--list", "--file", archive}, kPatience);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->out, "report/\nreport/a/\nreport/a/b\nreport/c\n");
  EXPECT_FALSE(pack({{"a", ""}}, "report", folder_ / "no/such/folder/x.tar.gz").ok());
}

TEST(LocalPage, IsAskedOfADaemonOfThisMachine) {
  MetricRegistry registry;
  HealthServer server(registry);
  ASSERT_TRUE(server.start("127.0.0.1:0").ok());
  const auto page = get_local(static_cast<uint16_t>(server.port()), "/readyz");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, HasSubstr("503"));
  EXPECT_THAT(*page, EndsWith("starting\n"));
  const int port = server.port();
  server.stop();
  EXPECT_TRUE(absl::IsUnavailable(get_local(static_cast<uint16_t>(port), "/livez").status()));
}

}  // namespace
}  // namespace picket
