// What a value that is allowed was hardly meant to be, because nothing ever is so: `fd.rport =
// 70000`, `tolower(proc.name) = CURL`. It need not find all of them. Pure; any thread; nothing
// fails.
#pragma once

#include <string>
#include <string_view>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/field.h"

namespace picket::rule {

// Of a value that check_value() takes; a sentence, or empty.
std::string doubt_about(const FieldReference& field, Operator op, std::string_view value);

}  // namespace picket::rule
