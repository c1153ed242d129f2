// Whether a program is a dynamic loader, which runs what it is given: by its name, or by what an
// ELF file says of itself. Pure functions but for reading; any thread. Errors: what cannot be read,
// or is no such file, is none.
#pragma once

#include <string_view>

namespace picket {

bool is_loader_name(std::string_view path);
// `fd` is open for reading. A loader can be run and asks for no other loader, as a static program
// does, but it is a library: with a name to be linked by, or at least not marked as a program.
bool is_loader_file(int fd);

}  // namespace picket
