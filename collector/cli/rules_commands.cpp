#include "collector/cli/rules_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "agent/app/finding_alert.h"
#include "agent/detect/bundle/bundle.h"
#include "agent/detect/replay/comparison.h"
#include "agent/detect/replay/replay.h"
#include "agent/detect/replay/rule_test.h"
#include "agent/detect/rule/explain.h"
#include "agent/detect/rule/field.h"
#include "agent/detect/rule/named_rules.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/sensor/recording.h"
#include "common/alert_json.h"
#include "common/clock.h"
#include "common/printable.h"

namespace picket {
namespace {

// CLI11 would take -1 for the largest number.
std::string check_serial(const std::string& text) {
  uint64_t serial = 0;
  return absl::SimpleAtoi(text, &serial) && serial > 0 && text[0] != '+'
             ? ""
             : fmt::format("a number from 1 to {} expected", UINT64_MAX);
}

using Json = nlohmann::ordered_json;
using Paths = std::vector<std::filesystem::path>;

constexpr int kFailed = 1, kInvalid = 3;

// Merged findings in the order in which they were first made, each as it was last.
class Findings final : public FindingSink {
 public:
  void on_finding(Finding finding) override {
    const auto [at, fresh] = index_.try_emplace(finding.merge_id, findings_.size());
    if (fresh) {
      findings_.push_back(std::move(finding));
    } else {
      findings_[at->second] = std::move(finding);
    }
  }
  const std::vector<Finding>& all() const { return findings_; }

 private:
  std::map<std::string, size_t> index_;
  std::vector<Finding> findings_;
};

void print_line(const Json& object) { fmt::print("{}\n", json_line(object)); }

// Whoever wrote the rules, the recordings or the names of files must not drive the terminal.
template <class... Args>
void say(std::FILE* to, fmt::format_string<Args...> format, Args&&... args) {
  fmt::print(to, "{}\n", printable(fmt::format(format, std::forward<Args>(args)...)));
}

// What the commands share: where they print, and how they end.
class Commands {
 public:
  Commands(bool& json, int& exit_code) : json_(json), exit_code_(exit_code) {}

  void validate(const Paths& paths) {
    LoadReport report;
    const auto rules = load_rules(paths, report);
    print(report);
    if (rules.ok() && !json_) {
      say(stdout, "{} rules, {} macros, {} lists in {} files: valid", report.rules, report.macros,
          report.lists, report.files);
    }
  }

  void test(const Paths& paths) {
    const RuleTestReport report = run_rule_tests(paths);
    print(report.load);
    for (const Diagnostic& error : report.errors) print("error", error);
    if (!report.errors.empty()) exit_code_ = kInvalid;
    size_t failed = 0;
    for (const RuleTestResult& result : report.results) {
      if (!result.failure.empty()) ++failed;
      print(result);
    }
    if (!json_) say(stdout, "{} passed, {} failed", report.results.size() - failed, failed);
    if (!report.passed()) exit_code_ = kInvalid;
  }

  // What these rules find that the old ones did not, and the other way round.
  void compare(const Paths& now, const Paths& before) {
    const RuleComparison comparison = compare_rules(before, now);
    for (const LoadReport* report : {&comparison.before, &comparison.now}) {
      for (const Diagnostic& error : report->errors) print("error", error);
      if (!report->errors.empty()) exit_code_ = kInvalid;
    }
    for (const std::string& failure : comparison.failures) {
      say(stderr, "{}", failure);
      exit_code_ = kInvalid;
    }
    for (const AlertDifference& one : comparison.differences) print(one);
    if (!json_) {
      say(stdout, "{} cases and recordings compared, {} differences", comparison.compared,
          comparison.differences.size());
    }
  }

  void sign(const std::filesystem::path& folder, const std::filesystem::path& key_file,
            uint64_t serial) {
    LoadReport report;
    const std::vector<RuleFile> files = read_rule_files({&folder, 1}, report);
    if (report.errors.empty()) (void)compile_rule_files(files, report);
    report.notes.clear();
    print(report);
    if (!report.errors.empty()) return;  // nobody should sign what no agent takes
    const auto key = BundleKey::read_private(key_file);
    if (!key.ok()) return fail(std::string(key.status().message()));
    const auto signature = sign_rules(folder, files, serial, *key);
    if (!signature.ok()) return fail(std::string(signature.status().message()));
    std::ofstream stream(folder / kSignatureFile, std::ios::binary | std::ios::trunc);
    stream << *signature << std::flush;
    if (!stream) return fail(fmt::format("write {}", (folder / kSignatureFile).string()));
    if (!json_)
      say(stdout, "{} files signed in {}, serial {}", files.size(),
          (folder / kSignatureFile).string(), serial);
  }

  void verify(const std::filesystem::path& folder, const std::filesystem::path& key_file) {
    const auto key = BundleKey::read_public(key_file);
    if (!key.ok()) return fail(std::string(key.status().message()));
    const auto files = read_signed_rules({&folder, 1}, *key);
    if (!files.ok()) {
      say(stderr, "{}", std::string(files.status().message()));
      exit_code_ = kInvalid;
    } else if (!json_) {
      say(stdout, "{} files are as they were signed, serial {}", files->files.size(),
          files->serial);
    }
  }

  void replay(const Paths& recordings, const Paths& rule_paths) {
    const std::shared_ptr<const RuleSet> rules = load(rule_paths);
    if (rules == nullptr) return;
    for (const std::filesystem::path& recording : recordings) replay(recording, rules);
  }

  void fields() {
    for (const rule::FieldDoc& field : rule::field_docs()) {
      if (json_) {
        print_line({{"name", field.name},
                    {"type", to_string(field.type)},
                    {"doc", field.doc},
                    {"events", field.events},
                    {"gap", field.gap}});
        continue;
      }
      std::string only;
      for (const std::string& event : field.events) only += (only.empty() ? "" : " ") + event;
      if (!field.gap.empty()) {
        say(stdout, "{:30} {:8} {}: {}", field.name, "-", field.doc, field.gap);
        continue;
      }
      say(stdout, "{:30} {:8} {}{}", field.name, to_string(field.type), field.doc,
          only.empty() ? "" : fmt::format(" [{}]", only));
    }
  }

  void explain(const Paths& paths, const std::string& wanted) {
    LoadReport report;
    const auto named = load_named_rules(paths, report);
    report.notes.clear();  // `rules validate` shows them
    print(report);
    if (!named.ok()) return say_how_to_name(paths);
    bool found = false;
    for (uint32_t i = 0; i < named->rules->rules().size(); ++i) {
      const RuleInfo& rule = named->rules->rules()[i];
      if (named->beside.contains(rule.name) || (!wanted.empty() && rule.name != wanted)) continue;
      found = true;
      print(rule, picket::explain(named->rules->program(), i));
    }
    if (!found) fail(fmt::format("explain: no rule '{}' in these files", wanted));
  }

 private:
  // Who asks for a rule by its name where a file is expected.
  void say_how_to_name(const Paths& paths) {
    for (const std::filesystem::path& path : paths) {
      std::error_code error;
      if (json_ || std::filesystem::exists(path, error)) continue;
      say(stderr, "a rule is named behind its files: rules explain {} --rule '{}'",
          usual_rules().string(), path.string());
    }
  }

  std::shared_ptr<const RuleSet> load(const Paths& paths) {
    LoadReport report;
    auto rules = load_rules(paths, report);
    report.notes.clear();  // `rules validate` shows them
    print(report);
    if (!rules.ok()) return nullptr;
    return *std::move(rules);
  }

  void replay(const std::filesystem::path& recording, std::shared_ptr<const RuleSet> rules) {
    Findings findings;
    uint64_t wall_minus_boot_ns = 0;
    RecordingSource source(recording);
    if (source.start().ok()) wall_minus_boot_ns = source.info().wall_minus_boot_ns;
    const auto stats = replay_recording(recording, std::move(rules), findings);
    for (const Finding& finding : findings.all()) print(alert_of(finding, wall_minus_boot_ns));
    if (!stats.ok()) {
      fail(std::string(stats.status().message()));
      return;
    }
    uint64_t refused = 0;
    for (const uint64_t count : stats->refused) refused += count;
    if (refused > 0) {
      say(stderr, "{}: {} of {} records were refused", recording.string(), refused, stats->records);
    }
    if (json_) return;
    say(stdout, "{}: {} records, {} findings", recording.string(), stats->records,
        findings.all().size());
  }

  void print(const LoadReport& report) {
    for (const Diagnostic& note : report.notes) print("note", note);
    for (const Diagnostic& error : report.errors) print("error", error);
    if (!report.errors.empty()) exit_code_ = kInvalid;
  }

  void print(const char* severity, const Diagnostic& diagnostic) {
    if (json_) {
      print_line({{"severity", severity},
                  {"file", diagnostic.file},
                  {"line", diagnostic.line},
                  {"column", diagnostic.column},
                  {"message", diagnostic.message}});
      return;
    }
    const bool note = std::string_view(severity) == "note";
    say(stderr, "{}{}", diagnostic.text(), note ? " (note)" : "");
  }

  void print(const AlertDifference& one) {
    if (json_) {
      print_line({{"file", one.file},
                  {"case", one.test},
                  {"rule", one.rule},
                  {"before", one.before},
                  {"now", one.now}});
      return;
    }
    say(stdout, "{} {}: {} alerts, before {} ({}{}{})", one.now > one.before ? '+' : '-', one.rule,
        one.now, one.before, one.file, one.test.empty() ? "" : ": ", one.test);
  }

  void print(const RuleTestResult& result) {
    if (json_) {
      print_line({{"file", result.file},
                  {"line", result.line},
                  {"name", result.name},
                  {"passed", result.failure.empty()},
                  {"failure", result.failure}});
    } else if (!result.failure.empty()) {
      say(stderr, "{}:{}: {}: {}", result.file, result.line, result.name, result.failure);
    }
  }

  void print(const v1::Alert& alert) {
    if (json_) {
      say(stdout, "{}", alert_json(alert));
      return;
    }
    say(stdout, "{} {} {}: {}{}", time_text(alert.time()), priority_name(alert.priority()),
        alert.rule(), alert.output(),
        alert.count() > 1 ? fmt::format(" ({} times)", alert.count()) : "");
  }

  void print(const RuleInfo& rule, const std::vector<ExplainedCondition>& conditions) {
    if (json_) {
      Json events = Json::array();
      for (const auto& [event, condition, step] : conditions) {
        events.push_back({{"event", event}, {"condition", condition}});
        if (!step.empty()) events.back()["step"] = step;
      }
      print_line({{"rule", rule.name},
                  {"desc", rule.desc},
                  {"why", rule.why},
                  {"priority", to_string(rule.priority)},
                  {"tags", rule.tags},
                  {"enabled", rule.enabled},
                  {"respond", to_string(rule.respond)},
                  {"shadow", rule.shadow},
                  {"file", rule.file},
                  {"line", rule.line},
                  {"output", rule.output},
                  {"events", std::move(events)}});
      return;
    }
    say(stdout, "{} ({}, {}:{}){}", rule.name, to_string(rule.priority), rule.file, rule.line,
        rule.enabled ? "" : " is switched off");
    say(stdout, "  {}", rule.desc);
    if (!rule.why.empty()) say(stdout, "  Why: {}", rule.why);
    if (rule.respond != Action::none) say(stdout, "  Asks for: {}", to_string(rule.respond));
    if (rule.shadow) say(stdout, "  On trial: reports, and does nothing");
    for (const auto& [event, condition, step] : conditions) {
      say(stdout, "  On {}{}: {}", event, step.empty() ? "" : ", step " + step, condition);
    }
  }

  void fail(const std::string& message) {
    say(stderr, "{}", message);
    if (exit_code_ == 0) exit_code_ = kFailed;
  }

  bool& json_;
  int& exit_code_;
};

}  // namespace

void add_rules_commands(CLI::App& app, bool& json, int& exit_code) {
  // Held by the callbacks, which live as long as `app`.
  const auto commands = std::make_shared<Commands>(json, exit_code);
  const auto paths = std::make_shared<Paths>();
  const auto recordings = std::make_shared<Paths>();
  const auto name = std::make_shared<std::string>();
  CLI::App* rules =
      app.add_subcommand("rules", "Check, test, replay and sign rules, without an agent");
  rules->require_subcommand(1)->fallthrough();  // options of picketctl may stand behind a command

  CLI::App* validate = rules->add_subcommand("validate", "Check rule files; exit code 3: errors");
  validate->add_option("PATH", *paths, "Rule files or folders")->required();
  validate->fallthrough();
  validate->callback([=] { commands->validate(*paths); });

  CLI::App* test =
      rules->add_subcommand("test", "Run the tests beside rule files; exit code 3: one fails");
  test->add_option("PATH", *paths, "Rule files, folders or NAME.test.yaml files")->required();
  test->fallthrough();
  const auto old_paths = std::make_shared<Paths>();
  test->add_option(
      "--against", *old_paths,
      "Also show what these other rules would have alerted on, and these not, over the "
      "same cases and recordings");
  test->callback([=] {
    commands->test(*paths);
    if (!old_paths->empty()) commands->compare(*paths, *old_paths);
  });

  const auto folder = std::make_shared<std::filesystem::path>();
  const auto key = std::make_shared<std::filesystem::path>();
  const auto serial = std::make_shared<uint64_t>(SystemClock().wall_ns() / 1'000'000'000);
  for (const bool signs : {true, false}) {
    CLI::App* command = rules->add_subcommand(
        signs ? "sign" : "verify",
        signs ? "Write rules.sig, the signature over a folder of rules, into it"
              : "Check a folder of rules against its rules.sig; exit code 3: not as it was signed");
    command->add_option("FOLDER", *folder, "Folder of rules")->required();
    command
        ->add_option("--key", *key, signs ? "Private Ed25519 key, PEM" : "Public Ed25519 key, PEM")
        ->required();
    if (signs)
      command
          ->add_option("--serial", *serial,
                       "Orders what is signed: agents take nothing older from a collector; the "
                       "seconds since 1970, if left out")
          ->check(CLI::Validator(check_serial, "NUMBER"));
    command->fallthrough();
    command->callback(
        [=] { signs ? commands->sign(*folder, *key, *serial) : commands->verify(*folder, *key); });
  }

  CLI::App* replay = rules->add_subcommand("replay", "Show what the rules find in recordings");
  replay->add_option("RECORDING", *recordings, "Files of picketd --record")->required();
  replay->add_option("--rules", *paths,
                     "Rule files or folders; else ./rules, or the installed ones");
  replay->fallthrough();
  replay->callback([=] {
    if (paths->empty()) paths->push_back(usual_rules());
    commands->replay(*recordings, *paths);
  });

  CLI::App* fields = rules->add_subcommand("fields", "List the fields that a rule can ask for");
  fields->fallthrough();
  fields->callback([=] { commands->fields(); });

  CLI::App* explain = rules->add_subcommand(
      "explain", "Show what rules ask of each event, with lists and macros expanded");
  explain->add_option("PATH", *paths, "Rule files or folders")->required();
  explain->add_option("--rule", *name, "Only the rule of this name");
  explain->fallthrough();
  explain->callback([=] { commands->explain(*paths, *name); });
}

}  // namespace picket
