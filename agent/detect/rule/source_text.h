// A scalar of a rule file together with where it was written, so that an error inside a condition
// that spans several lines names the line and column a person sees. Plain values; the loader's
// thread owns them and drops them when the set is compiled. Errors: none; text that cannot be
// traced back (an unusual YAML escape) is reported at the scalar's first character.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace picket::rule {

// From 1; columns count bytes.
struct Position {
  int line = 0;
  int column = 0;
};

// A rule file as it was read.
struct SourceFile {
  std::string name;  // as it appears in messages
  std::string text;
};

struct SourceText {
  std::string value;  // what YAML made of it
  std::shared_ptr<const SourceFile> file;
  Position start;  // of the scalar, its quote or block indicator included

  // Where the byte `offset` of `value` stands in the file.
  Position at(size_t offset) const;
};

}  // namespace picket::rule
