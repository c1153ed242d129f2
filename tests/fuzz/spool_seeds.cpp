// Writes the first inputs of spool_fuzz: a small spool, a log, patches and envelopes.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/spool/spool.h"
#include "picket/v1/agent.pb.h"
#include "tests/fuzz/spool_input.h"

namespace {

namespace input = picket::spool_input;

void write(const std::filesystem::path& file, char kind, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary);
  out << kind << bytes;
  if (!out.flush()) std::abort();
}

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_spools(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "spool.db";
  {
    auto spool = picket::Spool::open(file, {});
    std::vector<picket::SpoolItem> items{{0, 1, "one"}, {0, 8, std::string(5000, '2')}};
    if (!spool.ok() || !(*spool)->append(items).ok()) std::abort();
    // Not closed yet: what was appended is in the log.
    write(directory / "log", input::kLog, read(file.string() + "-wal"));
  }
  write(directory / "file", input::kFile, read(file));
  std::filesystem::remove(file);
}

std::string envelope(bool alert) {
  picket::v1::Envelope envelope;
  envelope.set_sequence(7);
  if (alert) {
    envelope.mutable_alert()->set_id("1");
    envelope.mutable_alert()->mutable_process()->set_cmdline("sh -c \xff\xfe");
    (*envelope.mutable_alert()->mutable_fields())["name"] = "value";
    envelope.mutable_alert()->add_lineage()->set_exe("/usr/bin/bash");
  } else {
    envelope.mutable_coverage()->add_lines()->set_hook("tp_btf/sched_process_exec");
  }
  return envelope.SerializePartialAsString();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: spool_fuzz_seeds DIRECTORY\n", stderr);
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  write_spools(directory);
  write(directory / "patches", input::kPatches,
        std::string("\x64\x00\x0d\x00\x10\xff\x10\x20\x01", 9));
  write(directory / "alert", input::kEnvelope, envelope(true));
  write(directory / "coverage", input::kEnvelope, envelope(false));
  return 0;
}
