#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "collector/cli/doctor.h"
#include "collector/cli/node_commands.h"
#include "collector/cli/program.h"
#include "common/alert_json.h"

namespace picket {
namespace {

// Programs are loaded one by one, and events waited for.
constexpr std::chrono::minutes kPatience{2};

struct Options {
  std::string picketd = usual_picketd(), config = "/etc/picket/picketd.yaml";
};

absl::StatusOr<std::vector<DoctorLine>> examine(const Options& options) {
  const auto output =
      run_program({options.picketd, "--doctor", "--config", options.config}, kPatience);
  if (!output.ok()) return output.status();
  if (output->exit_code != 0)
    return absl::InternalError(fmt::format("{} --doctor ended with {}: {}", options.picketd,
                                           output->exit_code, output->err));
  return parse_doctor(output->out);
}

// As the operator who asks: not what the agent's own certificate is worth there.
DoctorLine check_collector(Session& session) {
  const auto context = load_context(session.context_file);
  if (!context.ok()) return {"collector", "failed", std::string(context.status().message())};
  if (absl::Status status = check_files(context->tls); !status.ok())
    return {"collector", "failed", std::string(status.message())};
  const auto status = Client(*context).status();
  if (!status.ok()) return {"collector", "failed", std::string(status.status().message())};
  return {"collector", "ok",
          fmt::format("{} answers, version {}, {} of {} nodes connected", context->collector,
                      status->version(), status->nodes_connected(), status->nodes())};
}

void run(const Options& options, Session& session) {
  auto lines = examine(options);
  if (!lines.ok()) return session.fail(kExitFailure, std::string(lines.status().message()));
  if (!session.context_file.empty()) lines->push_back(check_collector(session));
  for (const DoctorLine& line : *lines) {
    if (line.state == "failed") session.exit_code = kExitFailure;
    if (session.json)
      std::cout << json_line({{"check", line.check}, {"state", line.state}, {"words", line.words}})
                << '\n';
  }
  if (!session.json) std::cout << doctor_text(*std::move(lines));
}

}  // namespace

std::string usual_picketd() {
  const std::filesystem::path installed = "/usr/sbin/picketd";
  std::error_code error;
  if (std::filesystem::exists(installed, error)) return installed;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "picketd";
}

void add_doctor_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* doctor = app.add_subcommand(
      "doctor",
      "What this machine's agent can and cannot do, and why (root); exit code 1: "
      "something failed");
  doctor->add_option("--picketd", options->picketd, "The agent's program")->capture_default_str();
  doctor->add_option("--config", options->config, "The agent's configuration")
      ->capture_default_str();
  doctor->fallthrough()->callback([options, &session] { run(*options, session); });
}

}  // namespace picket
