#include "agent/detect/replay/comparison.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "agent/detect/replay/alert_count.h"
#include "agent/detect/replay/rule_test.h"
#include "agent/detect/replay/test_case.h"
#include "agent/detect/rule/named_rules.h"
#include "agent/detect/rule/rule_file_names.h"

namespace picket {
namespace {

using Path = std::filesystem::path;

struct Material {
  std::string name;  // the same in both sets: the path below its folder
  Path file;
};

bool is_material(const Path& path) { return is_rule_test(path) || path.extension() == ".pkr"; }

void add_below(const Path& root, std::map<std::string, Path>& found) {
  std::error_code error;
  if (!std::filesystem::is_directory(root, error)) {
    const Path test = test_beside(root);
    if (is_material(root)) {
      found.emplace(root.filename().string(), root);
    } else if (std::filesystem::exists(test, error)) {
      found.emplace(test.filename().string(), test);
    }
    return;
  }
  std::filesystem::recursive_directory_iterator entry(root, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    if (is_material(entry->path()))
      found.emplace(entry->path().lexically_relative(root).string(), entry->path());
  }
}

class Comparison {
 public:
  Comparison(NamedRules before, NamedRules now, RuleComparison& result)
      : before_(std::move(before)), now_(std::move(now)), result_(result) {}

  void compare(const Path& file) {
    if (file.extension() == ".pkr") {
      TestCase recording;
      recording.file = file.string();
      recording.recording = file;
      compare(recording);
      return;
    }
    LoadReport report;
    for (const TestCase& test : read_test_cases(file, report)) compare(test);
    for (const Diagnostic& error : report.errors) result_.failures.push_back(error.text());
  }

 private:
  void compare(const TestCase& test) {
    // A case of both sets, or a recording that cases name and that lies there, is one.
    if (!seen_.emplace(test.file, test.line, test.name).second) return;
    AlertCount before, now;
    for (auto [rules, alerts] : {std::pair(before_.rules, &before), std::pair(now_.rules, &now)}) {
      if (std::string failure = run_case(test, rules, *alerts); !failure.empty()) {
        result_.failures.push_back(test.file + ": " + test.name + ": " + failure);
        return;
      }
    }
    ++result_.compared;
    const auto old_counts = before.all();
    auto counts = now.all();
    for (const auto& [rule, count] : old_counts) counts.try_emplace(rule, 0);
    for (const auto& [rule, count] : counts) {
      if (before_.beside.contains(rule) || now_.beside.contains(rule)) continue;
      const auto old = old_counts.find(rule);
      const uint64_t was = old == old_counts.end() ? 0 : old->second;
      if (was != count) result_.differences.push_back({test.file, test.name, rule, was, count});
    }
  }

  NamedRules before_, now_;
  RuleComparison& result_;
  std::set<std::tuple<std::string, int, std::string>> seen_;
};

}  // namespace

RuleComparison compare_rules(std::span<const Path> before, std::span<const Path> now) {
  RuleComparison result;
  auto old_rules = load_named_rules(before, result.before);
  auto new_rules = load_named_rules(now, result.now);
  if (!old_rules.ok() || !new_rules.ok()) return result;
  std::map<std::string, Path> materials;
  for (const Path& path : now) add_below(path, materials);  // these come first: they are newer
  for (const Path& path : before) add_below(path, materials);
  Comparison comparison(*std::move(old_rules), *std::move(new_rules), result);
  for (const auto& [name, file] : materials) comparison.compare(file);
  return result;
}

}  // namespace picket
