// What transformers do to the values of a field. Pure; the working memory is the result itself, so
// that nothing is allocated once it has grown. Errors: a sentence for the rule's author where a
// transformer does not take the field's type.
#pragma once

#include <span>
#include <string>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/field.h"

namespace picket::rule {

// Makes `field` stand for its transformed value; empty: done.
std::string add_transforms(FieldReference& field, std::span<const Transform> transforms);

// Does them to the values that were read; `counts`: len() of a list, which counts its items.
void apply_transforms(std::span<const Transform> transforms, bool counts, FieldResult& result);

}  // namespace picket::rule
