// picketctl's manual page, written from its own command tree: the source that man(1) reads. Pure
// functions.
#pragma once

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace picket {

// `version` and `date` (2026-11-27) stand at its foot.
std::string manual_page(const CLI::App& program, std::string_view version, std::string_view date);

}  // namespace picket
