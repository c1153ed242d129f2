#include "agent/detect/replay/rule_test.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "agent/detect/replay/alert_count.h"
#include "agent/detect/replay/replay.h"
#include "agent/detect/replay/test_case.h"
#include "agent/detect/replay/test_records.h"
#include "agent/detect/rule/named_rules.h"
#include "agent/detect/rule/rule_file_names.h"

namespace picket {
namespace {

using Path = std::filesystem::path;

std::map<std::string, uint64_t> of(const AlertCount& alerts,
                                   const std::vector<std::string>& rules) {
  auto counts = alerts.all();
  std::erase_if(counts, [&](const auto& entry) {
    return std::ranges::find(rules, entry.first) == rules.end();
  });
  return counts;
}

std::string describe(const std::map<std::string, uint64_t>& alerts) {
  if (alerts.empty()) return "nothing";
  std::vector<std::string> words;
  for (const auto& [rule, count] : alerts) {
    words.push_back(count == 1 ? rule : fmt::format("{} ({} alerts)", rule, count));
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

// One test file with the rules beside it.
class FileTest {
 public:
  FileTest(std::shared_ptr<const RuleSet> rules, std::vector<std::string> names,
           RuleTestReport& report)
      : rules_(std::move(rules)), names_(std::move(names)), report_(report) {}

  void run(const Path& file) {
    LoadReport reading;
    const std::vector<TestCase> cases = read_test_cases(file, reading);
    report_.errors.insert(report_.errors.end(), reading.errors.begin(), reading.errors.end());
    for (const TestCase& test : cases) {
      report_.results.push_back({test.file, test.line, test.name, run(test)});
    }
    for (const std::string& rule : names_) {
      require(file, rule, hit_.contains(rule), "hits");
      require(file, rule, missed_.contains(rule), "misses");
    }
  }

 private:
  std::string run(const TestCase& test) {
    std::map<std::string, uint64_t> expected = test.expect.rules;
    if (test.expect.all) {
      for (const std::string& rule : names_) expected[rule] = 1;
    }
    for (const auto& [rule, count] : expected) {
      if (std::ranges::find(names_, rule) == names_.end()) {
        return fmt::format("expects '{}', which is no enabled rule of the file beside it", rule);
      }
    }
    AlertCount alerts;
    if (std::string failure = run_case(test, rules_, alerts); !failure.empty()) return failure;
    const auto found = of(alerts, names_);
    if (found != expected) {
      return fmt::format("expected {}, found {}", describe(expected), describe(found));
    }
    for (const std::string& rule : names_) (expected.contains(rule) ? hit_ : missed_).insert(rule);
    return {};
  }

  void require(const Path& file, const std::string& rule, bool holds, std::string_view what) {
    if (holds) return;
    report_.results.push_back(
        {file.string(), 0, rule, fmt::format("no passing case {} rule '{}'", what, rule)});
  }

  std::shared_ptr<const RuleSet> rules_;
  std::vector<std::string> names_;
  RuleTestReport& report_;
  std::set<std::string> hit_, missed_;
};

}  // namespace

std::string run_case(const TestCase& test, std::shared_ptr<const RuleSet> rules,
                     FindingSink& alerts) {
  if (!test.recording.empty()) {
    const auto stats = replay_recording(test.recording, rules, alerts);
    return stats.ok() ? std::string() : std::string(stats.status().message());
  }
  Replay replay(rules, alerts, [&](uint64_t cgroup_id) {
    return cgroup_id == TestRecords::kCgroup ? test.workspace : test.peer;
  });
  if (test.wall_minus_boot_ns) replay.set_wall_minus_boot_ns(*test.wall_minus_boot_ns);
  for (const auto& record : test.records) replay.on_record(record);
  replay.finish();
  const ReplayStats& stats = replay.stats();
  // There may be more: some events follow from others.
  if (stats.observations >= test.records.size()) return {};
  return fmt::format("{} of {} events reached the rules", stats.observations, test.records.size());
}

bool RuleTestReport::passed() const {
  return load.errors.empty() && errors.empty() &&
         std::ranges::all_of(results, [](const auto& result) { return result.failure.empty(); });
}

RuleTestReport run_rule_tests(std::span<const std::filesystem::path> paths) {
  RuleTestReport report;
  std::vector<Path> rule_paths;
  for (const Path& path : paths)
    rule_paths.push_back(is_rule_test(path) ? rules_beside(path) : path);
  const auto named = load_named_rules(rule_paths, report.load);
  if (!named.ok()) return report;
  std::map<std::string, std::vector<std::string>> by_file;
  for (const RuleInfo& rule : named->rules->rules()) {
    if (rule.enabled && !named->beside.contains(rule.name)) by_file[rule.file].push_back(rule.name);
  }
  for (const auto& [file, names] : by_file) {
    const Path test = test_beside(file);
    if (std::filesystem::exists(test)) {
      FileTest(named->rules, names, report).run(test);
    } else {
      report.results.push_back(
          {file, 0, names.front(), fmt::format("no test file {} beside it", test.string())});
    }
  }
  return report;
}

}  // namespace picket
