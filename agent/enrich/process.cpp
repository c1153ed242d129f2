#include "agent/enrich/process.h"

#include <algorithm>

namespace picket {

std::string Process::cmdline() const {
  std::string line(argv.view());
  if (line.ends_with('\0')) line.pop_back();
  std::ranges::replace(line, '\0', ' ');
  return line;
}

}  // namespace picket
