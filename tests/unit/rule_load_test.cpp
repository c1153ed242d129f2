// Bad rule files: every error with its exact place, several at once, and what a good load reports.
#include <gmock/gmock.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> errors_of(std::string text) {
  std::vector<std::string> lines;
  for (const Diagnostic& error : load_report(std::move(text)).errors) lines.push_back(error.text());
  return lines;
}

std::vector<std::string> notes_of(std::string text) {
  std::vector<std::string> lines;
  for (const Diagnostic& note : load_report(std::move(text)).notes) lines.push_back(note.text());
  return lines;
}

std::string rule_of(const std::string& condition_line) {
  return "- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  " + condition_line + "\n";
}

TEST(RuleLoadErrors, YamlItself) {
  EXPECT_THAT(errors_of("- rule: [a\n  b: }"), ElementsAre(HasSubstr("test.yaml:2:4: not YAML")));
  EXPECT_THAT(
      errors_of("rule: a"),
      ElementsAre("test.yaml:1:1: a list of rules, macros and lists expected: '- rule: NAME'"));
  EXPECT_THAT(errors_of("- just text"),
              ElementsAre(HasSubstr("test.yaml:1:3: a mapping expected")));
}

// The library would take the rest for further documents, for ever, or drop it.
TEST(RuleLoadErrors, TextThatBelongsToNothing) {
  EXPECT_THAT(errors_of("- list: a\n  items: []\n ) ] x\n- list: b\n  items: []\n"),
              ElementsAre(HasSubstr("test.yaml:3:")));
  EXPECT_THAT(errors_of("- macro: x\n  condition: (-)m \n,  lrule: r\n  desc* d\n  y: >\n   z\n"),
              ElementsAre(HasSubstr("test.yaml:")));
  EXPECT_THAT(errors_of("---\n- list: a\n  items: []\n---\n- list: b\n  items: []\n...\n# end\n"),
              IsEmpty());
}

TEST(RuleLoadErrors, DuplicateKey) {
  EXPECT_THAT(errors_of(rule_of("condition: evt.type = execve") + "  priority: NOTICE\n"),
              ElementsAre("test.yaml:6:3: key 'priority' stands twice in this mapping; once "
                          "expected"));
}

// What another version of the language may know, or what is misspelt.
TEST(RuleLoad, UnknownKeysAndItemsAreNotedAndLeftAside) {
  const std::string good = rule_of("condition: evt.type = execve");
  EXPECT_THAT(notes_of(good + "  sevrity: 3\n"),
              ElementsAre(HasSubstr("test.yaml:6:3: unknown key 'sevrity' is left aside; one of "
                                    "rule, desc")));
  EXPECT_THAT(notes_of("- list: l\n  items: []\n  apend: true\n"),
              ElementsAre(HasSubstr("test.yaml:3:3: unknown key 'apend' is left aside")));
  EXPECT_THAT(notes_of("- macro: m\n  condition: evt.type = execve\n  note: x\n"),
              ElementsAre(HasSubstr("test.yaml:3:3: unknown key 'note' is left aside")));
  EXPECT_THAT(notes_of("- required_engine_version: 57\n  schema: 2\n"),
              ElementsAre(HasSubstr("test.yaml:2:3: unknown key 'schema' is left aside")));
  EXPECT_THAT(notes_of("-\n- profile: x\n  rules: [r]\n" + good),
              ElementsAre(HasSubstr("test.yaml:2:3: this defines nothing and is left aside")));
  for (const char* text : {"  sevrity: 3\n", "- profile: x\n", "-\n"})
    EXPECT_THAT(errors_of(good + text), IsEmpty()) << text;
  EXPECT_THAT(errors_of(good + "  enabled: 3\n  sevrity: 3\n"),
              ElementsAre(HasSubstr("test.yaml:6:12: true or false expected")));
}

TEST(RuleLoadErrors, UnknownKeyOfWhatIsPicketsOwn) {
  EXPECT_THAT(errors_of("- waiver: w\n  rules: [r]\n  owner: a\n  reason: b\n  expires: "
                        "2030-01-01\n  colour: red\n"),
              ElementsAre(HasSubstr("test.yaml:6:3: unknown key 'colour'; one of waiver")));
}

TEST(RuleLoad, NumbersAndPorts) {
  for (const char* condition :
       {"proc.pid = +5", "proc.pid = -5", "proc.pid in (0x1f, 7)", "fd.sport = https",
        "fd.rport in (ssh, 2222, domain)", "fd.port > +1023"})
    EXPECT_THAT(errors_of(rule_of("condition: " + std::string(condition))), IsEmpty()) << condition;
  for (const char* number : {"5.5", "1e+3", "+-5", "+", "5x", "http"})
    EXPECT_THAT(errors_of(rule_of("condition: proc.pid = " + std::string(number))),
                ElementsAre(HasSubstr("test.yaml:5:25: 'proc.pid' is a number and cannot be '" +
                                      std::string(number) + "'; a whole number expected")));
  EXPECT_THAT(
      errors_of(rule_of("condition: fd.sport = htps")),
      ElementsAre(HasSubstr("test.yaml:5:25: 'fd.sport' is a number and cannot be 'htps'; a "
                            "whole number or the name of a port such as https expected")));
  Scene scene(PK_CONNECT);
  scene.with("remote_addr", "203.0.113.9").with("remote_port", "443");
  EXPECT_TRUE(scene.matches("fd.rport = https"));
  EXPECT_TRUE(scene.matches("fd.rport in (ssh, https)"));
  EXPECT_TRUE(scene.matches("fd.rport = +443"));
  EXPECT_FALSE(scene.matches("fd.rport = http"));
}

TEST(RuleLoad, PlacesArePrintable) {
  const std::vector<std::string> errors = errors_of(
      "- rule: \"a\\e]0;x\\a\"\n  output: o\n  priority: \"\\e[2J\"\n"
      "  condition: evt.type = execve\n");
  EXPECT_THAT(errors, ElementsAre(HasSubstr("test.yaml:3:13: '\\x1b[2J' is not a priority")));
}

TEST(RuleLoadErrors, MissingAndWronglyTypedKeys) {
  EXPECT_THAT(errors_of("- rule: r\n  output: o\n  priority: DEBUG\n"),
              ElementsAre("test.yaml:1:3: 'condition' is missing here"));
  EXPECT_THAT(errors_of(rule_of("condition: [a]")),
              ElementsAre("test.yaml:5:14: a text expected for 'condition'"));
  EXPECT_THAT(errors_of(rule_of("condition: evt.type = execve") + "  enabled: maybe\n"),
              ElementsAre("test.yaml:6:12: true or false expected for 'enabled'"));
  EXPECT_THAT(errors_of(rule_of("condition: evt.type = execve") + "  tags: x\n"),
              ElementsAre("test.yaml:6:9: a list expected for 'tags': [a, b]"));
  EXPECT_THAT(errors_of(rule_of("condition: evt.type = execve") + "  respond: shout\n"),
              ElementsAre(HasSubstr("test.yaml:6:12: 'shout' is not a response")));
  EXPECT_THAT(
      errors_of("- rule:\n  output: o\n  condition: evt.type = execve\n  priority: DEBUG\n"),
      ElementsAre(HasSubstr("a text expected for 'rule'")));
}

TEST(RuleLoadErrors, Priority) {
  EXPECT_THAT(
      errors_of("- rule: r\n  desc: d\n  output: o\n  priority: URGENT\n"
                "  condition: evt.type = execve\n"),
      ElementsAre(HasSubstr("test.yaml:4:13: 'URGENT' is not a priority; one of EMERGENCY")));
  EXPECT_EQ(rules_of(rule_of("condition: evt.type = execve"))->rules()[0].priority,
            Priority::informational);
}

TEST(RuleLoadErrors, UnknownField) {
  EXPECT_THAT(errors_of(rule_of("condition: proc.nam = bash")),
              ElementsAre("test.yaml:5:14: unknown field 'proc.nam'; did you mean 'proc.name'?"));
  EXPECT_THAT(
      errors_of(rule_of("condition: event.nothing = 1")),
      ElementsAre(HasSubstr("test.yaml:5:14: unknown field 'event.nothing'; no event has")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.aname[x] = a")),
              ElementsAre(HasSubstr("test.yaml:5:14: 'proc.aname' takes a number from 0")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.name[1] = a")),
              ElementsAre(HasSubstr("'proc.name' takes no argument")));
  EXPECT_THAT(errors_of(rule_of("condition: workspace.label = a")),
              ElementsAre(HasSubstr("'workspace.label' needs an argument in brackets")));
}

TEST(RuleLoadErrors, WrongType) {
  EXPECT_THAT(errors_of(rule_of("condition: proc.pid = abc")),
              ElementsAre("test.yaml:5:25: 'proc.pid' is a number and cannot be 'abc'; a whole "
                          "number expected"));
  EXPECT_THAT(errors_of(rule_of("condition: proc.pid startswith 1")),
              ElementsAre(HasSubstr("test.yaml:5:23: 'proc.pid' is a number and cannot be compared "
                                    "with 'startswith'; it takes =")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.name < a")),
              ElementsAre(HasSubstr("test.yaml:5:24: 'proc.name' is a text and cannot")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.exec_in = yes")),
              ElementsAre(HasSubstr("'proc.exec_in' is a boolean and cannot be 'yes'; true or")));
  EXPECT_THAT(errors_of(rule_of("condition: fd.sip = 1.2.3")),
              ElementsAre(HasSubstr("test.yaml:5:23: '1.2.3' is not an IP address")));
  EXPECT_THAT(errors_of(rule_of("condition: fd.snet in (10.0.0.0/40)")),
              ElementsAre(HasSubstr("no prefix length from 0 to 32")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.name regex \"a(\"")),
              ElementsAre(HasSubstr("test.yaml:5:30: not a regular expression")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.layer = memdf")),
              ElementsAre(HasSubstr("test.yaml:5:27: 'proc.layer' is never 'memdf'; it is one of: "
                                    "unknown image")));
}

TEST(RuleLoadErrors, UnknownListAndMacro) {
  EXPECT_THAT(errors_of(rule_of("condition: proc.name in shells")),
              ElementsAre(HasSubstr("test.yaml:5:27: unknown list 'shells'")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.name in (shell_binaries)")),
              ElementsAre(HasSubstr("test.yaml:5:28: unknown list 'shell_binaries'")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.name in (\"shell_binaries\")")), IsEmpty());
  EXPECT_THAT(errors_of(rule_of("condition: proc.name in (bash, x_y)")), IsEmpty());
  EXPECT_THAT(errors_of(rule_of("condition: proc.name in (exactly_15_char)")), IsEmpty());
  EXPECT_THAT(errors_of(rule_of("condition: evt.type = execve and spawned")),
              ElementsAre(HasSubstr("test.yaml:5:36: unknown macro 'spawned'")));
  EXPECT_THAT(errors_of(rule_of("condition: proc.name and evt.type = execve")),
              ElementsAre(HasSubstr("test.yaml:5:14: 'proc.name' is a field and stands alone")));
}

TEST(RuleLoadErrors, OutputFields) {
  EXPECT_THAT(
      errors_of("- rule: r\n  desc: d\n  output: \"at %proc.namex here\"\n  priority: INFO\n"
                "  condition: evt.type = execve\n"),
      ElementsAre(HasSubstr("test.yaml:3:16: unknown field 'proc.namex'")));
  EXPECT_THAT(errors_of("- rule: r\n  desc: d\n  output: \"%(proc.name\"\n  priority: INFO\n"
                        "  condition: evt.type = execve\n"),
              ElementsAre(HasSubstr("')' expected after the field")));
}

TEST(RuleLoadErrors, CirclesAndDepth) {
  EXPECT_THAT(errors_of("- macro: a\n  condition: b\n- macro: b\n  condition: not a\n"),
              ElementsAre("test.yaml:4:18: macro 'a' uses itself"));
  EXPECT_THAT(errors_of("- list: a\n  items: [b]\n- list: b\n  items: [x, a]\n"),
              ElementsAre("test.yaml:4:14: list 'a' contains itself"));
  // In an order in which the outermost is compiled first.
  std::string deep = "- macro: m199\n  condition: evt.type = execve\n";
  for (int i = 100; i < 199; ++i) {
    deep += "- macro: m" + std::to_string(i) + "\n  condition: m" + std::to_string(i + 1) + "\n";
  }
  EXPECT_THAT(load_report(deep).error_text(), HasSubstr("nested deeper than 32 levels"));
}

// Positions inside scalars: what a person sees in the file, however YAML folds it.
TEST(RuleLoadPositions, FoldedBlock) {
  EXPECT_THAT(errors_of("- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: >\n"
                        "    evt.type = execve and\n      proc.nam = bash\n\n    and foo\n"),
              ElementsAre(HasSubstr("test.yaml:7:7: unknown field"),
                          HasSubstr("test.yaml:9:9: unknown macro")));
}

TEST(RuleLoadPositions, LiteralBlockWithIndicators) {
  EXPECT_THAT(errors_of("- macro: m\n  condition: |2-\n    evt.type = execve\n    and foo\n"),
              ElementsAre(HasSubstr("test.yaml:4:9: unknown macro 'foo'")));
}

TEST(RuleLoadPositions, PlainOverSeveralLines) {
  EXPECT_THAT(errors_of("- macro: m\n  condition: evt.type = execve\n    and\n    foo\n"),
              ElementsAre(HasSubstr("test.yaml:4:5: unknown macro 'foo'")));
}

TEST(RuleLoadPositions, QuotedWithEscapes) {
  EXPECT_THAT(errors_of("- macro: m\n  condition: 'proc.name = \"it''s\" and foo'\n"),
              ElementsAre(HasSubstr("test.yaml:2:39: unknown macro 'foo'")));
  EXPECT_THAT(errors_of("- macro: m\n  condition: \"proc.name = \\\"x\\\" \\n and foo\"\n"),
              ElementsAre(HasSubstr("test.yaml:2:40: unknown macro 'foo'")));
}

TEST(RuleLoadPositions, AnchorsTagsAndAliases) {
  EXPECT_THAT(errors_of("- macro: m\n  condition: &c !!str proc.pid = 3 and foo\n"
                        "- macro: n\n  condition: *c\n"),
              ElementsAre(HasSubstr("test.yaml:2:40: unknown macro"),
                          HasSubstr("test.yaml:2:40: unknown macro")));
}

TEST(RuleLoadPositions, EndOfTheCondition) {
  EXPECT_THAT(errors_of(rule_of("condition: (evt.type = execve")),
              ElementsAre(HasSubstr("test.yaml:5:32: ')' expected, not the end")));
}

TEST(RuleLoadPositions, WindowsLineEnds) {
  EXPECT_THAT(errors_of("- macro: m\r\n  condition: >\r\n    evt.type = execve\r\n    and foo\r\n"),
              ElementsAre(HasSubstr("test.yaml:4:9: unknown macro")));
}

TEST(RuleLoadErrors, AllAreCollected) {
  EXPECT_EQ(
      errors_of(rule_of("condition: proc.nam = a and proc.pid = b and foo") + "  shadow: red\n")
          .size(),
      4u);
}

TEST(RuleLoadNotes, ReplacedDefinitions) {
  EXPECT_THAT(notes_of("- list: l\n  items: [a]\n- list: l\n  items: [b]\n"),
              ElementsAre("test.yaml:3:9: list 'l' replaces the definition at test.yaml:1"));
  const std::string twice = rule_of("condition: evt.type = execve and proc.name = bash") +
                            rule_of("condition: evt.type = execve and proc.name = zsh");
  EXPECT_THAT(notes_of(twice), ElementsAre(HasSubstr("test.yaml:6:9: rule 'r' replaces")));
  RuleDetector detector(rules_of(twice));
  EXPECT_TRUE(Scene().run(detector).empty());
}

TEST(RuleLoadNotes, RulesThatCannotMatch) {
  EXPECT_THAT(notes_of(rule_of("condition: evt.type = execve and fd.sport = 1")),
              ElementsAre(HasSubstr("rule 'r' can never match")));
}

TEST(RuleLoad, DisabledRulesAreCheckedButNotEvaluated) {
  const std::string disabled = rule_of("condition: evt.type = execve") + "  enabled: false\n";
  RuleDetector detector(rules_of(disabled));
  EXPECT_TRUE(Scene().run(detector).empty());
  EXPECT_THAT(errors_of(rule_of("condition: foo") + "  enabled: false\n"),
              ElementsAre(HasSubstr("unknown macro")));
}

TEST(RuleLoad, FalcosTopLevelKeysAndDoublyQuotedItems) {
  RuleDetector detector(
      rules_of("- required_engine_version: 0.57.0\n"
               "- list: l\n  items: ['\"bash -c echo hello\"']\n" +
               rule_with("proc.cmdline in (l)")));
  EXPECT_EQ(Scene().run(detector).size(), 1u);
}

class RuleFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "picket_rules_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  std::array<std::filesystem::path, 1> paths() const { return {folder_}; }

  std::filesystem::path folder_;
};

TEST_F(RuleFolder, FilesAreReadInOrderAndTestsAreNot) {
  write("b.yaml", "- list: names\n  items: [bash]\n");
  write("a.yaml", "- list: names\n  items: [other]\n" +
                      rule_with("evt.type = execve and proc.name in names"));
  write("deep/c.yaml", "- macro: unused\n  condition: evt.type = execve\n");
  write("a.test.yaml", "- nonsense");
  write("notes.txt", "- nonsense");
  LoadReport report;
  auto rules = load_rules(paths(), report);
  ASSERT_TRUE(rules.ok()) << report.error_text();
  EXPECT_EQ(report.files, 3u);
  EXPECT_THAT(report.notes,
              ElementsAre(testing::Field(&Diagnostic::message, HasSubstr("a.yaml:1"))));
  RuleDetector detector(*std::move(rules));
  EXPECT_EQ(Scene().run(detector).size(), 1u);  // b.yaml's list is the later one
}

TEST_F(RuleFolder, MissingPathIsAnError) {
  LoadReport report;
  const std::array<std::filesystem::path, 1> missing{folder_ / "none.yaml"};
  EXPECT_TRUE(absl::IsInvalidArgument(load_rules(missing, report).status()));
  EXPECT_THAT(report.error_text(), HasSubstr("none.yaml: cannot be read"));
}

TEST_F(RuleFolder, PathsAndFilesWithoutRulesAreErrors) {
  write("notes.txt", "- nonsense");
  write("a.test.yaml", "- nonsense");
  LoadReport folder;
  EXPECT_TRUE(absl::IsInvalidArgument(load_rules(paths(), folder).status()));
  EXPECT_EQ(folder.error_text(), folder_.string() + ": holds no rule file (NAME.yaml or NAME.yml)");
  for (const char* nothing : {"", "# all of it is commented out\n", "[]\n", "---\n---\n"}) {
    write("a.yaml", nothing);
    LoadReport file;
    EXPECT_TRUE(absl::IsInvalidArgument(load_rules(paths(), file).status())) << nothing;
    EXPECT_EQ(file.error_text(), (folder_ / "a.yaml").string() + ": holds no rule, macro or list");
  }
}

TEST_F(RuleFolder, AReloadThatFindsNothingKeepsTheLastGoodRules) {
  write("a.yaml", rule_with("proc.name = bash"));
  LoadReport report;
  auto rules = load_rules(paths(), report);
  ASSERT_TRUE(rules.ok());
  RuleDetector detector(*std::move(rules));
  write("a.yaml", "");
  EXPECT_FALSE(detector.reload(paths(), report).ok());
  std::filesystem::remove(folder_ / "a.yaml");
  EXPECT_FALSE(detector.reload(paths(), report).ok());
  EXPECT_EQ(Scene().run(detector).size(), 1u);
}

TEST_F(RuleFolder, AReloadThatFailsKeepsTheLastGoodRules) {
  write("a.yaml", rule_with("proc.name = bash"));
  LoadReport report;
  auto rules = load_rules(paths(), report);
  ASSERT_TRUE(rules.ok());
  RuleDetector detector(*std::move(rules));
  EXPECT_EQ(Scene().run(detector).size(), 1u);

  write("b.yaml", "- list: l\n  items: [a]\n  items: [b]\n");
  const absl::Status refused = detector.reload(paths(), report);
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(report.error_text(), HasSubstr("b.yaml:3:3: key 'items' stands twice"));
  EXPECT_EQ(Scene().run(detector).size(), 1u);

  write("b.yaml", "- list: l\n  items: [a]\n");
  write("a.yaml", rule_with("proc.name = other"));
  LoadReport second;
  EXPECT_TRUE(detector.reload(paths(), second).ok());
  EXPECT_EQ(Scene().run(detector).size(), 0u);
}

}  // namespace
}  // namespace picket
