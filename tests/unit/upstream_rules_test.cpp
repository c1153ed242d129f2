// Falco's own rule files, which are no part of this project: the folder that holds them is
// PICKET_UPSTREAM_RULES. They load as they are, and each rule that something here can trigger fires
// on it and is silent on what is close to it.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "agent/detect/replay/rule_test.h"
#include "agent/detect/rule/program.h"
#include "agent/detect/rule/rule_set.h"

namespace picket {
namespace {

namespace fs = std::filesystem;

struct UpstreamFile {
  std::string name;
  size_t rules;
  std::set<std::string> without_trigger;
};

const std::array<UpstreamFile, 3> kFiles{{
    {"falco_rules", 25, {}},
    {"falco-incubating_rules",
     31,
     {
         // The environment of a process is not read.
         "Program run with disallowed http proxy env",
         "Potential Local Privilege Escalation via Environment Variables Misuse",
         // It asks for a member of a list that is empty as shipped.
         "Network Connection outside Local Subnet",
         // Only workspaces are watched, and these are about what happens outside of any.
         "User mgmt binaries",
         "Launch Suspicious Network Tool on Host",
     }},
    {"falco-sandbox_rules",
     37,
     {
         // What is read from a socket is not looked at.
         "Java Process Class File Download",
         // It asks for a container without an id.
         "Launch Disallowed Container",
         // Outside of any workspace.
         "Netcat/Socat Remote Code Execution on Host",
     }},
}};

class UpstreamRules : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("PICKET_UPSTREAM_RULES");
    if (folder == nullptr || *folder == '\0') {
      GTEST_SKIP() << "PICKET_UPSTREAM_RULES names no folder with the upstream rule files";
    }
    folder_ = folder;
    std::string name = testing::TempDir() + "picket_upstream_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    work_ = name;
  }
  void TearDown() override {
    if (!work_.empty()) fs::remove_all(work_);
  }

  fs::path file(const std::string& name) const { return folder_ / (name + ".yaml"); }

  // The file beside the cases for it, with the rules switched on that it ships off.
  fs::path beside_cases(const UpstreamFile& upstream, const RuleSet& rules) const {
    const fs::path copy = work_ / (upstream.name + ".yaml");
    fs::copy_file(file(upstream.name), copy);
    std::ofstream more(copy, std::ios::app);
    more << '\n';
    for (const RuleInfo& rule : rules.rules()) {
      if (!rule.enabled) more << "- rule: " << rule.name << "\n  enabled: true\n";
    }
    fs::copy_file(
        fs::path(PICKET_SOURCE_DIR "/tests/records/falco") / (upstream.name + ".test.yaml"),
        work_ / (upstream.name + ".test.yaml"));
    return copy;
  }

  fs::path folder_, work_;
};

std::unique_ptr<RuleSet> load(const std::vector<fs::path>& paths) {
  LoadReport report;
  auto rules = load_rules(paths, report);
  EXPECT_TRUE(rules.ok()) << report.error_text();
  return rules.ok() ? *std::move(rules) : nullptr;
}

TEST_F(UpstreamRules, LoadUnmodified) {
  std::vector<fs::path> all;
  for (const UpstreamFile& upstream : kFiles) {
    const auto rules = load({file(upstream.name)});
    ASSERT_NE(rules, nullptr) << upstream.name;
    EXPECT_EQ(rules->rules().size(), upstream.rules) << upstream.name;
    all.push_back(file(upstream.name));
  }
  const auto together = load(all);
  ASSERT_NE(together, nullptr);
  EXPECT_EQ(together->rules().size(), 93u);
}

// The fields that are asked for or printed, without their arguments.
std::set<std::string> fields_of(const RuleSet& rules) {
  std::set<std::string> fields;
  for (const rule::FieldReference& field : rules.program().slots) {
    fields.insert(field.text.substr(0, field.text.find('[')));
  }
  return fields;
}

// The file that is always tested has what these have.
TEST_F(UpstreamRules, OurOwnFileAsksForAllTheirFields) {
  const auto language = load({PICKET_SOURCE_DIR "/tests/records/falco/language.yaml"});
  ASSERT_NE(language, nullptr);
  const std::set<std::string> ours = fields_of(*language);
  for (const UpstreamFile& upstream : kFiles) {
    const auto rules = load({file(upstream.name)});
    ASSERT_NE(rules, nullptr);
    for (const std::string& field : fields_of(*rules)) EXPECT_TRUE(ours.contains(field)) << field;
  }
}

TEST_F(UpstreamRules, EachFiresOnItsTriggerAndIsSilentOnWhatIsClose) {
  for (const UpstreamFile& upstream : kFiles) {
    const auto rules = load({file(upstream.name)});
    ASSERT_NE(rules, nullptr);
    const std::array<fs::path, 1> paths{beside_cases(upstream, *rules)};
    const RuleTestReport report = run_rule_tests(paths);
    EXPECT_EQ(report.load.error_text(), "");
    for (const Diagnostic& error : report.errors) ADD_FAILURE() << error.text();
    std::set<std::string> without_trigger;
    for (const RuleTestResult& result : report.results) {
      if (result.line == 0 && result.failure.starts_with("no passing case hits")) {
        without_trigger.insert(result.name);
      } else {
        EXPECT_EQ(result.failure, "") << upstream.name << ":" << result.line << ": " << result.name;
      }
    }
    EXPECT_EQ(without_trigger, upstream.without_trigger) << upstream.name;
  }
}

}  // namespace
}  // namespace picket
