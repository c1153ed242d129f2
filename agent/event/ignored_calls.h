// The system calls that Picket leaves alone, and why: each by the name that programs know it by.
// What is listed here was looked at and found to tell nothing that another event does not tell.
// Stateless; any thread; nothing fails.
#pragma once

#include <string_view>

namespace picket {

// Why a call is ignored on purpose; empty: it is not.
std::string_view why_ignored(std::string_view call);

}  // namespace picket
