#include "common/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace picket {
namespace {

std::string escaped(std::string_view text, std::string_view specials) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (specials.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string head(std::string_view name, const MetricLabel& label) {
  if (label.name.empty()) return std::string(name);
  return fmt::format("{}{{{}=\"{}\"}}", name, label.name, escaped(label.value, "\\\""));
}

void print_value(std::string& out, std::string_view series, uint64_t value) {
  fmt::format_to(std::back_inserter(out), "{} {}\n", series, value);
}

void print_histogram(std::string& out, std::string_view name, const Histogram& histogram) {
  const Histogram::Counts counts = histogram.counts();
  const auto bucket = [&](const std::string& bound, uint64_t count) {
    print_value(out, head(fmt::format("{}_bucket", name), {"le", bound}), count);
  };
  for (size_t i = 0; i < counts.up_to.size(); ++i)
    bucket(fmt::format("{}", histogram.bounds()[i]), counts.up_to[i]);
  bucket("+Inf", counts.all);
  fmt::format_to(std::back_inserter(out), "{}_sum {}\n", name, counts.sum);
  print_value(out, fmt::format("{}_count", name), counts.all);
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)) {
  counts_.up_to.resize(bounds_.size());
}

void Histogram::observe(double value) {
  const std::lock_guard lock(mutex_);
  for (size_t i = bounds_.size(); i > 0 && value <= bounds_[i - 1]; --i) ++counts_.up_to[i - 1];
  ++counts_.all;
  counts_.sum += value;
}

Histogram::Counts Histogram::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

MetricRegistry::Family& MetricRegistry::family(std::string name, std::string help,
                                               const char* type) {
  const auto known = std::find_if(families_.begin(), families_.end(),
                                  [&](const Family& one) { return one.name == name; });
  if (known != families_.end()) return *known;
  return families_.emplace_back(Family{std::move(name), std::move(help), type, {}});
}

Counter& MetricRegistry::counter(std::string name, std::string help, const MetricLabel& label) {
  const std::lock_guard lock(mutex_);
  const auto added = counters_.try_emplace(head(name, label));
  if (added.second)
    family(std::move(name), std::move(help), "counter")
        .print.push_back([entry = added.first](std::string& out) {
          print_value(out, entry->first, entry->second.value());
        });
  return added.first->second;
}

Gauge& MetricRegistry::gauge(std::string name, std::string help) {
  const std::lock_guard lock(mutex_);
  const auto added = gauges_.try_emplace(name);
  if (added.second)
    family(std::move(name), std::move(help), "gauge")
        .print.push_back([entry = added.first](std::string& out) {
          print_value(out, entry->first, entry->second.value());
        });
  return added.first->second;
}

Histogram& MetricRegistry::histogram(std::string name, std::string help,
                                     std::vector<double> bounds) {
  const std::lock_guard lock(mutex_);
  const auto added = histograms_.try_emplace(name, std::move(bounds));
  if (added.second)
    family(std::move(name), std::move(help), "histogram")
        .print.push_back([entry = added.first](std::string& out) {
          print_histogram(out, entry->first, entry->second);
        });
  return added.first->second;
}

void MetricRegistry::ask(std::string name, std::string help, Kind kind, Ask ask) {
  const std::lock_guard lock(mutex_);
  Family& asked =
      family(std::move(name), std::move(help), kind == Kind::counter ? "counter" : "gauge");
  asked.print.push_back([ask = std::move(ask), name = asked.name](std::string& out) {
    for (const Series& series : ask()) print_value(out, head(name, series.label), series.value);
  });
}

std::string MetricRegistry::text() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const Family& family : families_) {
    fmt::format_to(std::back_inserter(out), "# HELP {0} {1}\n# TYPE {0} {2}\n", family.name,
                   escaped(family.help, "\\"), family.type);
    for (const auto& print : family.print) print(out);
  }
  return out;
}

}  // namespace picket
