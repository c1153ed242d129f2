// `picketctl rules ...` as a user calls it: what it prints where, and how it ends.
#include "collector/cli/rules_commands.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/enrich/identity_json.h"
#include "agent/event/record_builder.h"
#include "agent/sensor/recording.h"

namespace picket {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

class RulesCommands : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "picket_commands_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  // Runs `picketctl rules ARGUMENTS`; answers the exit code, keeps what was printed.
  int run(std::vector<std::string> arguments) {
    CLI::App app{"picketctl"};
    bool json = false;
    int exit_code = 0;
    app.add_option_function<std::string>("-o", [&](const std::string& f) { json = f == "json"; })
        ->trigger_on_parse();
    add_rules_commands(app, json, exit_code);
    arguments.insert(arguments.begin(), "rules");
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    try {
      app.parse(arguments);
    } catch (const CLI::ParseError&) {
      exit_code = 2;
    }
    std::fflush(stdout);
    std::fflush(stderr);
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return exit_code;
  }

  std::vector<Json> lines() const {
    std::vector<Json> objects;
    std::istringstream stream(out_);
    for (std::string line; std::getline(stream, line);) objects.push_back(Json::parse(line));
    return objects;
  }

  std::string record_of_a_shell(bool with_end) {
    const std::string path = (folder_ / "shell.pkr").string();
    auto writer = RecordingWriter::create(
        path, {.wall_minus_boot_ns = 1'000'000'000'000'000'000, .kernel = "test"});
    EXPECT_TRUE(writer.ok());
    Workspace workspace;
    workspace.id = workspace.container_id = "c1";
    workspace.name = "demo";
    workspace.image = "image";
    workspace.cgroup_id = 9;
    RecordBuilder exec(PK_EXEC);
    exec.header().cgroup_id = 9;
    exec.header().pid = exec.header().tid = 7;
    exec.header().start_ns = 3;
    exec.header().time_ns = 5'000'000'000;
    for (const auto& [field, value] : std::initializer_list<std::pair<const char*, const char*>>{
             {"comm", "bash"}, {"exe", "/usr/bin/bash"}, {"argv", "bash -i"}}) {
      EXPECT_TRUE(exec.set_text(field, value).ok());
    }
    (*writer)->on_record(exec.bytes());
    (*writer)->on_identity(identity_to_json(9, workspace));
    EXPECT_TRUE((*writer)->close().ok());
    if (!with_end) std::filesystem::resize_file(path, std::filesystem::file_size(path) - 5);
    return path;
  }

  std::filesystem::path folder_;
  std::string out_, err_;
};

const std::string kRule =
    "- rule: shell\n  desc: A shell\n  why: Because.\n  priority: NOTICE\n  output: "
    "\"%proc.cmdline\"\n"
    "  condition: evt.type = execve and proc.name in (bash, sh)\n";

TEST_F(RulesCommands, ValidateNamesThePlaceAndEndsWithThree) {
  const std::string good = write("good.yaml", kRule);
  EXPECT_EQ(run({"validate", good}), 0);
  EXPECT_THAT(out_, HasSubstr("1 rules"));
  const std::string bad = write("bad.yaml", "- list: l\n  items: []\n  items: []\n");
  EXPECT_EQ(run({"validate", good, bad}), 3);
  EXPECT_THAT(err_, HasSubstr(bad + ":3:3: key 'items' stands twice"));
  EXPECT_EQ(run({"validate", bad, "-o", "json"}), 3);
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0]["line"], 3);
  EXPECT_EQ(lines()[0]["column"], 3);
  EXPECT_EQ(lines()[0]["severity"], "error");
}

TEST_F(RulesCommands, ValidateOfNothingEndsWithThree) {
  const std::string empty = write("empty.yaml", "");
  EXPECT_EQ(run({"validate", empty}), 3);
  EXPECT_EQ(err_, empty + ": holds no rule, macro or list\n");
  std::filesystem::create_directory(folder_ / "none");
  EXPECT_EQ(run({"validate", folder_ / "none"}), 3);
  EXPECT_THAT(err_, HasSubstr("none: holds no rule file"));
  EXPECT_THAT(out_, testing::Not(HasSubstr("valid")));
  EXPECT_EQ(run({"test", folder_ / "none"}), 3);
}

TEST_F(RulesCommands, WrongUseEndsWithTwo) {
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"validate"}), 2);
  EXPECT_EQ(run({"shout"}), 2);
}

TEST_F(RulesCommands, TestWantsAHitAndAMissOfEveryRule) {
  const std::string rules = write("shell.yaml", kRule);
  EXPECT_EQ(run({"test", rules}), 3);
  EXPECT_THAT(err_, HasSubstr("no test file"));

  const std::string hit =
      "- name: bash\n  events: [{event: exec, exe: /usr/bin/bash}]\n  expect: hit\n";
  write("shell.test.yaml", hit);
  EXPECT_EQ(run({"test", rules}), 3);
  EXPECT_THAT(err_, HasSubstr("no passing case misses rule 'shell'"));

  const std::string miss =
      "- name: zsh\n  events: [{event: exec, exe: /usr/bin/zsh}]\n  expect: miss\n";
  const std::string tests = write("shell.test.yaml", hit + miss);
  EXPECT_EQ(run({"test", tests}), 0);
  EXPECT_THAT(out_, HasSubstr("2 passed, 0 failed"));
}

TEST_F(RulesCommands, OtherEndingsAreRuleAndTestFilesToo) {
  write("shell.yml", kRule);
  write("shell.test.yml",
        "- name: bash\n  events: [{event: exec, exe: /usr/bin/bash}]\n  expect: hit\n"
        "- name: zsh\n  events: [{event: exec, exe: /usr/bin/zsh}]\n  expect: miss\n");
  EXPECT_EQ(run({"test", folder_.string()}), 0);
  EXPECT_THAT(out_, HasSubstr("2 passed, 0 failed"));
  EXPECT_EQ(run({"test", (folder_ / "shell.test.yml").string()}), 0);
  EXPECT_EQ(run({"validate", folder_.string()}), 0);
  EXPECT_THAT(out_, HasSubstr("1 rules"));
  std::filesystem::rename(folder_ / "shell.yml", folder_ / "shell.yaml");
  EXPECT_EQ(run({"test", folder_.string(), "--against", folder_.string()}), 0);
  EXPECT_THAT(out_, HasSubstr("2 cases and recordings compared, 0 differences"));
}

TEST_F(RulesCommands, AFileHasTheListsOfItsFolder) {
  write("a_lists.yaml",
        "- list: shell_names\n  items: [bash, sh]\n- rule: other\n  output: o\n"
        "  priority: INFO\n  condition: evt.type = execve\n");
  const std::string rules =
      write("shell.yaml",
            "- rule: shell\n  output: o\n  priority: NOTICE\n"
            "  condition: evt.type = execve and proc.name in (shell_names)\n");
  write("shell.test.yaml",
        "- name: bash\n  events: [{event: exec, exe: /usr/bin/bash}]\n  expect: hit\n"
        "- name: zsh\n  events: [{event: exec, exe: /usr/bin/zsh}]\n  expect: miss\n");
  EXPECT_EQ(run({"explain", rules}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("On exec: evt.type = execve and proc.name in (bash, sh)"));
  EXPECT_THAT(out_, testing::Not(HasSubstr("other")));
  EXPECT_EQ(run({"test", rules}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("2 passed, 0 failed"));
  EXPECT_EQ(run({"test", rules, "--against", rules}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("2 cases and recordings compared, 0 differences"));
  // One of the folder is broken: what needs none of the others goes on, the rest says why it fails.
  write("broken.yaml", "no list of rules\n");
  EXPECT_EQ(run({"explain", write("alone.yaml", kRule)}), 0) << err_;
  EXPECT_EQ(run({"explain", rules}), 3);
  EXPECT_THAT(err_, HasSubstr("unknown list 'shell_names'"));
}

TEST_F(RulesCommands, ExplainSaysHowARuleIsNamed) {
  EXPECT_EQ(run({"explain", "reverse_shell"}), 3);
  EXPECT_THAT(err_, HasSubstr("a rule is named behind its files: rules explain"));
  EXPECT_THAT(err_, HasSubstr("--rule 'reverse_shell'"));
}

TEST_F(RulesCommands, NoTextOfARuleDrivesTheTerminal) {
  const std::string rules = write(
      "odd.yaml",
      "- rule: \"a\\e[31mb\"\n  desc: \"d\\x9bd\"\n  why: \"w\\x7fw\\nfake: line\"\n"
      "  output: \"o\\e]0;t\\a %proc.name\"\n  priority: NOTICE\n"
      "  condition: evt.type = execve and proc.exepath = \"/usr/bin/bash\" and not proc.name = "
      "\"\\e[2J\"\n  \"k\\e[1m\": 1\n");
  const std::string recording = record_of_a_shell(true);
  const std::vector<std::vector<std::string>> commands{
      {"validate", rules},
      {"explain", rules},
      {"test", rules},
      {"replay", recording, "--rules", rules},
      {"validate", rules, "-o", "json"},
      {"explain", rules, "-o", "json"},
      {"replay", recording, "--rules", rules, "-o", "json"}};
  for (const auto& command : commands) {
    run(command);
    const std::string all = out_ + err_;
    EXPECT_FALSE(all.empty()) << command[0];
    EXPECT_TRUE(std::ranges::none_of(
        all, [](char c) { return c != '\n' && ((c >= 0 && c < ' ') || c == '\x7f'); }))
        << command[0] << ": " << all;
    EXPECT_EQ(all.find("\xc2\x9b"), all.npos) << command[0] << ": " << all;
    EXPECT_EQ(all.find("\nfake"), all.npos) << command[0] << ": " << all;
  }
}

TEST_F(RulesCommands, TestFailsWhereARuleDoesWhatItsTestDoesNotExpect) {
  const std::string rules = write("shell.yaml", kRule);
  write("shell.test.yaml",
        "- name: wrong\n  events: [{event: exec, exe: /usr/bin/bash}]\n  expect: miss\n"
        "- name: also wrong\n  events: [{event: exec, exe: /usr/bin/zsh}]\n  expect: [shell]\n"
        "- name: two processes are two alerts\n  expect: {shell: 2}\n"
        "  events: [{event: exec, process: a, exe: /bin/sh}, {event: exec, process: b, exe: "
        "/bin/sh}]\n");
  EXPECT_EQ(run({"test", rules, "-o", "json"}), 3);
  const std::vector<Json> results = lines();
  ASSERT_GE(results.size(), 3u);
  EXPECT_EQ(results[0]["failure"], "expected nothing, found shell");
  EXPECT_EQ(results[0]["line"], 1);
  EXPECT_EQ(results[1]["failure"], "expected shell, found nothing");
  EXPECT_EQ(results[2]["passed"], true);
}

TEST_F(RulesCommands, EventsOfATestMayBeCloseToEachOther) {
  const std::string rules = write("shell.yaml", kRule);
  const auto tested = [&](const std::string& first, const std::string& second) {
    write("shell.test.yaml",
          "- name: close\n  expect: hit\n  events:\n    - {event: exec, exe: /bin/zsh, at: " +
              first + "}\n    - {event: exec, exe: /bin/bash, at: " + second +
              "}\n- name: zsh\n  events: [{event: exec, exe: /usr/bin/zsh}]\n  expect: miss\n");
    return run({"test", rules});
  };
  EXPECT_EQ(tested("1s", "1.005s"), 0) << err_;
  EXPECT_EQ(tested("2.00s", "2.01s"), 0) << err_;
  EXPECT_EQ(tested("2s", "2s"), 0) << err_;
  EXPECT_EQ(tested("2s", "1.999s"), 3);
  EXPECT_THAT(err_, HasSubstr("'1.999s' is before the event above it"));
}

TEST_F(RulesCommands, TestFilesAreCheckedToo) {
  const std::string rules = write("shell.yaml", kRule);
  const std::string tests = write(
      "shell.test.yaml", "- name: x\n  events: [{event: exec, colour: red}]\n  expect: maybe\n");
  EXPECT_EQ(run({"test", rules}), 3);
  EXPECT_THAT(err_, HasSubstr(tests + ":2:34: "));
  EXPECT_THAT(err_, HasSubstr(tests + ":3:11: 'expect' is"));
}

TEST_F(RulesCommands, ReplayPrintsAlertsAsTheCollectorDoes) {
  const std::string rules = write("shell.yaml", kRule);
  const std::string recording = record_of_a_shell(true);
  EXPECT_EQ(run({"replay", recording, "--rules", rules, "-o", "json"}), 0);
  ASSERT_EQ(lines().size(), 1u);
  const Json alert = lines()[0];
  EXPECT_EQ(alert["rule"], "shell");
  EXPECT_EQ(alert["priority"], "NOTICE");
  EXPECT_EQ(alert["output"], "bash -i");
  EXPECT_EQ(alert["workspace"]["name"], "demo");
  EXPECT_EQ(alert["process"]["pid"], 7);
  EXPECT_EQ(alert["time"], "2001-09-09T01:46:45.000000000Z");
  const std::string first = out_;
  run({"replay", recording, "--rules", rules, "-o", "json"});
  EXPECT_EQ(out_, first);
}

TEST_F(RulesCommands, ReplayOfADamagedOrForeignFileFailsWithTheReason) {
  const std::string rules = write("shell.yaml", kRule);
  const std::string cut = record_of_a_shell(false);
  EXPECT_EQ(run({"replay", cut, "--rules", rules}), 1);
  EXPECT_THAT(out_, HasSubstr("NOTICE shell: bash -i"));  // what came before the damage
  EXPECT_THAT(err_, HasSubstr(cut));
  EXPECT_EQ(run({"replay", write("foreign.pkr", "not a recording"), "--rules", rules}), 1);
  EXPECT_NE(err_, "");
}

TEST_F(RulesCommands, FieldsAndExplain) {
  EXPECT_EQ(run({"fields", "-o", "json"}), 0);
  bool found = false;
  for (const Json& field : lines()) {
    found |= field["name"] == "proc.aname[N]" && field["type"] == "text";
    EXPECT_NE(field["doc"], "");
  }
  EXPECT_TRUE(found);
  const std::string rules = write("shell.yaml", kRule);
  EXPECT_EQ(run({"explain", rules}), 0);
  EXPECT_THAT(out_, HasSubstr("On exec: evt.type = execve and proc.name in (bash, sh)"));
  EXPECT_THAT(out_, HasSubstr("Why: Because."));
  EXPECT_EQ(run({"explain", rules, "--rule", "other"}), 1);
}

}  // namespace
}  // namespace picket
