// Definitions of who drives a process: what a file may say, what those that are shipped know, and
// what rules can ask.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<const Origins> shipped() {
  const std::array<std::filesystem::path, 1> paths{PICKET_SOURCE_DIR "/rules/lineage.yaml"};
  LoadReport report;
  auto rules = load_rules(paths, report);
  EXPECT_TRUE(rules.ok()) << report.error_text();
  return (*rules)->origins();
}

Process program(std::string_view exe, std::string_view argv) {
  Process process;
  process.key = {5, 50};
  process.exe = exe;
  process.argv = argv;
  process.cwd = "/home/dev";
  process.driver.origin = Origin::human;
  return process;
}

TEST(LineageDefinitions, MistakesAreToldWithTheirPlace) {
  EXPECT_THAT(load_report("- lineage: x\n").error_text(), HasSubstr("'origin' is missing"));
  EXPECT_THAT(load_report("- lineage: x\n  origin: robot\n").error_text(),
              HasSubstr("test.yaml:2:11: 'robot' is no origin"));
  EXPECT_THAT(load_report("- lineage: x\n  origin: build\n  program: [a]\n").error_text(),
              HasSubstr("program"));
  EXPECT_THAT(load_report("- lineage: x\n  origin: build\n  programs: ['']\n").error_text(),
              HasSubstr("an empty item"));
  EXPECT_THAT(load_report("- lineage: x\n  origin: human\n  environment: [ME]\n").error_text(),
              HasSubstr("AI agents only"));
  EXPECT_THAT(load_report("- lineage: x\n  origin: human\n  contents: [me]\n").error_text(),
              HasSubstr("'contents' is asked of AI agents only"));
  EXPECT_TRUE(load_report("- lineage: x\n  origin: build\n").errors.empty());
  const std::string packages = "- lineage: x\n  origin: package_manager\n  packages:\n";
  EXPECT_TRUE(load_report(packages + "    - folder: '.*/m/(.+)'\n").errors.empty());
  EXPECT_THAT(load_report(packages + "    - folder: '.*/m/(.+'\n").error_text(),
              HasSubstr("test.yaml:4:15: '.*/m/(.+' is no regular expression"));
  EXPECT_THAT(load_report(packages + "    - command: install\n").error_text(),
              HasSubstr("test.yaml:4:7: takes all that it starts"));
  EXPECT_THAT(load_report(packages + "    - name: x\n").error_text(), HasSubstr("name"));
  EXPECT_THAT(load_report("- lineage: x\n  origin: ide\n  packages: [{folder: x}]\n").error_text(),
              HasSubstr("package managers and build tools only"));
}

TEST(LineageDefinitions, ShippedOnesKnowWhatTheyAreFor) {
  const auto origins = shipped();
  struct Case {
    std::string_view exe;
    std::string argv;
    Origin origin;
    std::string_view agent = "";
  };
  const std::string nul(1, '\0');
  const std::string node = "node" + nul;
  for (const Case& one : std::vector<Case>{
           {"/home/dev/.vscode-server/bin/ab12/node", "node", Origin::ide},
           {"/home/dev/.vscode-server/cli/servers/Stable-ab/server/node", "node", Origin::ide},
           {"/usr/lib/code-server/lib/node", "node", Origin::ide},
           {"/usr/sbin/sshd", "sshd", Origin::service},
           {"/tmp/coder.x1/coder", "coder" + nul + "agent", Origin::platform},
           {"/usr/bin/make", "make", Origin::build},
           {"/home/dev/.cargo/bin/cargo", "cargo" + nul + "build", Origin::build},
           {"/usr/bin/node", node + "/usr/lib/node_modules/npm/bin/npm-cli.js" + nul + "ci",
            Origin::package_manager},
           {"/usr/bin/python3.11", "python3" + nul + "-m" + nul + "pip", Origin::package_manager},
           {"/usr/bin/node", node + "/usr/local/bin/claude", Origin::ai_agent, "claude-code"},
           {"/home/dev/.local/share/claude/versions/2.0.1", "claude", Origin::ai_agent,
            "claude-code"},
           {"/usr/bin/node", node + "/x/node_modules/@google/gemini-cli/dist/index.js",
            Origin::ai_agent, "gemini-cli"},
           {"/usr/local/bin/codex", "codex", Origin::ai_agent, "codex"},
           {"/usr/bin/python3", "python3" + nul + "/home/dev/.local/bin/aider", Origin::ai_agent,
            "aider"},
           {"/usr/bin/git", "git" + nul + "/usr/local/bin/claude", Origin::human},
           {"/usr/bin/node", node + "server.js", Origin::human}}) {
    const Driver driver = origins->after_exec(program(one.exe, one.argv), false);
    EXPECT_EQ(to_string(driver.origin), to_string(one.origin)) << one.exe << ' ' << one.argv;
    EXPECT_EQ(driver.agent, one.agent) << one.exe << ' ' << one.argv;
  }
}

TEST(LineageDefinitions, KernelsNumberOfAnAgentLeadsBackToIt) {
  const auto origins = shipped();
  const Driver driver = origins->after_exec(program("/usr/local/bin/codex", "codex"), false);
  EXPECT_EQ(origins->from_kernel(to_kernel(driver)), driver);
  const Driver person{
      .origin = Origin::human, .terminals = false, .agent = {}, .agent_session = {}};
  EXPECT_EQ(origins->from_kernel(to_kernel(person)), person);
}

TEST(LineageFields, TellWhoDrivesTheProcess) {
  Scene scene;
  EXPECT_TRUE(scene.matches("proc.origin = unknown"));
  EXPECT_FALSE(scene.matches("lineage.agent exists"));
  scene.process.driver = {.origin = Origin::build,
                          .terminals = false,
                          .agent = "claude-code",
                          .agent_session = {7, 70}};
  EXPECT_TRUE(scene.matches("proc.origin in (build, package_manager)"));
  EXPECT_TRUE(scene.matches("lineage.agent = claude-code and lineage.agent_session = 7-70"));
  EXPECT_EQ(scene.output("%proc.origin %lineage.agent"), "build claude-code");
  RuleDetector detector(rules_of(rule_with("evt.type = execve")));
  const Finding finding = scene.run(detector).at(0);
  EXPECT_EQ(finding.process.origin, Origin::build);
  EXPECT_EQ(finding.process.agent, "claude-code");
}

}  // namespace
}  // namespace picket
