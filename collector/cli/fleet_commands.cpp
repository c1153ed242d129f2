#include "collector/cli/fleet_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "collector/cli/objects.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

struct CoverageOptions {
  std::string node;
  bool system_calls = false;
};

void add_system_calls(const v1::Node& node, bool json, RowSink& rows) {
  std::map<std::string, const v1::SystemCalls*> calls;
  for (const v1::SystemCalls& group : node.coverage().system_calls())
    for (const std::string& name : group.names()) calls[name] = &group;
  if (!json) rows.add(Row(system_calls_text(node, calls)));
  for (const auto& [name, group] : calls)
    if (json) rows.add(Row(system_call_object(node, name, *group)));
}

void add_coverage_of(const v1::Node& node, bool json, RowSink& rows) {
  if (!json) {
    rows.add(Row(coverage_text(node)));
    return;
  }
  for (const v1::CoverageLine& line : node.coverage().lines())
    rows.add(Row(coverage_line_object(node, line)));
  for (const v1::RuleGap& gap : node.coverage().rule_gaps())
    rows.add(Row(rule_gap_object(node, gap)));
}

// A node is asked for by its SPIFFE id or the name in it.
bool is_node(const v1::Node& node, const std::string& asked) {
  const std::string& id = node.node();
  return asked.empty() || id == asked || id.substr(id.rfind('/') + 1) == asked;
}

std::string output_line(const v1::OutputHealth& output) {
  std::string line = fmt::format("  output     {} ({}): {} delivered", printable(output.name()),
                                 printable(output.kind()), output.delivered());
  if (output.refused() != 0) line += fmt::format(", {} REFUSED for good", output.refused());
  if (output.lag_alerts() != 0)
    line += fmt::format(", {} behind for {} s", output.lag_alerts(), output.lag_seconds());
  if (output.place() == v1::OUTPUT_PLACE_ELSEWHERE) line += ", another collector runs it";
  if (output.failing()) line += fmt::format(", FAILING: {}", printable(output.last_error()));
  return line + "\n";
}

std::string status_text(const v1::GetStatusResponse& status) {
  std::string text =
      fmt::format("collector {}, started {}\n  alerts     {}\n  nodes      {} of {} connected\n",
                  printable(status.version()), time_text(status.started()), status.alerts(),
                  status.nodes_connected(), status.nodes());
  if (status.nodes_blind() != 0)
    text += fmt::format("  BLIND      {}: picketctl nodes\n", status.nodes_blind());
  for (const auto& [reason, count] : status.refused()) {
    text += fmt::format("  refused    {} {}\n", count, printable(reason));
  }
  for (const v1::OutputHealth& output : status.outputs()) text += output_line(output);
  return text;
}

void add_nodes(CLI::App& app, Session& session) {
  CLI::App* nodes = app.add_subcommand("nodes", "Nodes and what never arrived from them");
  const auto gaps = std::make_shared<uint32_t>(100);
  nodes->add_option("--gaps", *gaps, "So many missing ranges of each, the newest")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  nodes->fallthrough()->callback([gaps, &session] {
    session.read([&](Client& client, RowSink& rows) {
      const auto response = client.nodes(*gaps);
      if (!response.ok()) return response.status();
      for (const v1::Node& node : response->nodes())
        rows.add(session.json ? Row(node_object(node)) : Row(node_text(node)));
      return absl::OkStatus();
    });
  });
}

void add_coverage(CLI::App& app, Session& session) {
  const auto asked = std::make_shared<CoverageOptions>();
  CLI::App* coverage = app.add_subcommand("coverage", "What each node sees, and what it does not");
  coverage->add_option("--node", asked->node, "Only this node: SPIFFE id or its last part");
  coverage->add_flag("--syscalls", asked->system_calls,
                     "Every system call of the node's kernel: watched, ignored and why, unknown");
  coverage->fallthrough()->callback([asked, &session] {
    session.read([&](Client& client, RowSink& rows) -> absl::Status {
      const auto response = client.nodes();
      if (!response.ok()) return response.status();
      bool found = asked->node.empty();
      for (const v1::Node& node : response->nodes()) {
        if (!is_node(node, asked->node)) continue;
        found = true;
        asked->system_calls ? add_system_calls(node, session.json, rows)
                            : add_coverage_of(node, session.json, rows);
      }
      if (found) return absl::OkStatus();
      return absl::NotFoundError(fmt::format("no node \"{}\"", asked->node));
    });
  });
}

void add_status(CLI::App& app, Session& session) {
  CLI::App* status = app.add_subcommand("status", "The collector in a few lines");
  status->fallthrough()->callback([&session] {
    session.read([&](Client& client, RowSink& rows) {
      const auto response = client.status();
      if (!response.ok()) return response.status();
      rows.add(session.json ? Row(status_object(*response)) : Row(status_text(*response)));
      return absl::OkStatus();
    });
  });
}

}  // namespace

void add_fleet_commands(CLI::App& app, Session& session) {
  add_nodes(app, session);
  add_coverage(app, session);
  add_status(app, session);
}

}  // namespace picket
