#include "agent/detect/rule/sequence_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace picket::rule {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class SequenceReader {
 public:
  SequenceReader(std::shared_ptr<const SourceFile> file, LoadReport& report)
      : file_(std::move(file)), report_(report), errors_(report.errors.size()) {}

  std::optional<SequenceDefinition> read(const YAML::Node& node) {
    if (!node.IsMap()) {
      fail(node.Mark(), "a mapping expected for 'sequence': by, within and steps");
      return std::nullopt;
    }
    YamlItem item(node, file_, report_);
    item.allow({"by", "within", "steps"});
    read_by(item);
    read_window(item);
    const YAML::Node steps = item.value("steps");
    if (!steps.IsDefined() || !steps.IsSequence() || steps.size() == 0) {
      fail(steps.IsDefined() ? steps.Mark() : node.Mark(),
           "a list of steps expected for 'steps': '- step: NAME'");
      return std::nullopt;
    }
    for (const YAML::Node& step : steps) read_step(step);
    if (report_.errors.size() == errors_) check_order();
    if (report_.errors.size() != errors_) return std::nullopt;
    return std::move(sequence_);
  }

 private:
  void read_by(YamlItem& item) {
    SourceText text;
    if (!item.has("by") || !item.read("by", text)) return;
    constexpr std::array<std::string_view, 3> kWords{"lineage", "workspace", "owner"};
    const auto word = std::ranges::find(kWords, text.value);
    if (word != kWords.end())
      sequence_.by = static_cast<SequenceBy>(word - kWords.begin());
    else
      item.fail(text, fmt::format("'{}' is none of lineage, workspace and owner", text.value));
  }

  void read_window(YamlItem& item) {
    SourceText text;
    if (!item.read("within", text, YamlItem::kRequired)) return;
    const auto window = parse_window_ns(text.value);
    if (!window) {
      item.fail(text, fmt::format("'{}' is no time; 1s to 24h expected: 90s, 5m, 1h", text.value));
    }
    sequence_.window_ns = window.value_or(0);
  }

  void read_step(const YAML::Node& node) {
    if (!node.IsMap()) {
      return fail(node.Mark(), "a mapping expected that starts with 'step' or 'absent'");
    }
    YamlItem item(node, file_, report_);
    item.allow({"step", "absent", "condition", "count", "distinct", "sum", "reach"});
    StepDefinition step;
    step.absent = item.has("absent");
    if (step.absent && item.has("step"))
      return fail(node.Mark(), "either 'step' or 'absent' expected, not both");
    bool valid = item.read_name(step.absent ? "absent" : "step", step.name);
    valid &= item.read("condition", step.condition, YamlItem::kRequired);
    valid &= read_count(item, step);
    if (!valid) return;
    const bool taken = std::ranges::any_of(sequence_.steps, [&](const StepDefinition& other) {
      return other.name.value == step.name.value;
    });
    if (taken) {
      item.fail(step.name, fmt::format("two steps are called '{}'", step.name.value));
    } else if (sequence_.steps.size() == kSequenceSteps) {
      item.fail(step.name, fmt::format("more than {} steps", kSequenceSteps));
    } else {
      sequence_.steps.push_back(std::move(step));
    }
  }

  bool read_sum(YamlItem& item, StepDefinition& step) {
    SourceText field, reach;
    if (!item.read("sum", field, YamlItem::kRequired) ||
        !item.read("reach", reach, YamlItem::kRequired))
      return false;
    if (step.absent) return item.fail(field, "an absent step has no sum");
    if (item.has("count") || item.has("distinct"))
      return item.fail(field, "a step counts, or it has a sum, not both");
    const auto amount = parse_amount(reach.value);
    if (!amount)
      return item.fail(reach, fmt::format("'{}' is no amount; 4000, 512KiB, 100MiB, 2GiB expected",
                                          reach.value));
    step.sum = field;
    step.count = *amount;
    return true;
  }

  bool read_count(YamlItem& item, StepDefinition& step) {
    SourceText text;
    if (item.has("sum") || item.has("reach")) return read_sum(item, step);
    if (item.has("distinct")) {
      if (!item.read("distinct", text)) return false;
      step.distinct = text;
      if (!item.has("count"))
        return item.fail(text, "'distinct' needs a 'count': how many values it must show");
    }
    if (!item.has("count")) return true;
    if (!item.read("count", text)) return false;
    if (step.absent) return item.fail(text, "an absent step has no count");
    const char* const end = text.value.data() + text.value.size();
    const auto [stop, error] = std::from_chars(text.value.data(), end, step.count);
    if (error == std::errc() && stop == end && step.count >= 2 && step.count <= kSequenceCountMax)
      return true;
    return item.fail(text,
                     fmt::format("'{}' is no number from 2 to {}", text.value, kSequenceCountMax));
  }

  void check_order() {
    const std::vector<StepDefinition>& steps = sequence_.steps;
    const auto at = [](const StepDefinition& step) { return step.name; };
    if (steps.front().absent) {
      fail(at(steps.front()), "a sequence begins with a step that happens");
    }
    if (steps.size() == 1 && steps.front().count == 1) {
      fail(at(steps.front()),
           "one step that happens once is no sequence; a 'condition' says the same");
    }
    for (size_t i = 1; i < steps.size(); ++i)
      if (steps[i].absent && steps[i - 1].absent)
        fail(at(steps[i]), "two absent steps side by side; one with 'or' says the same");
  }

  void fail(const SourceText& at, std::string message) {
    report_.errors.push_back({file_->name, at.start.line, at.start.column, std::move(message)});
  }
  void fail(const YAML::Mark& mark, std::string message) {
    report_.errors.push_back({file_->name, mark.line + 1, mark.column + 1, std::move(message)});
  }

  std::shared_ptr<const SourceFile> file_;
  LoadReport& report_;
  const size_t errors_;
  SequenceDefinition sequence_;
};

}  // namespace

std::optional<uint64_t> parse_amount(std::string_view text) {
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<size_t>(stop - text.data()));
  const int shift = unit.empty()    ? 0
                    : unit == "KiB" ? 10
                    : unit == "MiB" ? 20
                    : unit == "GiB" ? 30
                                    : -1;
  if (error != std::errc() || shift < 0 || number > kSequenceSumMax >> shift) return std::nullopt;
  const uint64_t amount = number << shift;
  return amount >= 2 ? std::optional(amount) : std::nullopt;
}

std::optional<uint64_t> parse_window_ns(std::string_view text) {
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<size_t>(stop - text.data()));
  const uint64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (error != std::errc() || seconds == 0 || number == 0) return std::nullopt;
  if (number > kSequenceWindowNs / kSecond / seconds) return std::nullopt;
  return number * seconds * kSecond;
}

std::optional<SequenceDefinition> read_sequence(const YAML::Node& value,
                                                const std::shared_ptr<const SourceFile>& file,
                                                LoadReport& report) {
  return SequenceReader(file, report).read(value);
}

}  // namespace picket::rule
