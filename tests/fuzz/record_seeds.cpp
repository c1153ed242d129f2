// Writes the first inputs of record_fuzz: a record of each type with all its fields set, and
// streams of them.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: record_fuzz_seeds DIRECTORY\n", stderr);
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  std::vector<std::byte> stream;
  for (const picket::EventRow& row : picket::event_rows()) {
    const std::vector<std::byte> record = picket::seed_record(row);
    if (!picket::Event::parse(record)) return 1;
    picket::write_seed(directory / std::string(row.name), record);
    stream.insert(stream.end(), record.begin(), record.end());
    while (stream.size() % 8 != 0) stream.push_back(std::byte{0});
  }
  picket::write_seed(directory / "stream", stream);
  return 0;
}
