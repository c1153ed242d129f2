#include "agent/detect/rule/rule_detector.h"

#include <array>
#include <utility>

#include "agent/detect/rule/evaluation.h"
#include "agent/detect/rule/finding_of.h"
#include "agent/detect/rule/program.h"

namespace picket {
namespace {

constexpr auto kEveryType = [] {
  std::array<pk_type, PK_TYPE_END - 1> types{};
  for (size_t i = 0; i < types.size(); ++i) types[i] = static_cast<pk_type>(i + 1);
  return types;
}();

}  // namespace

RuleDetector::RuleDetector(std::shared_ptr<const RuleSet> rules, SequenceLimits limits)
    : sequences_(limits) {
  replace(std::move(rules));
}
RuleDetector::~RuleDetector() = default;

std::span<const pk_type> RuleDetector::wants() const { return kEveryType; }

void RuleDetector::replace(std::shared_ptr<const RuleSet> rules) {
  evaluation_ = std::make_unique<rule::Evaluation>(rules->program());
  evaluation_->set_wall_minus_boot_ns(wall_minus_boot_ns_);
  sequences_.use(rules);
  waivers_.use(rules->program());
  rules_ = std::move(rules);
}

void RuleDetector::set_wall_minus_boot_ns(uint64_t distance_ns) {
  wall_minus_boot_ns_ = distance_ns;
  evaluation_->set_wall_minus_boot_ns(distance_ns);
  waivers_.set_wall_minus_boot_ns(distance_ns);
}

absl::Status RuleDetector::reload(std::span<const std::filesystem::path> paths,
                                  LoadReport& report) {
  auto rules = load_rules(paths, report);
  if (!rules.ok()) return rules.status();
  replace(*std::move(rules));
  return absl::OkStatus();
}

void RuleDetector::on_event(const Observation& observation, FindingSink& sink) {
  evaluation_->run(observation, [&](uint32_t rule, uint32_t step) {
    if (step != rule::kWholeRule) {
      sequences_.on_step(rule, step, observation, *evaluation_, waivers_, sink);
      return;
    }
    if (waivers_.withhold(rule, observation.event.header().time_ns, *evaluation_)) return;
    Finding finding = finding_of(rules_->rules()[rule], observation);
    finding.output = evaluation_->output(rule);
    finding.fields = evaluation_->fields(rule);
    sink.on_finding(std::move(finding));
  });
}

void RuleDetector::on_tick(uint64_t event_time_ns, FindingSink& sink) {
  sequences_.on_tick(event_time_ns, waivers_, sink);  // first: a waiver's count includes its last
  waivers_.on_tick(event_time_ns);
}

}  // namespace picket
