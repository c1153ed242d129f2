#include "agent/detect/rule/rule_detector.h"

#include <array>
#include <utility>

#include "agent/detect/rule/evaluation.h"
#include "agent/detect/rule/program.h"
#include "agent/enrich/lineage.h"

namespace picket {
namespace {

constexpr size_t kLineageMax = 64;

constexpr auto kEveryType = [] {
  std::array<pk_type, PK_TYPE_END - 1> types{};
  for (size_t i = 0; i < types.size(); ++i) types[i] = static_cast<pk_type>(i + 1);
  return types;
}();

ProcessSummary summary(const Process& process) {
  return {process.key,
          process.comm,
          std::string(process.exe),
          process.cmdline(),
          std::string(process.cwd),
          process.uid};
}

std::vector<ProcessSummary> lineage_of(const Process& process) {
  std::vector<ProcessSummary> summaries;
  for (const Process& ancestor : lineage(process)) {
    if (summaries.size() == kLineageMax) break;
    summaries.push_back(summary(ancestor));
  }
  return summaries;
}

Finding make_finding(const RuleInfo& rule, const Observation& observation) {
  Finding finding;
  finding.rule = rule.name;
  finding.priority = rule.priority;
  finding.why = rule.why;
  finding.tags = rule.tags;
  finding.respond = rule.respond;
  finding.time_ns = observation.event.header().time_ns;
  finding.first_ns = finding.last_ns = finding.time_ns;
  finding.event_type = event_row(observation.event.type())->name;
  finding.process = summary(observation.process);
  finding.lineage = lineage_of(observation.process);
  finding.workspace = observation.workspace;
  return finding;
}

}  // namespace

RuleDetector::RuleDetector(std::shared_ptr<const RuleSet> rules) { replace(std::move(rules)); }
RuleDetector::~RuleDetector() = default;

std::span<const pk_type> RuleDetector::wants() const { return kEveryType; }

void RuleDetector::replace(std::shared_ptr<const RuleSet> rules) {
  evaluation_ = std::make_unique<rule::Evaluation>(rules->program());
  rules_ = std::move(rules);
}

absl::Status RuleDetector::reload(std::span<const std::filesystem::path> paths,
                                  LoadReport& report) {
  auto rules = load_rules(paths, report);
  if (!rules.ok()) return rules.status();
  replace(*std::move(rules));
  return absl::OkStatus();
}

void RuleDetector::on_event(const Observation& observation, FindingSink& sink) {
  evaluation_->run(observation, [&](uint32_t rule) {
    Finding finding = make_finding(rules_->rules()[rule], observation);
    finding.output = evaluation_->output(rule);
    finding.fields = evaluation_->fields(rule);
    sink.on_finding(std::move(finding));
  });
}

}  // namespace picket
