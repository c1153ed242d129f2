#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "collector/cli/fleet_commands.h"
#include "collector/cli/objects.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

Row row_of(const v1::NodeWorkspace& workspace, bool json, bool whole) {
  if (json) return Row(workspace_status_object(workspace));
  return Row(whole ? workspace_text(workspace) : workspace_line(workspace));
}

bool is_gone(const v1::NodeWorkspace& workspace) {
  return workspace.status().state() == v1::WORKSPACE_STATE_GONE;
}

void add_list(CLI::App& workspace, Session& session) {
  const auto all = std::make_shared<bool>(false);
  CLI::App* list = workspace.add_subcommand("list", "Workspaces that run or are frozen");
  list->add_flag("--all", *all, "Also those that are gone");
  list->fallthrough()->callback([all, &session] {
    session.read([&](Client& client, RowSink& rows) {
      const auto response = client.workspaces("");
      if (!response.ok()) return response.status();
      for (const v1::NodeWorkspace& next : response->workspaces())
        if (*all || !is_gone(next)) rows.add(row_of(next, session.json, false));
      return absl::OkStatus();
    });
  });
}

void add_show(CLI::App& workspace, Session& session) {
  const auto asked = std::make_shared<std::string>();
  CLI::App* show = workspace.add_subcommand("show", "Everything known about one workspace");
  show->add_option("WORKSPACE", *asked, "Id, the beginning of it, or name")->required();
  show->fallthrough()->callback([asked, &session] {
    session.read([&](Client& client, RowSink& rows) {
      const auto response = client.workspaces(*asked);
      if (!response.ok()) return response.status();
      for (const v1::NodeWorkspace& next : response->workspaces())
        rows.add(row_of(next, session.json, true));
      return absl::OkStatus();
    });
  });
}

// Where it can be given to a node.
absl::Status find(Client& client, const std::string& workspace) {
  const auto response = client.workspaces(workspace);
  if (!response.ok()) return response.status();
  if (!std::ranges::all_of(response->workspaces(), is_gone)) return absl::OkStatus();
  return absl::NotFoundError(fmt::format("workspace \"{}\" is gone", workspace));
}

absl::Status order(Client& client, const v1::RunCommandRequest& request, bool json, RowSink& rows) {
  const auto response = client.run(request);
  if (!response.ok()) return response.status();
  const v1::CommandResult& result = response->result();
  rows.add(json ? Row(command_object(*response))
                : Row(fmt::format("{}{} (in {} us, audit entry {})\n", printable(result.detail()),
                                  result.dry_run() ? " (dry run: nothing was done)" : "",
                                  result.took_us(), printable(response->audit_id()))));
  if (result.ok()) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("the node could not do it: {}", printable(result.detail())));
}

struct Order {
  std::string workspace, reason;
  uint32_t timeout_seconds = 30;
};

void add_action(CLI::App& workspace, Session& session, const char* name, const char* help,
                v1::Action action) {
  const auto options = std::make_shared<Order>();
  CLI::App* command = workspace.add_subcommand(name, help);
  command->add_option("WORKSPACE", options->workspace, "Id, the beginning of it, or name")
      ->required();
  command->add_option("--reason", options->reason, "Why; it goes into the audit log")
      ->required()
      ->check(CLI::Validator(check_reason, "TEXT"));
  command->add_option("--timeout", options->timeout_seconds, "Seconds to wait for the node")
      ->capture_default_str()
      ->check(CLI::Range(1, 600));
  command->fallthrough()->callback([options, action, &session] {
    v1::RunCommandRequest request;
    request.set_action(action);
    request.set_workspace(options->workspace);
    request.set_reason(options->reason);
    request.set_timeout_ms(options->timeout_seconds * 1000);
    session.act(
        [&](Client& client, RowSink& rows) { return order(client, request, session.json, rows); },
        [&](Client& client) { return find(client, options->workspace); });
  });
}

}  // namespace

void add_workspace_commands(CLI::App& app, Session& session) {
  CLI::App* workspace = app.add_subcommand("workspace", "Workspaces, and what to do with them");
  workspace->fallthrough()->require_subcommand(1);
  add_list(*workspace, session);
  add_show(*workspace, session);
  add_action(*workspace, session, "freeze", "Stop every process of it, unharmed",
             v1::ACTION_FREEZE);
  add_action(*workspace, session, "thaw", "Let a frozen one go on", v1::ACTION_THAW);
  add_action(*workspace, session, "kill", "Kill every process of it", v1::ACTION_KILL);
}

}  // namespace picket
