// The input is a rule file, or, when it does not begin with a dash, a condition. Whatever it holds,
// loading ends with a set or with errors that have a place in the text, and a set that loads can be
// evaluated and printed on any event. No input takes a second of the processor.
#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "agent/detect/rule/compiler.h"
#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/rule_detector.h"
#include "agent/event/record_builder.h"

namespace {

using namespace picket;

struct Reader final : FindingSink {
  void on_finding(Finding finding) override {
    if (finding.rule.empty() || finding.merge_id.size() > 0) __builtin_trap();
  }
};

rule::Definitions one_rule(std::string condition) {
  rule::Definitions definitions;
  rule::RuleDefinition rule;
  const auto file = std::make_shared<const rule::SourceFile>(rule::SourceFile{"fuzz", condition});
  rule.info.name = "r";
  rule.name = {"r", file, {1, 1}};
  rule.condition = {std::move(condition), file, {1, 1}};
  rule.output = {"%proc.name %proc.aname %fd.name", file, {1, 1}};
  definitions.rules.push_back(std::move(rule));
  return definitions;
}

void check_places(const LoadReport& report, const std::string& text) {
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  for (const auto* diagnostics : {&report.errors, &report.notes}) {
    for (const Diagnostic& diagnostic : *diagnostics) {
      if (diagnostic.message.empty() || diagnostic.line < 0) __builtin_trap();
      if (diagnostic.line > lines + 1) __builtin_trap();
    }
  }
}

// An empty record of each type, made once: most inputs end before any is asked for.
const std::vector<std::vector<std::byte>>& records() {
  static const auto kRecords = [] {
    std::vector<std::vector<std::byte>> records;
    for (const EventRow& event : event_rows()) records.push_back(RecordBuilder(event.type).bytes());
    return records;
  }();
  return kRecords;
}

struct Scene {
  Scene() {
    parent.comm = "make";
    process.comm = "bash";
    process.exe = "/usr/bin/bash";
    process.argv = std::string_view("bash\0-c\0id", 10);
    process.parent = &parent;
    process.fd[0].kind = process.fd[1].kind = PK_FD_INET;
    workspace.cgroup_id = 1;
    workspace.id = workspace.name = workspace.image = "w";
  }
  Process parent, process;
  Workspace workspace;
};

void evaluate(RuleDetector& detector, std::span<const std::byte> record) {
  static const Scene kScene;
  const auto event = Event::parse(record);
  if (!event) __builtin_trap();
  Reader sink;
  detector.on_event({*event, kScene.process, kScene.workspace}, sink);
}

void load_and_run(std::string text) {
  LoadReport report;
  rule::Definitions definitions;
  if (text.starts_with('-')) {
    rule::read_definitions("fuzz", text, definitions, report);
  } else {
    definitions = one_rule(text);
  }
  auto program = rule::Compiler(definitions, report).compile();
  check_places(report, text);
  if (!report.errors.empty()) return;
  RuleDetector detector(std::make_shared<RuleSet>(std::move(program)));
  for (const auto& record : records()) evaluate(detector, record);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::clock_t start = std::clock();
  load_and_run(std::string(reinterpret_cast<const char*>(data), size));
  if (std::clock() - start > CLOCKS_PER_SEC) __builtin_trap();
  return 0;
}
