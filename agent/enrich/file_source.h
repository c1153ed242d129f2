// Where the bytes of a file come from, as far as its writing was seen. A value that copies share;
// any thread. Nothing fails.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/enrich/driver.h"
#include "agent/enrich/shared_text.h"

namespace picket {

enum class FileOrigin : uint8_t {
  unknown,    // written before the agent looked, or forgotten
  image,      // shipped with the image
  built,      // by a compiler or build tool itself, or copied from what one wrote
  installed,  // the same of a package manager
  fetched,    // by somebody with a connection outward, or unpacked or copied from such a file
  written,    // by anybody else
  kEnd
};
std::string_view to_string(FileOrigin origin);

// Who wrote a file last.
struct FileSource {
  FileOrigin origin = FileOrigin::unknown;
  SharedText exe;   // of the writer
  SharedText argv;  // each argument ended by NUL
  Driver driver;
  // Of a file that was copied, unpacked or decoded from another: where that came from.
  std::shared_ptr<const FileSource> from;
};
using FileSourcePtr = std::shared_ptr<const FileSource>;  // nullptr: nothing was seen

}  // namespace picket
