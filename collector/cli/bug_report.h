// What `picketctl bugtool` gathers of a machine: texts that help to find a fault, each without its
// secrets. Keys and certificates, alerts and spooled events are never read. Main's thread. Nothing
// fails: what could not be had says why in its own place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/cli/program.h"

namespace picket {

struct BugFile {
  std::string name;  // in the archive: "agent/metrics"
  std::string text;
};

struct BugSources {                                   // every door to the system is an argument
  std::filesystem::path root = "/";                   // of the files
  std::string picketd = "picketd";                    // its program
  uint16_t agent_port = 9470, collector_port = 7421;  // of their HTTP, on this machine
  std::function<absl::StatusOr<ProgramOutput>(const std::vector<std::string>&)> run;
  std::function<absl::StatusOr<std::string>(uint16_t port, const std::string& path)> get;
};

// In the order of their names; secrets are masked.
std::vector<BugFile> gather(const BugSources& sources);
// A text as it may leave the machine.
BugFile redacted(BugFile file);

// Makes `archive`, readable by its owner only, of the files below one folder `name`.
absl::Status pack(const std::vector<BugFile>& files, const std::string& name,
                  const std::filesystem::path& archive);

// What http://127.0.0.1:PORT/PATH answers, whatever its status.
absl::StatusOr<std::string> get_local(uint16_t port, const std::string& path);

}  // namespace picket
