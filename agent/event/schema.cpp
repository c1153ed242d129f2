#include "agent/event/schema.h"

#include <arpa/inet.h>

#include <algorithm>

#include "agent/event/schemas.h"

namespace picket {

std::string_view to_string(FieldType type) {
  switch (type) {
    case FieldType::boolean:
      return "boolean";
    case FieldType::number:
      return "number";
    case FieldType::text:
      return "text";
    case FieldType::list:
      return "list";
    case FieldType::ip:
      return "ip";
  }
  return "unknown";
}

std::string to_text(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof text);
  return text;
}

namespace {

struct Printer {
  std::string operator()(std::monostate) const { return {}; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(std::string_view value) const { return std::string(value); }
  std::string operator()(const IpAddress& value) const { return to_text(value); }
  std::string operator()(NulList value) const {
    std::string text(value.bytes);
    if (text.ends_with('\0')) text.pop_back();
    std::replace(text.begin(), text.end(), '\0', ' ');
    return text;
  }
};

}  // namespace

std::string to_text(const FieldValue& value) { return std::visit(Printer{}, value); }

std::span<const EventRow> event_rows() { return schema::kEvents; }

const EventRow* event_row(pk_type type) {
  const size_t index = static_cast<size_t>(type) - 1;  // PK_NONE wraps to a large index
  return index < schema::kEvents.size() ? &schema::kEvents[index] : nullptr;
}

const EventRow* event_row(std::string_view name) {
  const auto row = std::ranges::find(schema::kEvents, name, &EventRow::name);
  return row == schema::kEvents.end() ? nullptr : &*row;
}

const FieldRow* field_row(const EventRow& event, std::string_view name) {
  const auto row = std::ranges::find(event.fields, name, &FieldRow::name);
  return row == event.fields.end() ? nullptr : &*row;
}

std::string_view fd_kind_name(uint8_t kind) {
  return schema::word_of(schema::kFdKinds, kind, "unknown");
}

std::string_view direction_name(uint8_t dir) {
  return schema::word_of(schema::kDirections, dir, "unknown");
}

std::string_view layer_name(uint8_t layer) {
  return schema::word_of(schema::kLayers, layer, "unknown");
}

}  // namespace picket
