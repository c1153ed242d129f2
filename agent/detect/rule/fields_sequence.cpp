// sequence.*: what only the output of a sequence has.
#include "agent/detect/rule/field.h"

namespace picket::rule {

std::span<const Field> sequence_fields() {
  static const Field kFields[] = {
      {kSequenceCount, FieldType::number,
       "In the output of a sequence: how many events or distinct values its counting step came to, "
       "or "
       "what its values added up to",
       [](const FieldRequest&, FieldResult&) {}},
  };
  return kFields;
}

}  // namespace picket::rule
