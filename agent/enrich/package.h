// The package for whose sake a process runs while it is installed or built, and how a definition of
// a package manager says which of the programs that it starts are such. Values; any thread. Errors:
// PackageMark::compile() answers with what is wrong with a pattern; whatever else is not known is
// no package.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/enrich/process_key.h"
#include "agent/enrich/shared_text.h"

namespace re2 {
class RE2;
}

namespace picket {

struct Process;

struct Package {
  SharedText manager;  // the name of its definition: npm, pip, ...
  SharedText name;
  SharedText project;  // working folder of the manager
  SharedText folder;   // working folder of the script, when it began
  ProcessKey script;   // its first process: what several installs at once differ by
};
using PackagePtr = std::shared_ptr<const Package>;  // nullptr: it runs for none

// Patterns of RE2 over the whole text; an empty one is not asked. The first group of folder, else
// of program, is the package's name; without one the last component of the working folder is.
struct PackagePattern {
  std::string command = {};    // one of the manager's own arguments
  std::string folder = {};     // working folder of what the manager starts
  std::string program = {};    // its executable
  std::string arguments = {};  // its arguments, joined by blanks
};

class PackageMark {
 public:
  static absl::StatusOr<PackageMark> compile(const PackagePattern& pattern);

  // Of a program that `manager` itself has started; nullopt: it is none of a package.
  std::optional<std::string> name_of(const Process& process, const Process& manager) const;

 private:
  using Pattern = std::shared_ptr<const re2::RE2>;
  Pattern command_, folder_, program_, arguments_;
};

}  // namespace picket
