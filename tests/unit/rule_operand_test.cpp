// What a comparison can be made of beside a field and a value: transformers, other fields,
// modifiers; and the same in outputs.
#include <gmock/gmock.h>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using testing::HasSubstr;

TEST(RuleTransformers, InConditions) {
  Scene scene;
  scene.process.comm = "BaSh";
  EXPECT_TRUE(scene.matches("tolower(proc.name) = bash"));
  EXPECT_TRUE(scene.matches("toupper(proc.name) in (BASH, ZSH)"));
  EXPECT_TRUE(scene.matches("basename(proc.exepath) = bash"));
  EXPECT_TRUE(scene.matches("toupper(basename( proc.exepath )) startswith BA"));
  EXPECT_TRUE(scene.matches("len(proc.name) = 4 and len(basename(proc.exepath)) >= 4"));
  EXPECT_TRUE(scene.record.set_list("argv", {"bash", "-c", "id"}).ok());
  EXPECT_TRUE(scene.matches("len(event.argv) = 3"));
  EXPECT_TRUE(scene.matches("toupper(proc.aname) = SLEEP and toupper(proc.aname[1]) = MAKE"));
  EXPECT_FALSE(scene.matches("toupper(proc.aname[9]) != MAKE"));
  EXPECT_FALSE(scene.matches("len(proc.aname[9]) = 0"));
  EXPECT_THAT(load_report(rule_with("len(proc.pid) = 1")).error_text(),
              HasSubstr("test.yaml:6:9: 'proc.pid' is a number and 'len' does not take it"));
  EXPECT_THAT(load_report(rule_with("len(proc.name) = abc")).error_text(),
              HasSubstr("'len(proc.name)' is a number and cannot be 'abc'"));
  EXPECT_THAT(load_report(rule_with("tolower(proc.name = a")).error_text(),
              HasSubstr("test.yaml:6:23: ')' expected behind the field, not '='"));
}

TEST(RuleTransformers, OthersAreRefusedByName) {
  for (const char* condition :
       {"b64(evt.buffer) = x", "join(\",\", (proc.name, proc.pname)) = \"a,b\"",
        "concat(proc.name, \"x\", 3) = ax", "getopt(proc.args, \"ab:\")[a] exists",
        "tolower(b64(proc.name)) = x", "proc.name = concat(proc.pname, \"x\")"}) {
    EXPECT_THAT(load_report(rule_with(condition)).error_text(),
                HasSubstr("is not supported; one of tolower, toupper, basename, len expected"))
        << condition;
  }
  EXPECT_THAT(load_report(rule_with("concat(proc.name, \"x\" = ax")).error_text(),
              HasSubstr("')' expected"));
}

TEST(RuleFieldComparison, OfTwoFields) {
  Scene scene;
  EXPECT_FALSE(scene.matches("proc.name = val(proc.pname)"));
  EXPECT_TRUE(scene.matches("proc.name != val(proc.pname)"));
  EXPECT_TRUE(scene.matches("proc.exepath endswith val(proc.name)"));
  EXPECT_TRUE(scene.matches("proc.name in val(proc.name) and proc.pid > val(proc.ppid)"));
  EXPECT_TRUE(scene.matches("toupper(proc.name) = toupper(proc.name)"));
  EXPECT_TRUE(scene.matches("proc.pname in val(proc.aname) and proc.name != val(proc.aname)"));
  EXPECT_TRUE(scene.matches("proc.cmdline icontains toupper(proc.name)"));
  // Missing at either side: false, whatever the operator.
  EXPECT_FALSE(scene.matches("proc.name != val(proc.aname[9])"));
  EXPECT_FALSE(scene.matches("proc.aname[9] != val(proc.name)"));
  EXPECT_FALSE(scene.matches("fd.sport = val(fd.sport)"));
}

TEST(RuleFieldComparison, Errors) {
  EXPECT_THAT(load_report(rule_with("proc.name = val(proc.pid)")).error_text(),
              HasSubstr("test.yaml:6:21: 'proc.name' is a text and cannot be compared with "
                        "'proc.pid', which is a number"));
  EXPECT_THAT(load_report(rule_with("proc.name regex val(proc.pname)")).error_text(),
              HasSubstr("'regex' takes a fixed value, not another field"));
  EXPECT_THAT(load_report(rule_with("val(proc.name) = a")).error_text(),
              HasSubstr("test.yaml:6:5: val() stands at the right-hand side only"));
  EXPECT_THAT(load_report(rule_with("proc.name = val(nonsense.x)")).error_text(),
              HasSubstr("test.yaml:6:21: unknown field 'nonsense.x'"));
}

TEST(RuleModifiers, AskForOneAnyOrAll) {
  Scene scene;
  EXPECT_TRUE(scene.matches("proc.cmdline contains allof (bash, hello)"));
  EXPECT_FALSE(scene.matches("proc.cmdline contains allof (bash, nothing)"));
  EXPECT_TRUE(scene.matches("proc.cmdline contains anyof (nothing, hello)"));
  EXPECT_TRUE(scene.matches("proc.cmdline contains oneof (nothing, hello)"));
  EXPECT_FALSE(scene.matches("proc.cmdline contains oneof (bash, hello)"));
  EXPECT_FALSE(scene.matches("proc.cmdline contains oneof (bash, hello, echo)"));
  EXPECT_TRUE(scene.matches("proc.name = oneof (bash, zsh) and proc.name != allof (a, b)"));
  EXPECT_FALSE(scene.matches("proc.name startswith anyof ()"));
  EXPECT_FALSE(scene.matches("proc.aname[9] != allof (a, b)"));
  EXPECT_FALSE(scene.matches("proc.aname[9] startswith oneof (a, b)"));
  RuleDetector detector(rules_of("- list: words\n  items: [z, ba]\n" +
                                 rule_with("proc.name startswith anyof words")));
  EXPECT_EQ(scene.run(detector).size(), 1u);
  // Without a list behind it the word is a value.
  EXPECT_FALSE(scene.matches("proc.name = anyof and evt.type = execve"));
}

TEST(RuleOperators, OnBytesAndCase) {
  Scene scene;
  EXPECT_TRUE(scene.matches("proc.name bcontains 6173 and proc.name bstartswith 6261"));
  EXPECT_FALSE(scene.matches("proc.name bstartswith 6173"));
  EXPECT_TRUE(scene.matches("proc.exepath iglob /USR/*/BASH and not proc.exepath glob /USR/*"));
  EXPECT_THAT(load_report(rule_with("proc.name bcontains 617")).error_text(),
              HasSubstr("takes bytes in hexadecimal digits"));
}

TEST(RuleFields, EveryIndexAndOlderSpellings) {
  Scene scene;
  EXPECT_TRUE(scene.matches("proc.aname[*] = sleep"));
  scene.workspace.labels["app"] = "x";
  EXPECT_TRUE(scene.matches("container.label.app = x and container.label[app] = x"));
  EXPECT_TRUE(scene.matches("evt.dir = < and not evt.dir = > and evt.source = syscall"));
}

TEST(RuleOutput, EveryForm) {
  Scene scene;
  EXPECT_EQ(scene.output("*%proc.name"), "bash");
  EXPECT_EQ(scene.output("%proc.name, %proc.pname."), "bash, make.");
  EXPECT_EQ(scene.output("%(proc.aname[2]) %proc.aname[1]"), "sleep make");
  EXPECT_EQ(scene.output("%toupper(proc.name)/%basename(proc.exepath) (%len(proc.name))"),
            "BASH/bash (4)");
  EXPECT_EQ(scene.output("<%8proc.name> <%2proc.name>"), "<bash    > <ba>");
  EXPECT_EQ(scene.output("%container.info"), "container.id=0123456789ab container.name=demo");
  EXPECT_EQ(scene.output("100% %% %9"), "100% % %9");
  EXPECT_THAT(load_report(rule_with("evt.num >= 0", "%b64(proc.name)")).error_text(),
              HasSubstr("the transformer 'b64' is not supported"));
  EXPECT_THAT(load_report(rule_with("evt.num >= 0", "%toupper(proc.name")).error_text(),
              HasSubstr("')' expected"));
}

}  // namespace
}  // namespace picket
