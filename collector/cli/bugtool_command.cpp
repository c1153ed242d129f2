#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "collector/app/version.h"
#include "collector/cli/bug_report.h"
#include "collector/cli/node_commands.h"
#include "collector/cli/objects.h"
#include "common/alert_json.h"

namespace picket {
namespace {

constexpr std::chrono::minutes kPatience{2};

struct Options {
  std::string picketd = usual_picketd(), archive;
  uint16_t agent_port = BugSources().agent_port, collector_port = BugSources().collector_port;
};

std::string default_name() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  const std::time_t now = std::time(nullptr);
  std::array<char, 32> time{};
  std::tm utc{};
  std::strftime(time.data(), time.size(), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
  return fmt::format("picket-bugtool-{}-{}", host.data(), time.data());
}

// What a collector knows of all its nodes.
void add_fleet(const CliContext& context, std::vector<BugFile>& files) {
  const std::string folder = context.region.empty() ? "fleet/" : "fleet/" + context.region + "/";
  Client client(context);
  const auto status = client.status();
  files.push_back({folder + "status", status.ok() ? json_line(status_object(*status)) + '\n'
                                                  : std::string(status.status().message())});
  if (!status.ok()) return;
  const auto nodes = client.nodes();
  std::string lines;
  if (nodes.ok())
    for (const v1::Node& node : nodes->nodes()) lines += json_line(node_object(node)) + '\n';
  files.push_back({folder + "nodes", nodes.ok() ? lines : std::string(nodes.status().message())});
}

// If there is a context for it.
std::vector<BugFile> fleet(const Session& session) {
  if (session.context_file.empty()) return {};
  const auto contexts = session.contexts();
  if (!contexts.ok()) return {{"fleet/status", std::string(contexts.status().message())}};
  std::vector<BugFile> files;
  for (const CliContext& context : *contexts) add_fleet(context, files);
  return files;
}

void run(const Options& options, Session& session) {
  const std::string name = default_name();
  const std::string archive = options.archive.empty() ? name + ".tar.gz" : options.archive;
  BugSources sources;
  sources.picketd = options.picketd;
  sources.agent_port = options.agent_port;
  sources.collector_port = options.collector_port;
  sources.run = [](const std::vector<std::string>& argv) { return run_program(argv, kPatience); };
  sources.get = get_local;
  std::vector<BugFile> files = gather(sources);
  for (BugFile& file : fleet(session)) files.push_back(redacted(std::move(file)));
  files.push_back({"picketctl", std::string(kCollectorVersion) + '\n'});
  if (absl::Status status = pack(files, name, archive); !status.ok())
    return session.fail(kExitFailure, std::string(status.message()));
  if (session.json) {
    std::cout << json_line({{"archive", archive}, {"files", files.size()}}) << '\n';
  } else {
    std::cout << fmt::format(
        "{}: {} files, secrets masked where their name or shape tells them. It names this machine, "
        "its processes and its mounts: read it before you send it\n",
        archive, files.size());
  }
}

}  // namespace

void add_bugtool_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  CLI::App* bugtool = app.add_subcommand(
      "bugtool",
      "Gather what helps to find a fault of this machine's agent or collector into one "
      "archive, secrets masked (root)");
  bugtool->add_option("--file", options->archive, "The archive; by default named by host and time");
  bugtool->add_option("--picketd", options->picketd, "The agent's program")->capture_default_str();
  bugtool->add_option("--agent-port", options->agent_port, "Of the agent's HTTP")
      ->capture_default_str();
  bugtool->add_option("--collector-port", options->collector_port, "Of the collector's HTTP")
      ->capture_default_str();
  bugtool->fallthrough()->callback([options, &session] { run(*options, session); });
}

}  // namespace picket
