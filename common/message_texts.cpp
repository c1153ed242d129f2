#include "common/message_texts.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <vector>

namespace picket {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void rewrite_singular(Message& message, const Reflection& reflection, const FieldDescriptor& field,
                      const RewriteText& rewrite) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    rewrite_texts(*reflection.MutableMessage(&message, &field), rewrite);
  } else if (field.type() == FieldDescriptor::TYPE_STRING) {
    std::string scratch;
    auto changed = rewrite(reflection.GetStringReference(message, &field, &scratch));
    if (changed) reflection.SetString(&message, &field, *std::move(changed));
  }
}

void rewrite_repeated(Message& message, const Reflection& reflection, const FieldDescriptor& field,
                      const RewriteText& rewrite) {
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {  // an entry of a map as well
      rewrite_texts(*reflection.MutableRepeatedMessage(&message, &field, i), rewrite);
    } else if (field.type() == FieldDescriptor::TYPE_STRING) {
      std::string scratch;
      auto changed = rewrite(reflection.GetRepeatedStringReference(message, &field, i, &scratch));
      if (changed) reflection.SetRepeatedString(&message, &field, i, *std::move(changed));
    }
  }
}

}  // namespace

void rewrite_texts(Message& message, const RewriteText& rewrite) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) {
      rewrite_repeated(message, reflection, *field, rewrite);
    } else {
      rewrite_singular(message, reflection, *field, rewrite);
    }
  }
}

}  // namespace picket
