// What rules of others bring along: exceptions, changes of earlier definitions, versions, sources,
// fields that nothing fills.
#include <gmock/gmock.h>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> texts(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> lines;
  for (const Diagnostic& diagnostic : diagnostics) lines.push_back(diagnostic.text());
  return lines;
}
std::vector<std::string> errors_of(std::string text) {
  return texts(load_report(std::move(text)).errors);
}
std::vector<std::string> notes_of(std::string text) {
  const LoadReport report = load_report(std::move(text));
  EXPECT_THAT(texts(report.errors), IsEmpty());
  return texts(report.notes);
}

// A rule that matches the scene, and what else the file says.
std::string base(std::string_view more, std::string_view condition = "evt.type = execve") {
  return "- rule: r\n  desc: d\n  priority: NOTICE\n  output: o\n  condition: " +
         std::string(condition) + "\n" + std::string(more);
}

bool fires(std::string text, const Scene& scene = Scene()) {
  RuleDetector detector(rules_of(std::move(text)));
  return !scene.run(detector).empty();
}

RuleInfo info_of(std::string text) { return rules_of(std::move(text))->rules()[0]; }

TEST(RuleExceptions, AFieldWithValues) {
  const std::string head = "  exceptions:\n    - name: e\n      fields: proc.name\n";
  EXPECT_FALSE(fires(base(head + "      values: [zsh, bash]\n")));
  EXPECT_TRUE(fires(base(head + "      values: [zsh]\n")));
  EXPECT_TRUE(fires(base(head + "      values: []\n")));
  EXPECT_TRUE(fires(base(head)));
  EXPECT_FALSE(fires(base(head + "      comps: in\n      values: [bash]\n")));
  EXPECT_FALSE(
      fires(base("  exceptions:\n    - name: e\n      fields: proc.exepath\n"
                 "      comps: pmatch\n      values: [/usr]\n")));
}

TEST(RuleExceptions, TuplesOfFields) {
  const std::string head = "  exceptions:\n    - name: e\n      fields: [proc.name, proc.pname]\n";
  EXPECT_FALSE(
      fires(base(head + "      values:\n        - [zsh, make]\n        - [bash, make]\n")));
  EXPECT_TRUE(fires(base(head + "      values:\n        - [zsh, make]\n        - [bash, zsh]\n")));
  EXPECT_FALSE(fires(base(head + "      comps: [in, startswith]\n"
                                 "      values:\n        - [[zsh, bash], ma]\n")));
  EXPECT_FALSE(
      fires(base(head + "      comps: [in, =]\n      values:\n        - ['(zsh, bash)', make]\n")));
  EXPECT_FALSE(fires(base(head + "      comps: [in, =]\n      values:\n        - [bash, make]\n")));
  EXPECT_FALSE(fires(base(head + "      comps: [startswith anyof, exists]\n"
                                 "      values:\n        - [[z, ba], '']\n")));
}

TEST(RuleExceptions, NamesOfListsStandForTheirValues) {
  const std::string lists = "- list: my_shells\n  items: [bash, zsh]\n";
  const std::string head = "  exceptions:\n    - name: e\n      fields: proc.name\n";
  EXPECT_FALSE(fires(lists + base(head + "      values: [my_shells]\n")));
  // A name that is no list is a value, even where it looks like one.
  EXPECT_TRUE(fires(base(head + "      values: [my_shells]\n")));
}

TEST(RuleExceptions, ApplyToTheWholeCondition) {
  EXPECT_FALSE(
      fires(base("  exceptions:\n    - name: e\n      fields: proc.name\n"
                 "      values: [bash]\n",
                 "evt.type = execve or evt.type = connect")));
}

TEST(RuleExceptions, ValuesAreAddedByName) {
  const std::string rule = base(
      "  exceptions:\n    - name: e\n      fields: proc.name\n"
      "      values: [zsh]\n");
  const std::string more = "- rule: r\n  exceptions:\n    - name: e\n      values: [bash]\n";
  EXPECT_FALSE(fires(rule + more + "  append: true\n"));
  EXPECT_FALSE(fires(rule + more + "  override: {exceptions: append}\n"));
  EXPECT_FALSE(fires(rule + "- rule: r\n  append: true\n  exceptions:\n    - name: other\n"
                            "      fields: [proc.pname]\n      values: [[make]]\n"));
  EXPECT_TRUE(fires(rule + "- rule: r\n  override: {exceptions: replace}\n  exceptions: []\n"));
}

TEST(RuleExceptions, Errors) {
  const std::string head = "  exceptions:\n    - name: e\n";
  EXPECT_THAT(errors_of(base(head + "      values: [a]\n")),
              ElementsAre("test.yaml:7:13: 'fields' is missing here"));
  EXPECT_THAT(errors_of(base(head + "      fields: proc.nam\n")),
              ElementsAre(HasSubstr("test.yaml:8:15: unknown field 'proc.nam'")));
  EXPECT_THAT(
      errors_of(base(head + "      fields: [proc.name, proc.pname]\n      values: [[a]]\n")),
      ElementsAre("test.yaml:9:16: a list of 2 values expected, one for each of 'fields'"));
  EXPECT_THAT(errors_of(base(head + "      fields: [proc.name, proc.pname]\n      comps: [=]\n")),
              ElementsAre("test.yaml:9:15: 2 operators expected, one for each of 'fields'"));
  EXPECT_THAT(errors_of(base(head + "      fields: proc.name\n      comps: startswith\n")),
              ElementsAre(HasSubstr("test.yaml:9:14: 'startswith' does not take the values")));
  EXPECT_THAT(
      errors_of(base(head + "      fields: [proc.name]\n      comps: [is]\n      values: [[a]]\n")),
      ElementsAre("test.yaml:9:15: an operator expected, not 'is'"));
  EXPECT_THAT(errors_of(base(head + "      fields: [proc.pid]\n      values: [[a]]\n")),
              ElementsAre(HasSubstr("test.yaml:9:17: 'proc.pid' is a number")));
  EXPECT_THAT(errors_of(base(head + "      fields: proc.name\n      values: [[a]]\n")),
              ElementsAre(HasSubstr("test.yaml:9:16: a value expected, not a list")));
  EXPECT_THAT(errors_of(base(head + "      fields: [proc.name]\n      values: [[[a]]]\n")),
              ElementsAre("test.yaml:9:18: '=' takes one value, not a list"));
  EXPECT_THAT(notes_of(base(head + "      fields: proc.name\n      colour: red\n")),
              ElementsAre(HasSubstr("test.yaml:9:7: unknown key 'colour' is left aside")));
  EXPECT_THAT(errors_of(base(head + "      fields: proc.name\n") +
                        "- rule: r\n  append: true\n  exceptions:\n    - name: e\n"
                        "      fields: proc.pname\n      values: [a]\n"),
              ElementsAre(HasSubstr("test.yaml:13:15: exception 'e' has its fields")));
}

TEST(RuleOverride, AppendsText) {
  const std::string change =
      "- rule: r\n  override: {condition: append, output: append, desc: append, tags: append}\n"
      "  condition: and proc.name = zsh\n  output: in %proc.name\n"
      "  desc: more\n  tags: [T1059]\n";
  EXPECT_FALSE(fires(base("  tags: [T1059, a]\n") + change));
  const RuleInfo info = info_of(base("  tags: [a]\n") + change);
  EXPECT_EQ(info.condition, "evt.type = execve and proc.name = zsh");
  EXPECT_EQ(info.output, "o in %proc.name");
  EXPECT_EQ(info.desc, "d more");
  EXPECT_THAT(info.tags, ElementsAre("a", "T1059"));
}

TEST(RuleOverride, ReplacesKeysAndKeepsTheOthers) {
  const RuleInfo info = info_of(
      base("  tags: [a]\n  why: w\n") +
      "- rule: r\n  override: {priority: replace, enabled: replace, tags: replace, condition: "
      "replace}\n"
      "  priority: ERROR\n  enabled: false\n  tags: [b]\n  condition: evt.type = connect\n");
  EXPECT_EQ(info.priority, Priority::error);
  EXPECT_FALSE(info.enabled);
  EXPECT_THAT(info.tags, ElementsAre("b"));
  EXPECT_THAT(info.events, ElementsAre("connect", "socket_call"));
  EXPECT_EQ(info.desc, "d");
  EXPECT_EQ(info.why, "w");
  EXPECT_EQ(info.line, 1);
}

TEST(RuleOverride, ListsAndMacros) {
  const std::string text =
      "- list: l\n  items: [zsh]\n- macro: m\n  condition: proc.name in (l)\n" +
      base("", "evt.type = execve and m");
  EXPECT_FALSE(fires(text));
  EXPECT_TRUE(fires(text + "- list: l\n  items: [bash]\n  override: {items: append}\n"));
  EXPECT_TRUE(fires(text + "- list: l\n  items: [bash]\n  append: true\n"));
  EXPECT_TRUE(fires(text + "- list: l\n  items: [bash]\n  override: {items: replace}\n"));
  EXPECT_TRUE(fires(text + "- macro: m\n  condition: or proc.pname = make\n  append: true\n"));
  EXPECT_TRUE(
      fires(text +
            "- macro: m\n  condition: or proc.pname = make\n  override:\n    condition: append\n"));
}

TEST(RuleOverride, LegacyAppendAndSwitch) {
  EXPECT_FALSE(fires(base("- rule: r\n  append: true\n  condition: and proc.name = zsh\n")));
  EXPECT_FALSE(fires(base("- rule: r\n  enabled: false\n")));
  EXPECT_TRUE(fires(base("  enabled: false\n- rule: r\n  enabled: true\n")));
  EXPECT_THAT(
      notes_of(
          base("- rule: r\n  append: true\n  condition: and proc.name = zsh\n  priority: ERROR\n")),
      ElementsAre(HasSubstr("test.yaml:9:13: 'append: true' leaves 'priority' as it was")));
}

TEST(RuleOverride, AppendNotesEveryKeyThatItLeaves) {
  for (const char* key :
       {"shadow: true", "why: w", "respond: kill", "merge: process", "warn_evttypes: false",
        "skip-if-unknown-filter: true", "scope: {owner: a}", "capture: true"}) {
    const std::string name(key, std::string_view(key).find(':'));
    EXPECT_THAT(notes_of(base("- rule: r\n  append: true\n  " + std::string(key) + "\n")),
                ElementsAre(HasSubstr("'append: true' leaves '" + name + "' as it was")));
  }
}

TEST(RuleOverride, ASwitchTakesNoOtherKey) {
  for (const char* key : {"shadow: true", "why: w", "respond: none", "merge: process", "tags: [a]",
                          "warn_evttypes: false", "skip-if-unknown-filter: true",
                          "scope: {owner: a}", "exceptions: []"}) {
    const std::string name(key, std::string_view(key).find(':'));
    EXPECT_THAT(errors_of(base("- rule: r\n  enabled: true\n  " + std::string(key) + "\n")),
                ElementsAre(AllOf(HasSubstr("test.yaml:8:"),
                                  HasSubstr("beside 'enabled' alone '" + name +
                                            "' would change nothing; an override with '" + name +
                                            ": replace' expected"))));
  }
  EXPECT_FALSE(fires(base("- rule: r\n  enabled: false\n  source: syscall\n")));
}

TEST(RuleOverride, ASequenceTakesNoCondition) {
  const std::string steps =
      "  sequence: {within: 5s, steps: [{step: a, condition: evt.type = execve},"
      " {step: b, condition: evt.type = connect}]}\n";
  const std::string rule = "- rule: r\n  priority: INFO\n  output: o\n" + steps;
  const auto refused = ElementsAre(
      HasSubstr("test.yaml:7:14: rule 'r' has a sequence and no condition; an override with "
                "'sequence: replace' expected"));
  const std::string condition = "  condition: and (rubbish\n";
  EXPECT_THAT(errors_of(rule + "- rule: r\n  append: true\n" + condition), refused);
  for (const char* how : {"append", "replace"}) {
    EXPECT_THAT(errors_of(rule + "- rule: r\n  override: {condition: " + how + "}\n" + condition),
                refused);
  }
  const std::string replaced = "- rule: r\n  override: {sequence: replace}\n" + steps;
  EXPECT_EQ(info_of(rule + replaced).condition, "");
  EXPECT_EQ(info_of(base("") + replaced).condition, "");
  // The rule defined anew may have one.
  EXPECT_TRUE(fires(rule + base("")));
}

TEST(RuleYaml, BooleansAreThoseOfYaml) {
  for (const char* word : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
    EXPECT_FALSE(info_of(base("  enabled: " + std::string(word) + "\n")).enabled) << word;
  for (const char* word : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
    EXPECT_TRUE(info_of(base("  shadow: " + std::string(word) + "\n")).shadow) << word;
  for (const char* word : {"tRue", "1", "enabled", "", "[true]"}) {
    EXPECT_THAT(errors_of(base("  enabled: " + std::string(word) + "\n")),
                ElementsAre(HasSubstr("true or false expected for 'enabled'")));
  }
}

TEST(RuleYaml, EmptyItemsAreLeftAside) {
  const std::string text = base("", "evt.type = execve and proc.name in (l)");
  EXPECT_THAT(notes_of("- list: l\n  items:\n    - zsh\n    -\n    - bash\n" + text),
              ElementsAre(HasSubstr("test.yaml:3:5: item 2 of 'items' is empty and left aside")));
  EXPECT_TRUE(fires("- list: l\n  items:\n    -\n    - bash\n" + text));
  EXPECT_FALSE(fires("- list: l\n  items:\n    -\n" + text));
  EXPECT_THAT(info_of(base("  tags:\n    - a\n    -\n")).tags, ElementsAre("a"));
}

TEST(RuleOverride, PlacesInAppendedText) {
  EXPECT_THAT(errors_of(base("- rule: r\n  append: true\n  condition: and proc.nam = zsh\n")),
              ElementsAre(HasSubstr("test.yaml:8:18: unknown field 'proc.nam'")));
  EXPECT_THAT(
      errors_of(base("- rule: r\n  append: true\n  condition: or\n", "evt.type = execve and foo")),
      ElementsAre(HasSubstr("test.yaml:8:16: a field or macro expected")));
  EXPECT_THAT(errors_of(base("- rule: r\n  override: {output: append}\n  output: at %x.y\n")),
              ElementsAre(HasSubstr("test.yaml:8:15: unknown field 'x.y'")));
}

TEST(RuleOverride, Errors) {
  EXPECT_THAT(errors_of("- rule: r\n  append: true\n  condition: or evt.type = x\n"),
              ElementsAre(HasSubstr("test.yaml:1:9: rule 'r' is not defined before this")));
  EXPECT_THAT(errors_of("- list: l\n  append: true\n  items: [a]\n"),
              ElementsAre(HasSubstr("test.yaml:1:9: list 'l' is not defined before this")));
  EXPECT_THAT(errors_of("- macro: m\n  append: true\n  condition: or evt.type = x\n"),
              ElementsAre(HasSubstr("test.yaml:1:10: macro 'm' is not defined before this")));
  EXPECT_THAT(errors_of("- rule: r\n  enabled: true\n"),
              ElementsAre(HasSubstr("test.yaml:1:9: rule 'r' is not defined before this")));
  const std::string again = "- rule: r\n  override: ";
  EXPECT_THAT(errors_of(base(again + "{priority: append}\n  priority: ERROR\n")),
              ElementsAre("test.yaml:7:24: replace expected for 'priority', not 'append'"));
  EXPECT_THAT(
      errors_of(base(again + "{colour: replace}\n")),
      ElementsAre(HasSubstr("test.yaml:7:14: 'colour' cannot be overridden; one of condition")));
  EXPECT_THAT(errors_of(base(again + "{tags: append}\n")),
              ElementsAre(HasSubstr("test.yaml:7:14: 'tags' is overridden but not given")));
  EXPECT_THAT(errors_of(base(again + "{tags: append}\n  tags: [a]\n  priority: ERROR\n")),
              ElementsAre(HasSubstr("test.yaml:9:13: 'priority' has no entry under 'override'")));
  EXPECT_THAT(errors_of(base(again + "append\n")),
              ElementsAre(HasSubstr("test.yaml:7:13: a mapping expected for 'override'")));
  EXPECT_THAT(errors_of(base(again + "{tags: append}\n  tags: [a]\n  append: true\n")),
              ElementsAre(HasSubstr("'append' and 'override' exclude each other")));
}

TEST(RuleVersions, OfTheEngine) {
  for (const char* fits : {"57", "0.57.0", "0.63.0", "0.31.0-rc1"}) {
    EXPECT_THAT(errors_of("- required_engine_version: " + std::string(fits) + "\n"), IsEmpty());
  }
  EXPECT_THAT(errors_of("- required_engine_version: 0.64.0\n"),
              ElementsAre(AllOf(HasSubstr("test.yaml:1:28: these rules need version 0.64.0"),
                                HasSubstr("at most 0.63.0 expected"))));
  EXPECT_THAT(errors_of("- required_engine_version: 64\n"), ElementsAre(HasSubstr("version 64")));
  EXPECT_THAT(errors_of("- required_engine_version: new\n"),
              ElementsAre(HasSubstr("test.yaml:1:28: 'new' is not a version; a number")));
}

TEST(RuleVersions, OfPlugins) {
  const std::string head = "- required_plugin_versions:\n    - name: ";
  EXPECT_THAT(notes_of(head + "container\n      version: 0.4.0\n"), IsEmpty());
  EXPECT_THAT(notes_of(head + "k8saudit\n      version: 0.7.0\n      alternatives:\n"
                              "        - name: k8saudit-eks\n          version: 0.4.0\n"),
              ElementsAre(HasSubstr("test.yaml:2:13: no part of 'k8saudit' is built in")));
  EXPECT_THAT(errors_of(head + "container\n      version: 4\n"),
              ElementsAre(HasSubstr("test.yaml:3:16: '4' is not a version such as")));
  EXPECT_THAT(errors_of(head + "container\n"), ElementsAre(HasSubstr("'version' is missing")));
  EXPECT_THAT(errors_of("- required_plugin_versions: container\n"),
              ElementsAre(HasSubstr("test.yaml:1:29: a list expected")));
}

TEST(RuleSources, OthersAreLeftOut) {
  const std::string other =
      "- macro: kevt\n  condition: jevt.value[/verb] = create\n"
      "- rule: k\n  desc: d\n  priority: INFO\n  output: o %ka.user.name\n"
      "  source: k8s_audit\n  condition: kevt and ka.verb = create\n"
      "- rule: k\n  append: true\n  condition: and ka.verb = get\n";
  EXPECT_THAT(notes_of(other + base("")),
              ElementsAre("test.yaml:7:11: rule 'k' is left out: nothing here reads the source "
                          "'k8s_audit'"));
  EXPECT_EQ(rules_of(other + base(""))->rules().size(), 1u);
  EXPECT_TRUE(fires(base("  source: syscall\n")));
  // What a rule uses that is loaded must exist.
  EXPECT_THAT(errors_of(other + base("", "kevt")), ElementsAre(HasSubstr("jevt.value")));
}

TEST(RuleUnknownFields, MayBeSkipped) {
  const std::string skip = "  skip-if-unknown-filter: true\n";
  EXPECT_THAT(errors_of(base("", "no.field = 1")), ElementsAre(HasSubstr("no.field")));
  EXPECT_THAT(notes_of(base(skip, "no.field = 1")),
              ElementsAre(HasSubstr("test.yaml:1:9: rule 'r' is left out: it names a field")));
  EXPECT_TRUE(rules_of(base(skip, "no.field = 1"))->rules().empty());
  EXPECT_TRUE(
      rules_of("- macro: m\n  condition: no.field = 1\n" + base(skip, "m"))->rules().empty());
  // Any other error is one.
  EXPECT_THAT(errors_of(base(skip, "no.field = 1 and proc.pid = x")), testing::SizeIs(2));
  EXPECT_THAT(errors_of("- macro: m\n  condition: no.field = 1\n"), testing::SizeIs(1));
}

TEST(RuleUnknownFields, ThatNothingFillsAreMissingAndReported) {
  const std::string rule = base("", "evt.type = execve and not proc.env[HOME] icontains x");
  EXPECT_TRUE(fires(rule));
  EXPECT_FALSE(fires(base("", "evt.type = execve and proc.env exists")));
  EXPECT_FALSE(fires(base("", "evt.type = execve and proc.nthreads != 1")));
  EXPECT_FALSE(fires(base("", "evt.type = execve and proc.name = val(proc.env)")));
  EXPECT_THAT(notes_of(rule),
              ElementsAre("test.yaml:1:9: rule 'r' asks for proc.env[HOME]: never a value here, as "
                          "the environment of a process is not read"));
  EXPECT_THAT(
      notes_of("- macro: m\n  condition: thread.vmsize > 5\n" + base("", "evt.type = execve or m")),
      ElementsAre(HasSubstr("rule 'r' asks for thread.vmsize")));
  EXPECT_EQ(Scene().output("%proc.env[HOME]"), "<NA>");
  EXPECT_THAT(errors_of(base("", "evt.arg.nonsense = 1")), testing::SizeIs(1));
}

TEST(RuleEventTypes, ThatAreMisspeltAreErrors) {
  EXPECT_THAT(errors_of(base("", "evt.type != opennat")),
              ElementsAre("test.yaml:5:26: no event or system call is called 'opennat'; did you "
                          "mean 'openat'?"));
  EXPECT_THAT(errors_of(base("", "evt.type = EXECVE")),
              ElementsAre(HasSubstr("'EXECVE'; did you mean 'execve'?")));
  EXPECT_THAT(
      errors_of(base("", "evt.type in (open, openatt)")),
      ElementsAre(HasSubstr("test.yaml:5:33: no event or system call is called 'openatt'")));
  EXPECT_THAT(errors_of("- list: l\n  items: [execve, execv]\n" + base("", "evt.type in (l)")),
              ElementsAre(HasSubstr("test.yaml:7:27: no event or system call is called 'execv'")));
  EXPECT_THAT(errors_of(base("", "evt.type = execve and syscall.type = qqqqqqqq")),
              ElementsAre(HasSubstr("no event or system call is called 'qqqqqqqq'")));
  EXPECT_TRUE(fires(base("", "evt.type startswith execv")));
}

TEST(RuleEventTypes, ThatAreNeverToldAreNamedByRule) {
  const auto note = HasSubstr(
      "test.yaml:1:9: rule 'r' names recvfrom: never an event here, as it "
      "moves bytes of a connection");
  EXPECT_THAT(notes_of(base("", "evt.type in (execve, recvfrom)")), ElementsAre(note));
  EXPECT_THAT(notes_of(base("", "evt.type = execve and evt.type != recvfrom")), ElementsAre(note));
  EXPECT_TRUE(fires(base("", "evt.type = execve and evt.type != recvfrom")));
  EXPECT_THAT(notes_of(base("", "evt.type = recvfrom")),
              ElementsAre(note, HasSubstr("rule 'r' can never match")));
  EXPECT_THAT(notes_of(base("", "evt.type in (execve, pluginevent)")),
              ElementsAre(HasSubstr("names pluginevent: never an event here, as it is an event of "
                                    "Falco's own")));
  EXPECT_THAT(notes_of("- macro: m\n  condition: evt.type = recvfrom\n" +
                       base("", "evt.type = execve or m")),
              ElementsAre(HasSubstr("rule 'r' names recvfrom")));
}

TEST(RuleEventTypes, AreMissedUnlessItIsMeant) {
  EXPECT_THAT(notes_of(base("", "proc.name = bash")),
              ElementsAre(HasSubstr("test.yaml:5:14: rule 'r' names no event type")));
  EXPECT_THAT(notes_of(base("  warn_evttypes: false\n", "proc.name = bash")), IsEmpty());
}

}  // namespace
}  // namespace picket
