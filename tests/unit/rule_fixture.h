// Rules and observations for tests, without files and without a kernel. One thread; a rule text
// that does not load throws, so that the test which wrote it fails with the loader's words.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "agent/detect/rule/compiler.h"
#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/rule_detector.h"
#include "agent/event/record_builder.h"

namespace picket {

inline LoadReport load_report(std::string text) {
  LoadReport report;
  rule::Definitions definitions;
  rule::read_definitions("test.yaml", std::move(text), definitions, report);
  rule::Compiler(definitions, report).compile();
  return report;
}

inline std::shared_ptr<const RuleSet> rules_of(std::string text) {
  LoadReport report;
  rule::Definitions definitions;
  rule::read_definitions("test.yaml", std::move(text), definitions, report);
  auto program = rule::Compiler(definitions, report).compile();
  if (!report.errors.empty()) throw std::invalid_argument(report.error_text());
  return std::make_shared<RuleSet>(std::move(program));
}

inline std::string rule_with(std::string_view condition, std::string_view output = "it happened") {
  // A block scalar takes the condition as it is.
  return "- rule: r\n  desc: d\n  priority: NOTICE\n  output: \"" + std::string(output) +
         "\"\n  condition: |\n    " + std::string(condition) + "\n";
}

class CollectingSink final : public FindingSink {
 public:
  void on_finding(Finding finding) override { findings.push_back(std::move(finding)); }
  std::vector<Finding> findings;
};

// A bash in a workspace, with parents, that just ran: tests change what they ask about.
class Scene {
 public:
  explicit Scene(pk_type type = PK_EXEC) : record(type) {
    init.comm = "sleep";
    init.exe = "/usr/bin/sleep";
    init.key = {100, 1};
    init.argv = std::string_view("sleep\0inf\0", 10);
    parent.comm = "make";
    parent.exe = "/usr/bin/make";
    parent.key = {101, 2};
    parent.parent = &init;
    parent.argv = std::string_view("make\0-j8\0all\0", 13);
    process.comm = "bash";
    process.exe = "/usr/bin/bash";
    process.key = {102, 3};
    process.parent = &parent;
    process.parent_key = parent.key;
    process.cwd = "/home/dev";
    process.argv = std::string_view("/bin/bash\0-c\0echo hello\0", 24);
    process.uid = 1000;
    process.layer = PK_LAYER_IMAGE;
    workspace.cgroup_id = init.workspace_cgroup = parent.workspace_cgroup =
        process.workspace_cgroup = 77;
    workspace.id = workspace.container_id = "0123456789abcdef0123456789abcdef";
    workspace.name = "demo";
    workspace.image = "registry.example:5000/dev/base:1.2@sha256:beef";
    workspace.labels["team"] = "blue";
    record.header().pid = record.header().tid = process.key.pid;
    record.header().start_ns = process.key.start_ns;
    record.header().cgroup_id = workspace.cgroup_id;
    record.header().time_ns = 5'000'000'123;
  }

  // Sets a field of the event; the test fails when the schema refuses.
  Scene& with(std::string_view field, std::string_view value) {
    const absl::Status status = record.set_text(field, value);
    if (!status.ok()) throw std::invalid_argument(std::string(status.message()));
    return *this;
  }

  std::vector<Finding> run(Detector& detector) const {
    const std::vector<std::byte> bytes = record.bytes();
    const auto event = Event::parse(bytes);
    if (!event.has_value()) throw std::invalid_argument("the record does not parse");
    CollectingSink sink;
    detector.on_event({*event, process, workspace, {}, nullptr, target}, sink);
    return std::move(sink.findings);
  }

  bool matches(std::string_view condition) const {
    RuleDetector detector(rules_of(rule_with(condition)));
    return !run(detector).empty();
  }

  std::string output(std::string_view format) const {
    RuleDetector detector(rules_of(rule_with("evt.num >= 0", format)));
    return run(detector).at(0).output;
  }

  Process init, parent, process;
  const Process* target = nullptr;  // of a call that is about one
  Workspace workspace;
  RecordBuilder record;
};

}  // namespace picket
