// Units, manual pages, completions and configurations as packages bring them: each is judged by the
// program that will read it.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/packaging/stage.h"
#include "tests/unit/dev_pki.h"

namespace picket::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kPicketctl = PICKET_BINARY_DIR "/picketctl";

class Installed : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    stage_ = new TemporaryFolder;
    for (const char* component : {"agent", "collector", "ctl"}) install(component, stage_->path());
  }
  static void TearDownTestSuite() {
    delete stage_;
    stage_ = nullptr;
  }
  static fs::path at(const std::string& path) { return stage_->path() / path; }
  static const std::vector<std::string>& units() {
    static const std::vector<std::string> kUnits{"picketd.service", "picket-collector.service"};
    return kUnits;
  }

 private:
  static inline TemporaryFolder* stage_ = nullptr;
};

TEST_F(Installed, UnitsAreHardened) {
  if (!must_have("systemd-analyze")) GTEST_SKIP() << "systemd-analyze is not installed";
  for (const std::string& unit : units()) {
    const auto judged =
        run_program({.argv = {"systemd-analyze", "security", "--offline=yes", "--threshold=30",
                              "--no-pager", at("lib/systemd/system/" + unit)}});
    ASSERT_TRUE(judged.ok()) << judged.status();
    EXPECT_EQ(judged->exit_code, 0) << judged->out << judged->err;
    EXPECT_THAT(judged->out, HasSubstr("Overall exposure level for " + unit));
  }
}

TEST_F(Installed, SystemdUnderstandsTheUnits) {
  if (!must_have("systemd-analyze")) GTEST_SKIP() << "systemd-analyze is not installed";
  // What the unit calls besides what was installed.
  fs::create_directories(at("bin"));
  fs::copy_file("/bin/kill", at("bin/kill"), fs::copy_options::overwrite_existing);
  for (const std::string& unit : units()) {
    const auto said =
        run_program({.argv = {"systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                              "--root=" + at("").string(), unit}});
    ASSERT_TRUE(said.ok()) << said.status();
    EXPECT_EQ(said->exit_code, 0) << said->err;
    EXPECT_THAT(said->err, Not(HasSubstr(unit + ":"))) << "a line it does not know";
  }
}

// The agent's unit lets through what its container's profile lets through.
TEST_F(Installed, TheAgentsUnitHasTheCallsOfItsSeccompProfile) {
  const auto unit = read_file(at("lib/systemd/system/picketd.service"));
  ASSERT_TRUE(unit.ok()) << unit.status();
  for (const char* call : {" bpf ", " perf_event_open ", " openat ", " pidfd_send_signal "})
    EXPECT_THAT(*unit, HasSubstr(call));
  for (const char* call : {" mount ", " ptrace ", " init_module ", "@"})
    EXPECT_THAT(*unit, Not(HasSubstr(call)));
}

TEST_F(Installed, ManualPagesAreRight) {
  if (!must_have("mandoc")) GTEST_SKIP() << "mandoc is not installed";
  for (const char* page : {"man8/picketd.8", "man8/picket-collector.8", "man1/picketctl.1"}) {
    const std::string file = at(fmt::format("usr/share/man/{}.gz", page));
    const auto text = output_of({"gzip", "--decompress", "--stdout", file});
    ASSERT_TRUE(text.ok()) << text.status();
    const fs::path plain = at(fs::path(page).filename());
    ASSERT_TRUE(write_file(plain, *text).ok());
    const auto lint = run_program({.argv = {"mandoc", "-T", "lint", "-W", "warning", plain}});
    ASSERT_TRUE(lint.ok()) << lint.status();
    EXPECT_THAT(lint->out + lint->err, IsEmpty()) << page;
    const auto read = output_of({"mandoc", "-T", "utf8", plain});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_THAT(*read, HasSubstr(PICKET_VERSION));
  }
}

// Every command that picketctl itself lists.
std::vector<std::string> commands(const std::string& of = "") {
  std::vector<std::string> argv{kPicketctl};
  if (!of.empty()) argv.push_back(of);
  argv.push_back("--help");
  const auto help = output_of(argv);
  EXPECT_TRUE(help.ok()) << help.status();
  std::vector<std::string> found;
  const size_t list = help->find("Subcommands:\n");
  if (list == help->npos) return found;
  std::istringstream lines(help->substr(list));
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line) && !line.empty();)
    if (line.starts_with("  ") && line[2] != ' ')
      found.push_back(line.substr(2, line.find(' ', 2) - 2));
  return found;
}

TEST_F(Installed, TheManualKnowsEveryCommand) {
  const auto manual = output_of({kPicketctl, "manual"});
  ASSERT_TRUE(manual.ok()) << manual.status();
  size_t known = 0;
  for (const std::string& command : commands()) {
    const std::vector<std::string> below = commands(command);
    for (const std::string& next : below)
      EXPECT_THAT(*manual, HasSubstr(fmt::format(".SS \\fBpicketctl {} {}\\fR", command, next)));
    if (below.empty()) {
      EXPECT_THAT(*manual, HasSubstr(fmt::format(".SS \\fBpicketctl {}\\fR", command)));
    }
    known += below.empty() ? 1 : below.size();
  }
  EXPECT_GT(known, 20u);
}

std::set<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

// What bash offers after these words.
std::set<std::string> offers(const fs::path& script, const std::string& words, int position) {
  const auto offered = output_of({"bash", "-c",
                                  fmt::format("source '{}'; COMP_WORDS=({}); COMP_CWORD={}; "
                                              "_picketctl; echo \"${{COMPREPLY[@]}}\"",
                                              script.string(), words, position)});
  EXPECT_TRUE(offered.ok()) << offered.status();
  return offered.ok() ? words_of(*offered) : std::set<std::string>();
}

TEST_F(Installed, BashCompletesEveryCommand) {
  const fs::path script = at("usr/share/bash-completion/completions/picketctl");
  ASSERT_TRUE(output_of({"bash", "-n", script}).ok());
  const std::set<std::string> all = offers(script, "picketctl ''", 1);
  for (const std::string& command : commands()) {
    EXPECT_TRUE(all.contains(command)) << command;
    const std::set<std::string> below = offers(script, fmt::format("picketctl {} ''", command), 2);
    for (const std::string& next : commands(command))
      EXPECT_TRUE(below.contains(next)) << command << ' ' << next;
  }
  EXPECT_EQ(offers(script, "picketctl workspace fr", 2), std::set<std::string>{"freeze"});
  EXPECT_EQ(offers(script, "picketctl -o json workspace freeze --rea", 5),
            std::set<std::string>{"--reason"});
  EXPECT_EQ(offers(script, "picketctl nodes -o ''", 3), (std::set<std::string>{"json", "text"}));
  EXPECT_THAT(offers(script, "picketctl --context ''", 2), IsEmpty()) << "a file's name";
}

TEST_F(Installed, ZshReadsItsCompletion) {
  if (!must_have("zsh")) GTEST_SKIP() << "zsh is not installed";
  const fs::path script = at("usr/share/zsh/vendor-completions/_picketctl");
  const auto read = output_of({"zsh", "-n", script});
  EXPECT_TRUE(read.ok()) << read.status();
  // The table that it hands on, in place of a menu.
  const auto offered = output_of(
      {"zsh", "-f", "-c",
       fmt::format("compdef() {{ :; }}; _describe() {{ print -l -- ${{(P)2}}; }}; source '{}'; "
                   "words=(picketctl workspace ''); CURRENT=3; _picketctl",
                   script.string())});
  ASSERT_TRUE(offered.ok()) << offered.status();
  EXPECT_THAT(*offered, HasSubstr("freeze:Stop every process of it, unharmed\n"));
}

TEST_F(Installed, FishCompletesCommandsAndOptions) {
  if (!must_have("fish")) GTEST_SKIP() << "fish is not installed";
  const fs::path script = at("usr/share/fish/vendor_completions.d/picketctl.fish");
  const auto ask = [&](const std::string& line) {
    const auto offered =
        output_of({"env", "HOME=" + at("").string(), "fish", "--no-config", "--command",
                   fmt::format("source '{}'; complete -C '{}'", script.string(), line)});
    EXPECT_TRUE(offered.ok()) << offered.status();
    return offered.ok() ? *offered : std::string();
  };
  EXPECT_THAT(ask("picketctl workspace fr"), HasSubstr("freeze\tStop every process"));
  EXPECT_THAT(ask("picketctl workspace freeze --re"), HasSubstr("--reason\t"));
  EXPECT_THAT(ask("picketctl -o j"), HasSubstr("json"));
}

TEST_F(Installed, TheAgentTakesItsConfiguration) {
  const auto checked = output_of(
      {PICKET_BINARY_DIR "/picketd", "--validate", "--config", at("etc/picket/picketd.yaml")});
  EXPECT_TRUE(checked.ok()) << checked.status();
  fs::create_directories(at("etc/picket/picketd.conf.d"));
  ASSERT_TRUE(write_file(at("etc/picket/picketd.conf.d/10.yaml"), "no_such_key: 1\n").ok());
  const auto refused = run_program({.argv = {PICKET_BINARY_DIR "/picketd", "--validate", "--config",
                                             at("etc/picket/picketd.yaml")}});
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_EQ(refused->exit_code, 3);
  EXPECT_THAT(refused->err, HasSubstr("picketd.conf.d/10.yaml:1:1: unknown key"));
  fs::remove_all(at("etc/picket/picketd.conf.d"));
}

TEST_F(Installed, TheCollectorTakesItsConfiguration) {
  DevPki pki;
  pki.issue("collector collector");
  for (const char* name : {"ca.crt", "collector.crt", "collector.key"})
    fs::copy_file(pki.folder() / name, at("etc/picket/pki") / name,
                  fs::copy_options::overwrite_existing);
  const auto checked = output_of({PICKET_BINARY_DIR "/picket-collector", "--validate", "--config",
                                  at("etc/picket/collector.yaml")});
  EXPECT_TRUE(checked.ok()) << checked.status();
}

TEST_F(Installed, RulesComeWithoutTheirTests) {
  EXPECT_TRUE(fs::exists(at("usr/share/picket/rules/reverse_shell.yaml")));
  EXPECT_TRUE(fs::exists(at("usr/share/picket/rules/lists/pools.yaml")));
  EXPECT_TRUE(fs::exists(at("usr/share/picket/rules/seccomp/workspace.json")));
  for (const auto& entry : fs::recursive_directory_iterator(at("usr/share/picket/rules")))
    EXPECT_THAT(entry.path().string(), Not(HasSubstr(".test."))) << entry.path();
  const auto valid = output_of({kPicketctl, "rules", "validate", at("usr/share/picket/rules")});
  EXPECT_TRUE(valid.ok()) << valid.status();
}

// The keys that a program says it expects, of each mapping of its configuration.
std::set<std::string> keys_of(const std::string& program, const std::string& text) {
  TemporaryFolder folder;
  const fs::path file = folder.path() / "c.yaml";
  EXPECT_TRUE(write_file(file, text).ok());
  const auto said =
      run_program({.argv = {PICKET_BINARY_DIR "/" + program, "--validate", "--config", file}});
  EXPECT_TRUE(said.ok()) << said.status();
  std::set<std::string> keys;
  constexpr std::string_view kExpected = "expected one of: ";
  for (size_t at = 0; (at = said->err.find(kExpected, at)) != said->err.npos;) {
    at += kExpected.size();
    std::string list = said->err.substr(at, said->err.find('\n', at) - at);
    std::ranges::replace(list, ',', ' ');
    keys.merge(words_of(list));
  }
  return keys;
}

// A key that a daemon takes stands in docs/configure.md.
TEST_F(Installed, EveryKeyIsDocumented) {
  const auto document = read_file(PICKET_SOURCE_DIR "/docs/configure.md");
  ASSERT_TRUE(document.ok()) << document.status();
  for (const auto& [program, head] :
       {std::pair("picketd", "## The agent"), std::pair("picket-collector", "## The collector")}) {
    const size_t begin = document->find(head);
    ASSERT_NE(begin, document->npos) << head;
    const std::string part = document->substr(begin, document->find("\n## ", begin) - begin);
    const std::set<std::string> top = keys_of(program, "x: 1\n");
    EXPECT_GT(top.size(), 7u) << program;
    for (const std::string& key : top) {
      const std::set<std::string> below = keys_of(program, fmt::format("{}: {{x: 1}}\n", key));
      EXPECT_THAT(part, ::testing::AnyOf(HasSubstr("`" + key + "`"), HasSubstr("`" + key + ".")))
          << program;
      for (const std::string& next : below) {
        if (top.contains(next)) continue;
        EXPECT_THAT(part, HasSubstr("`" + key + "." + next + "`")) << program;
      }
    }
  }
}

}  // namespace
}  // namespace picket::test
