// picketd: watches every container of this node.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <thread>

#include "agent/app/agent.h"
#include "agent/app/coverage_report.h"
#include "agent/app/doctor.h"
#include "agent/app/seccomp_profile.h"
#include "agent/app/seccomp_text.h"
#include "agent/app/version.h"
#include "agent/detect/rule/rule_set.h"
#include "common/confinement.h"
#include "common/log.h"
#include "common/tls.h"
#include "common/tls_refusals.h"

namespace {

enum Exit { kOk = 0, kFailure = 1, kUsage = 2, kInvalid = 3 };

int fail(const absl::Status& status, Exit exit_code) {
  std::cerr << "picketd: " << std::string(status.message()) << '\n';
  return exit_code;
}

// Whoever tries the agent by itself needs no file, unless he names one.
absl::StatusOr<picket::AgentConfig> read_config(const std::string& file, bool alone, bool named) {
  auto config = picket::load_config(file, alone);
  if (config.ok() || !alone || named || !absl::IsNotFound(config.status())) return config;
  picket::AgentConfig usual;
  usual.rules = {picket::usual_rules()};
  return usual;
}

// Signals are waited for on a thread of their own; every other thread has them blocked.
sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

void wait_for_signals(picket::Agent& agent, const std::atomic<bool>& done) {
  const sigset_t set = handled_signals();
  while (!done) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0 || done) continue;
    if (signal == SIGHUP) {
      agent.reload_rules();
    } else if (signal != SIGUSR1) {  // USR1 only ends this wait
      agent.stop();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "picketd: watches the containers of this node and streams its detections to the collector"};
  std::string config_file = "/etc/picket/picketd.yaml";
  picket::AgentMode mode;
  std::vector<std::filesystem::path> rules;
  std::filesystem::path seccomp;
  bool validate = false, coverage = false, doctor = false;
  app.add_option("--config", config_file, "Configuration file")->capture_default_str();
  app.add_flag("--standalone", mode.standalone,
               "Print findings as JSON lines; no collector, no responses. Without a configuration "
               "file, the rules are ./rules, or the installed ones");
  app.add_option("--rules", rules, "Rule files or folders, instead of the configuration's");
  app.add_option("--record", mode.recording, "Keep every record in this .pkr file");
  app.add_flag("--coverage", coverage,
               "Print as JSON what this kernel lets the agent see, and end. The same files as with "
               "--standalone");
  app.add_flag("--doctor", doctor,
               "Print what this node can and cannot do, and why, as lines of JSON, and end; "
               "`picketctl doctor` puts them in words");
  app.add_flag("--validate", validate, "Check the configuration and end");
  app.add_option(
      "--write-seccomp", seccomp,
      "Write the seccomp profile for the agent's own container into this folder, and end");
  app.set_version_flag("--version", picket::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }

  if (!seccomp.empty()) {
    const auto written = picket::write_seccomp_profile(seccomp);
    if (!written.ok()) return fail(written.status(), kFailure);
    std::cout << written->string() << '\n';
    return kOk;
  }
  picket::require_tls13();
  if (doctor) {
    picket::set_up_log("error", picket::LogFormat::text);  // standard output is the report's
    std::cout << picket::doctor_report(config_file) << std::flush;
    return kOk;
  }
  const bool alone = mode.standalone || coverage;
  auto config = read_config(config_file, alone, app.count("--config") != 0);
  if (!config.ok()) return fail(config.status(), kInvalid);
  if (!rules.empty()) config->rules = std::move(rules);
  if (validate) {
    std::cout << config_file << ": ok\n";
    return kOk;
  }
  // Standard output belongs to the findings of --standalone.
  picket::set_up_log(config->log_level, config->log_format);
  if (coverage) {
    const auto report = picket::coverage_report(*config);
    if (!report.ok()) return fail(report.status(), kFailure);
    std::cout << *report << '\n';
    return kOk;
  }
  static picket::RefusalCounts refusals;  // gRPC's threads may log until the process ends
  picket::count_refusals(refusals);

  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  picket::Agent agent(*std::move(config), std::move(mode), refusals);
  if (const absl::Status status = agent.start(); !status.ok()) return fail(status, kFailure);
  if (const absl::Status status = picket::confine(picket::kSeccompProfile); !status.ok())
    return fail(status, kFailure);
  std::atomic<bool> done = false;
  std::thread waiter([&] { wait_for_signals(agent, done); });
  const absl::Status status = agent.run();
  done = true;
  pthread_kill(waiter.native_handle(), SIGUSR1);
  waiter.join();
  return status.ok() ? kOk : fail(status, kFailure);
}
