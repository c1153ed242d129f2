// Writes the first inputs of recording_fuzz: an empty recording, and one with a record of each type
// and identities.
#include <cstdio>

#include "agent/enrich/identity_json.h"
#include "agent/sensor/recording.h"
#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: recording_fuzz_seeds DIRECTORY\n", stderr);
    return 2;
  }
  using namespace picket;
  const std::filesystem::path directory = argv[1];
  const auto empty =
      RecordingWriter::create(directory / "empty", {.wall_minus_boot_ns = 1, .kernel = "6.1.0"});
  const auto full =
      RecordingWriter::create(directory / "full", {.wall_minus_boot_ns = 1, .kernel = "6.1.0"});
  if (!empty.ok() || !full.ok()) return 1;
  Workspace workspace;
  workspace.id = workspace.name = workspace.image = "workspace";
  workspace.labels["owner"] = "ann";
  (*full)->on_identity(identity_to_json(7, workspace));
  for (const EventRow& row : event_rows()) (*full)->on_record(seed_record(row));
  (*full)->on_identity(identity_to_json(8, absl::NotFoundError("gone")));
  return (*empty)->close().ok() && (*full)->close().ok() ? 0 : 1;
}
