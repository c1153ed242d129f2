// A comparison of two fields: proc.name = val(proc.pname). Pure; allocates nothing. Errors:
// check_fields() answers with a sentence for the rule's author.
#pragma once

#include <string>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/field.h"

namespace picket::rule {

// Whether the two can be compared at all; empty: yes.
std::string check_fields(const FieldReference& left, Operator op, const FieldReference& right);

// False when either has no value, whatever the operator.
bool match_fields(const FieldResult& left, Values left_values, Operator op,
                  const FieldResult& right);

}  // namespace picket::rule
