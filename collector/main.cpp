// picket-collector: takes in what the agents send, keeps it, answers operators.
#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "collector/app/collector.h"
#include "collector/app/open_store.h"
#include "collector/app/seccomp_text.h"
#include "collector/app/version.h"
#include "common/confinement.h"
#include "common/tls.h"

namespace {

enum Exit { kOk = 0, kFailure = 1, kUsage = 2, kInvalid = 3 };

int fail(const absl::Status& status, Exit code) {
  std::cerr << "picket-collector: " << std::string(status.message()) << '\n';
  return code;
}

int check(const picket::CollectorConfig& config, const std::string& file) {
  if (absl::Status status = picket::check_files(config.tls); !status.ok()) {
    return fail(status, kInvalid);
  }
  for (const picket::OutputConfig& output : config.outputs)
    if (absl::Status status = picket::check_output(output); !status.ok())
      return fail(status, kInvalid);
  std::cout << file << ": ok\n";
  return kOk;
}

int check_audit(const picket::CollectorConfig& config) {
  auto signer = picket::AuditSigner::open(config.audit_key, false);
  if (!signer.ok()) return fail(signer.status(), kFailure);
  auto key = picket::AuditKey::parse(signer->public_key());
  if (!key.ok()) return fail(key.status(), kFailure);
  const auto reader = picket::open_store_reader(config);
  if (!reader.ok()) return fail(reader.status(), kFailure);
  const auto entries = picket::verify_audit(**reader, *std::move(key));
  if (!entries.ok()) return fail(entries.status(), kInvalid);
  std::cout << "audit log: " << *entries << " entries, the chain holds\n";
  return kOk;
}

// Until a signal asks for the end. They are blocked in every thread, so that only this one hears
// them.
int serve(const picket::CollectorConfig& config) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  picket::set_up_log(config.log_level, config.log_format);
  static picket::RefusalCounts refused_peers;  // gRPC's threads may log until the process ends
  picket::count_refusals(refused_peers);
  const picket::SystemClock clock;
  picket::Collector collector(config, clock, refused_peers);
  if (absl::Status status = collector.start(); !status.ok()) return fail(status, kFailure);
  if (absl::Status status = picket::confine(picket::kCollectorProfile); !status.ok())
    return fail(status, kFailure);
  int received = 0;
  sigwait(&signals, &received);
  spdlog::info("signal {}: stopping", received);
  collector.stop();
  return kOk;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"picket-collector: stores what agents report and answers operators"};
  std::string file = "/etc/picket/collector.yaml";
  bool validate = false, verify = false;
  app.add_option("--config", file, "Configuration file")->capture_default_str();
  app.add_flag("--validate", validate, "Check the configuration and its certificates, and end");
  app.add_flag("--verify-audit", verify,
               "Check the audit log's hash chain and signatures, and end");
  app.set_version_flag("--version", picket::kCollectorVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  picket::require_tls13();
  const auto config = picket::load_collector_config(file);
  if (!config.ok()) return fail(config.status(), kInvalid);
  if (validate) return check(*config, file);
  if (verify) return check_audit(*config);
  return serve(*config);
}
