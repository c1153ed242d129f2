// What loading rules found: errors and notes with file, line and column, in the words of a rule
// author. A plain value; built by the loader, read by whoever asked for the load. Appending never
// fails.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace picket {

struct Diagnostic {
  std::string file;
  int line = 0;         // from 1; 0: the file as a whole
  int column = 0;       // from 1, in bytes
  std::string message;  // what is wrong; what was expected

  std::string text() const;  // "file:line:column: message"
};

struct LoadReport {
  std::vector<Diagnostic> errors;  // any one of them keeps the whole set from becoming active
  std::vector<Diagnostic>
      notes;  // replaced definitions, rules that can never match, doubtful values
  size_t files = 0, rules = 0, macros = 0, lists = 0;

  std::string error_text() const;  // one line each
};

}  // namespace picket
