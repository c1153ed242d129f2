// A scalar of a rule file together with where it was written, so that an error inside a condition
// that spans several lines names the line and column a person sees. Plain values; the loader's
// thread owns them and drops them when the set is compiled. Errors: none; text that cannot be
// traced back (an unusual YAML escape) is reported at the scalar's first character.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

struct Place {
  std::shared_ptr<const SourceFile> file;
  Position position;
};

struct SourceText {
  std::string value;  // what YAML made of it
  std::shared_ptr<const SourceFile> file;
  Position start;                         // of the scalar, its quote or block indicator included
  std::vector<SourceText> appended = {};  // what `value` goes on with, each behind a blank

  void append(SourceText more);

  // Where the byte `offset` of `value` stands.
  Place at(size_t offset) const;

 private:
  size_t own_size() const;
  Position own_position(size_t offset) const;
};

}  // namespace picket::rule
