#include "tests/bench/harness/report.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace picket::bench {
namespace {

std::string number(double value) {
  const double size = std::fabs(value);
  return size >= 100                ? fmt::format("{:.0f}", value)
         : size >= 10               ? fmt::format("{:.1f}", value)
         : size >= 0.1 || size == 0 ? fmt::format("{:.2f}", value)
                                    : fmt::format("{:.4f}", value);
}

std::string spread_text(const Figure& figure) {
  if (!figure.spread) return "";
  return fmt::format("[{} .. {}]", number(figure.spread->p10), number(figure.spread->p90));
}

std::string verdict(const Figure& figure) {
  if (!figure.met()) return "";
  return fmt::format("<= {} {}", number(*figure.at_most), *figure.met() ? "met" : "MISSED");
}

}  // namespace

std::optional<bool> Figure::met() const {
  if (!at_most) return std::nullopt;
  return value <= *at_most;
}

void Report::miss(std::string area, std::string why) {
  missing_.push_back({std::move(area), std::move(why)});
}

void Report::print() const {
  fmt::print("\nPicket, kernel {}, {} CPUs, {}. Medians, in brackets 10 % .. 90 % of the pairs.\n",
             kernel_release(), std::thread::hardware_concurrency(), today());
  std::string area;
  for (const Figure& figure : figures_) {
    if (figure.area != area) fmt::print("\n{}\n", area = figure.area);
    fmt::print("  {:<50} {:>9} {:<4} {:<18} {:<17} {}\n", figure.name, number(figure.value),
               figure.unit, spread_text(figure), verdict(figure), figure.note);
  }
  for (const Missing& missing : missing_) {
    fmt::print("\nNOT MEASURED: {}: {}\n", missing.area, missing.why);
  }
}

absl::Status Report::write_json(const std::string& file) const {
  nlohmann::json root{{"kernel", kernel_release()},
                      {"date", today()},
                      {"cpus", std::thread::hardware_concurrency()},
                      {"figures", nlohmann::json::array()},
                      {"missing", nlohmann::json::array()}};
  for (const Figure& figure : figures_) {
    nlohmann::json row{{"area", figure.area},
                       {"name", figure.name},
                       {"unit", figure.unit},
                       {"value", figure.value},
                       {"note", figure.note}};
    if (figure.spread) {
      row["p10"] = figure.spread->p10;
      row["p90"] = figure.spread->p90;
      row["samples"] = figure.spread->count;
    }
    if (figure.at_most) {
      row["at_most"] = *figure.at_most;
      row["met"] = *figure.met();
    }
    root["figures"].push_back(std::move(row));
  }
  for (const Missing& missing : missing_) {
    root["missing"].push_back({{"area", missing.area}, {"why", missing.why}});
  }
  std::ofstream out(file);
  out << root.dump(2) << '\n';
  out.close();
  return out ? absl::OkStatus() : absl::InternalError(fmt::format("write {}", file));
}

}  // namespace picket::bench
