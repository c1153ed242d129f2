// Texts that somebody else chose, on their way to a terminal or a log: control characters become
// their codes, so that they neither move the cursor nor begin a line of their own. Pure, any
// thread; nothing fails.
#pragma once

#include <string>
#include <string_view>

namespace picket {

std::string printable(std::string_view text);
// The same for one line of JSON, whose own escapes stop short of DEL and U+0080..9F.
std::string printable_json(std::string line);

}  // namespace picket
