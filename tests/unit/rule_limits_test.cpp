// Files that are meant to fill the memory or to take for ever: they end with an error at its place,
// or load at the cost of what they say.
#include <gmock/gmock.h>

#include <ctime>
#include <functional>

#include "agent/detect/rule/load_limits.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string rule_named(const std::string& name, const std::string& condition) {
  return "- rule: " + name + "\n  output: o\n  priority: INFO\n  condition: " + condition + "\n";
}

// Far more than a load that walks over each thing once takes, under sanitizers too; far less than
// one that does so for each of the others.
constexpr double kSeconds = 10;

double cpu_seconds_of(const std::function<void()>& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

std::string waiver_of(const std::string& name, const std::string& rules) {
  return "- waiver: " + name + "\n  owner: o\n  reason: r\n  expires: 2030-01-01\n  rules: [\"" +
         rules + "\"]\n";
}

TEST(RuleLimits, AliasesThatMultiply) {
  std::string text = "- list: a\n  items: &x0 [a, b]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "*x" + std::to_string(i - 1);
    text += "- list: l" + std::to_string(i) + "\n  items: &x" + std::to_string(i) + " [" + before +
            ", " + before + "]\n";
  }
  const LoadReport report = load_report(text);
  ASSERT_THAT(report.errors, SizeIs(1));
  EXPECT_THAT(report.error_text(), HasSubstr("more than 100000 values, aliases written out"));
  EXPECT_GT(report.errors[0].line, 10);
}

TEST(RuleLimits, ATextThatIsRepeatedByAliases) {
  std::string text = "- macro: m\n  condition: &c " + std::string(100'000, 'a') + "\n";
  for (int i = 0; i < 60; ++i) text += "- macro: m" + std::to_string(i) + "\n  condition: *c\n";
  EXPECT_THAT(load_report(text).error_text(), HasSubstr("more than 4 MiB of text"));
}

TEST(RuleLimits, AnAliasWithinWhatItNames) {
  EXPECT_THAT(load_report("- list: a\n  items: &x [b, *x]\n").error_text(),
              HasSubstr("test.yaml:2:17: this alias stands within what it names"));
}

TEST(RuleLimits, ListsOfLists) {
  std::string text = "- list: l0\n  items: [" + std::string(100'000, 'x');
  for (int i = 0; i < 10; ++i) text += std::to_string(i) + ", " + std::string(50'000, 'y');
  text += "]\n";
  for (int i = 1; i < 20; ++i) {
    text += "- list: l" + std::to_string(i) + "\n  items: [l" + std::to_string(i - 1) + ", " +
            std::string(10, static_cast<char>('a' + i)) + "]\n";
  }
  for (int i = 0; i < 30; ++i) {
    text += "- macro: m" + std::to_string(i) + "\n  condition: proc.name in (l19)\n";
  }
  EXPECT_THAT(load_report(text).error_text(), HasSubstr("the lists of these rules, written out"));
}

// Each macro uses all before it: without memory that is 2^25 ways down.
TEST(RuleLimits, MacrosThatFanOut) {
  std::string text;
  for (int i = 0; i < 26; ++i) {
    std::string condition = "nothing.here = 1";
    for (int j = 0; j < i; ++j) condition += " or m" + std::string(1, static_cast<char>('A' + j));
    text += "- macro: m" + std::string(1, static_cast<char>('A' + i)) +
            "\n  condition: " + condition + "\n";
  }
  text += rule_named("r", "m" + std::string(1, static_cast<char>('A' + 25))) +
          "  skip-if-unknown-filter: true\n";
  const LoadReport report = load_report(text);
  EXPECT_THAT(report.errors, IsEmpty()) << report.error_text();
}

TEST(RuleLimits, ErrorsAreCounted) {
  std::string condition = "a.b = 1";
  for (int i = 0; i < 5000; ++i) condition += " or proc.nam = x";
  EXPECT_THAT(load_report(rule_named("r", condition)).errors, SizeIs(rule::kErrorsMax));
  std::string items = "- list: l\n  items: [";
  for (int i = 0; i < 5000; ++i) items += "[x], ";
  EXPECT_THAT(load_report(items + "]\n").errors, SizeIs(rule::kErrorsMax));
}

TEST(RuleLimits, RegularExpressions) {
  EXPECT_THAT(
      load_report(rule_named("r", "proc.name regex '" + std::string(2000, 'a') + "'")).error_text(),
      HasSubstr("a regular expression longer than 1024 bytes"));
  EXPECT_THAT(
      load_report(rule_named("r", "proc.name glob '" + std::string(2000, '*') + "'")).error_text(),
      HasSubstr("a pattern longer than 1024 bytes"));
  std::string condition = "evt.type = execve";
  for (int i = 0; i < 500; ++i) {
    condition += " or proc.name regex '((a{100}){9}" + std::to_string(i) + ")'";
  }
  EXPECT_THAT(load_report(rule_named("r", condition)).error_text(),
              HasSubstr("compile to more than 200000 instructions"));
}

// Each costs the time of what it grew to before it was given up.
TEST(RuleLimits, RegularExpressionsThatOutgrowTheirRoom) {
  std::string condition = "evt.type = connect";
  for (int i = 0; i < 100; ++i) {
    condition += " or proc.name regex '(?i)[\\pL\\pN" + std::to_string(i) + "]{1,999}'";
  }
  const LoadReport report = load_report(rule_named("r", condition));
  const auto tried = std::ranges::count_if(report.errors, [](const Diagnostic& error) {
    return error.message.starts_with("not a regular expression: pattern too large");
  });
  EXPECT_EQ(tried, 10) << report.error_text();
  EXPECT_THAT(report.errors.back().message, HasSubstr("those that fail counted too"));
}

// What is long stays one node at each of its uses.
TEST(RuleLimits, LongPartsAreShared) {
  std::string condition = "proc.pid = 1";
  for (int i = 0; i < 2000; ++i) condition += " or proc.cmdline contains x" + std::to_string(i);
  std::string text = "- macro: m\n  condition: " + condition + "\n";
  for (int i = 0; i < 500; ++i) {
    text += rule_named("r" + std::to_string(i),
                       "evt.type = execve and (m or proc.ppid = " + std::to_string(i) + ")");
  }
  const auto rules = rules_of(text);
  size_t parts = 0;
  for (const rule::Node& node : rules->program().nodes) parts += node.parts.size();
  EXPECT_LT(parts, 10'000u);
}

TEST(RuleLimits, ManyDefinitionsOfOneName) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += rule_named("r", "evt.type = execve");
  for (int i = 0; i < 2000; ++i) {
    text += "- rule: r\n  append: true\n  condition: or evt.type = connect\n";
  }
  const auto rules = rules_of(text);
  EXPECT_EQ(rules->rules().size(), 1u);
}

TEST(RuleLimits, ManyTagsAreAppended) {
  std::string first = "  tags: [", second = first;
  for (int i = 0; i < 45'000; ++i) {
    first += "t" + std::to_string(i) + ",";
    second += "u" + std::to_string(i) + ",";
  }
  const std::string text = rule_named("r", "evt.type = execve") + first + "t0]\n" +
                           "- rule: r\n  override: {tags: append}\n" + second + "t1]\n";
  const double seconds =
      cpu_seconds_of([&] { EXPECT_THAT(rules_of(text)->rules().front().tags, SizeIs(90'000)); });
  EXPECT_LT(seconds, kSeconds);
}

TEST(RuleLimits, ManyDocuments) {
  std::string text = rule_named("r", "evt.type = execve");
  for (int i = 0; i < 50'000; ++i) text += "---\n\n";
  EXPECT_LT(cpu_seconds_of([&] { EXPECT_THAT(load_report(text).errors, IsEmpty()); }), kSeconds);
  const LoadReport report = load_report(text + " -\nx: y\n");
  EXPECT_THAT(report.errors, SizeIs(1)) << report.error_text();
}

TEST(RuleLimits, ManyLabelsOfAScope) {
  std::string text = rule_named("r", "evt.type = execve") + "  scope: {label: {";
  for (int i = 0; i < 48'000; ++i) text += "k" + std::to_string(i) + ": v,";
  EXPECT_LT(cpu_seconds_of([&] { EXPECT_EQ(rules_of(text + "}}\n")->rules().size(), 1u); }),
            kSeconds);
}

// A waiver that names its rules costs nothing but that; one with a pattern is compared with all.
TEST(RuleLimits, WaiversOfManyRules) {
  std::string rules, waivers, patterns;
  for (int i = 0; i < 4000; ++i) {
    const std::string name =
        "a rule with a rather long name, of which there are many " + std::to_string(i);
    rules += rule_named(name, "evt.type = execve");
    waivers += waiver_of("w" + std::to_string(i), name);
    patterns += waiver_of("p" + std::to_string(i), "*a*a*a*a*a*a*" + std::to_string(i));
  }
  EXPECT_EQ(rules_of(rules + waivers)->program().waivers_of.size(), 4000u);
  const LoadReport report = load_report(rules + patterns);
  ASSERT_THAT(report.errors, Not(IsEmpty()));
  EXPECT_THAT(report.errors[0].text(),
              AllOf(HasSubstr("test.yaml:16"), HasSubstr("too many patterns of waivers")));
}

TEST(RuleLimits, ExceptionsOfARuleAreCounted) {
  const auto exceptions = [](size_t count) {
    std::string text = "  exceptions:\n";
    for (size_t i = 0; i < count; ++i)
      text += "    - {name: e" + std::to_string(i) + ", fields: proc.name, values: [a" +
              std::to_string(i) + "]}\n";
    return text;
  };
  const std::string rule = rule_named("r", "evt.type = execve");
  EXPECT_THAT(load_report(rule + exceptions(rule::kExceptionsMax)).errors, IsEmpty());
  EXPECT_THAT(load_report(rule + exceptions(rule::kExceptionsMax + 1)).error_text(),
              HasSubstr("test.yaml:1030:7: more than 1024 exceptions of one rule; one with many "
                        "'values' says the same"));
  EXPECT_THAT(load_report(rule + exceptions(rule::kExceptionsMax) +
                          "- rule: r\n  append: true\n  exceptions:\n    - {name: more, fields: "
                          "proc.name, values: [b]}\n")
                  .error_text(),
              HasSubstr("test.yaml:1033:14: more than 1024 exceptions"));
}

TEST(RuleLimits, RulesAreCounted) {
  std::string text;
  for (size_t i = 0; i < rule::kRulesMax; ++i)
    text += rule_named("r" + std::to_string(i), "proc.name = p" + std::to_string(i));
  const double seconds = cpu_seconds_of([&] {
    const LoadReport report = load_report(text);
    EXPECT_THAT(report.errors, IsEmpty());
    EXPECT_EQ(report.rules, rule::kRulesMax);
  });
  EXPECT_LT(seconds, kSeconds);
  EXPECT_THAT(load_report(text + rule_named("more", "evt.type = execve")).error_text(),
              HasSubstr("test.yaml:40001:9: more than 10000 rules"));
}

TEST(RuleLimits, ValuesOfOneofAreCountedOverAllRules) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    std::string values = "v";
    for (int j = 0; j < 255; ++j) values += ", v" + std::to_string(i * 1000 + j);
    text += rule_named("r" + std::to_string(i), "proc.cmdline contains oneof (" + values + ")");
  }
  const LoadReport report = load_report(text);
  ASSERT_THAT(report.errors, Not(IsEmpty()));
  EXPECT_THAT(
      report.errors[0].text(),
      HasSubstr("test.yaml:132:27: the values of 'oneof' in these rules are more than 8192"));
}

}  // namespace
}  // namespace picket
