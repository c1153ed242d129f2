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
absl::StatusOr<std::string> check_collector(const CliContext& context) {
  if (absl::Status status = check_files(context.tls); !status.ok()) return status;
  const auto status = Client(context).status();
  if (!status.ok()) return status.status();
  return fmt::format("{} answers, version {}, {} of {} nodes connected", context.collector,
                     status->version(), status->nodes_connected(), status->nodes());
}

void add_collectors(const Session& session, std::vector<DoctorLine>& lines) {
  if (session.context_file.empty()) return;
  const auto contexts = session.contexts();
  if (!contexts.ok())
    return lines.push_back({"collector", "failed", std::string(contexts.status().message())});
  for (const CliContext& context : *contexts) {
    const auto words = check_collector(context);
    const std::string region = context.region.empty() ? "" : context.region + ": ";
    lines.push_back({"collector", words.ok() ? "ok" : "failed",
                     region + (words.ok() ? *words : std::string(words.status().message()))});
  }
}

void run(const Options& options, Session& session) {
  auto lines = examine(options);
  if (!lines.ok()) return session.fail(kExitFailure, std::string(lines.status().message()));
  add_collectors(session, *lines);
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
