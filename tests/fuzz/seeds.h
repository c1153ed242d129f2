// Records with every field set, for the corpora of fuzz targets. Used by the programs that write
// seeds. Errors: a field that cannot be set ends the program, for it would be a hole in the corpus.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "agent/event/record_builder.h"

namespace picket {

inline std::string seed_text(const FieldRow& field) {
  if (!field.layout.words.empty()) return std::string(field.layout.words.back().word);
  switch (field.type) {
    case FieldType::boolean:
      return "true";
    case FieldType::number:
      return "2";
    case FieldType::ip:
      return field.name.starts_with("local") ? "10.0.0.1" : "2001:db8::1";
    case FieldType::list:
      return "bash -c id";
    case FieldType::text:
      return "/usr/bin/bash";
  }
  return {};
}

inline std::vector<std::byte> seed_record(const EventRow& row) {
  RecordBuilder builder(row.type);
  for (const FieldRow& field : row.fields) {
    if (!builder.set_text(field.name, seed_text(field)).ok()) std::abort();
  }
  return builder.bytes();
}

inline void write_seed(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) std::abort();
}

}  // namespace picket
