// picketctl: the operator's command line. Commands, JSON and exit codes are a stable interface.
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "collector/app/version.h"
#include "collector/cli/alert_commands.h"
#include "collector/cli/fleet_commands.h"
#include "collector/cli/node_commands.h"
#include "collector/cli/policy_commands.h"
#include "collector/cli/reference_commands.h"
#include "collector/cli/rules_commands.h"
#include "collector/cli/session.h"
#include "common/alert_json.h"
#include "common/log.h"
#include "common/tls.h"
#include "common/tls_refusals.h"

int main(int argc, char** argv) {
  picket::require_tls13();
  picket::set_up_log("warning", picket::LogFormat::text);
  static picket::RefusalCounts refusals;  // takes gRPC's own log off the terminal
  picket::count_refusals(refusals);

  CLI::App app{"picketctl: alerts, workspaces and nodes of Picket collectors; rules"};
  picket::Session session;
  app.add_option("--context", session.context_file,
                 "Which collector, or one for each region, and who you are (YAML)")
      ->envname("PICKET_CONTEXT");
  app.add_option("--region", session.regions,
                 "Only these regions of the context, as in eu,us; without it all that it has. A "
                 "change goes to one only")
      ->delimiter(',')
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("NAME");
  app.add_option_function<std::string>(
         "-o,--output", [&](const std::string& format) { session.json = format == "json"; },
         "text, or json: one object per line")
      ->check(CLI::IsMember({"text", "json"}));
  app.set_version_flag("--version", picket::kCollectorVersion);
  app.require_subcommand(1);
  app.footer(
      "Exit codes:\n"
      "  0  ok\n"
      "  1  failure\n"
      "  2  usage; also a context, certificate or key that is missing, expired or unfit\n"
      "  3  validation found errors\n"
      "  4  cannot connect; also when the collector does not trust your certificate, because it "
      "hangs up without a word\n"
      "  5  denied\n"
      "Of several regions, that of the first that failed; what the others answered was printed.");
  picket::add_alert_commands(app, session);
  picket::add_workspace_commands(app, session);
  picket::add_agent_commands(app, session);
  picket::add_fleet_commands(app, session);
  picket::add_audit_commands(app, session);
  picket::add_rules_commands(app, session.json, session.exit_code);
  picket::add_policy_commands(app, session);
  picket::add_waiver_commands(app, session);
  picket::add_doctor_command(app, session);
  picket::add_bugtool_command(app, session);
  CLI::App* version = app.add_subcommand("version", "The version of picketctl");
  version->fallthrough()->callback([&] {
    if (session.json) {
      std::cout << picket::json_line({{"version", picket::kCollectorVersion}}) << '\n';
    } else {
      std::cout << picket::kCollectorVersion << '\n';
    }
  });
  picket::add_reference_commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? picket::kExitOk : picket::kExitUsage;
  }
  return session.exit_code;
}
