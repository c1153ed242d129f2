// picketctl: the operator's command line. Commands, JSON and exit codes are a stable interface.
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "collector/app/version.h"
#include "collector/cli/alert_commands.h"
#include "collector/cli/fleet_commands.h"
#include "collector/cli/rules_commands.h"
#include "collector/cli/session.h"
#include "common/log.h"
#include "common/tls.h"
#include "common/tls_refusals.h"

int main(int argc, char** argv) {
  picket::require_tls13();
  picket::set_up_log("warning", picket::LogFormat::text);
  static picket::RefusalCounts refusals;  // takes gRPC's own log off the terminal
  picket::count_refusals(refusals);

  CLI::App app{"picketctl: alerts, workspaces and nodes of a Picket collector; rules"};
  picket::Session session;
  app.add_option("--context", session.context_file, "Which collector, and who you are (YAML)")
      ->envname("PICKET_CONTEXT");
  app.add_option_function<std::string>(
         "-o,--output", [&](const std::string& format) { session.json = format == "json"; },
         "text, or json: one object per line")
      ->check(CLI::IsMember({"text", "json"}));
  app.set_version_flag("--version", picket::kCollectorVersion);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 ok, 1 failure, 2 usage, 3 validation found errors, 4 cannot connect, 5 "
      "denied.");
  picket::add_alert_commands(app, session);
  picket::add_workspace_commands(app, session);
  picket::add_fleet_commands(app, session);
  picket::add_rules_commands(app, session.json, session.exit_code);
  app.add_subcommand("version", "The version of picketctl")->callback([] {
    std::cout << picket::kCollectorVersion << '\n';
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? picket::kExitOk : picket::kExitUsage;
  }
  return session.exit_code;
}
