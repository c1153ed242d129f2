#include "agent/event/json.h"

namespace picket {
namespace {

using nlohmann::ordered_json;

struct JsonMaker {
  ordered_json operator()(std::monostate) const { return nullptr; }
  ordered_json operator()(bool value) const { return value; }
  ordered_json operator()(int64_t value) const { return value; }
  ordered_json operator()(std::string_view value) const { return value; }
  ordered_json operator()(const IpAddress& value) const { return to_text(value); }
  ordered_json operator()(NulList value) const {
    ordered_json items = ordered_json::array();
    for (std::string_view rest = value.bytes; !rest.empty();) items.push_back(NulList::take(rest));
    return items;
  }
};

}  // namespace

ordered_json to_json(const FieldValue& value) { return std::visit(JsonMaker{}, value); }

ordered_json to_json(const Event& event) {
  const EventRow& row = *event_row(event.type());
  ordered_json object{{"event", row.name}};
  for (const FieldRow& field : row.fields) {
    const FieldValue value = field.read(event);
    if (!std::holds_alternative<std::monostate>(value)) object.emplace(field.name, to_json(value));
  }
  return object;
}

std::string to_json_line(const Event& event) {
  return to_json(event).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace picket
