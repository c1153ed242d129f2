#include "agent/detect/rule/field.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "absl/container/flat_hash_map.h"
#include "agent/detect/rule/nearest_name.h"
#include "agent/detect/rule/transform.h"

namespace picket::rule {
namespace {

constexpr std::string_view kEventPrefix = "event.";
constexpr size_t kIndexMax = 64;

std::span<const std::span<const Field>> groups() {
  static const std::array kGroups{place_fields(),   owner_fields(),      session_fields(),
                                  process_fields(), descriptor_fields(), network_fields(),
                                  file_fields(),    file_class_fields(), call_fields(),
                                  message_fields(), system_fields(),     target_fields(),
                                  absent_fields(),  resource_fields(),   sequence_fields(),
                                  source_fields(),  package_fields()};
  return kGroups;
}

// The first of a name has it.
const Field* find_field(std::string_view name) {
  static const auto kFields = [] {
    absl::flat_hash_map<std::string_view, const Field*> fields;
    for (const auto group : groups())
      for (const Field& field : group) fields.try_emplace(field.name, &field);
    return fields;
  }();
  const auto found = kFields.find(name);
  return found != kFields.end() ? found->second : nullptr;
}

bool takes_key(const Field& field) {
  return field.argument == Argument::key || field.argument == Argument::key_or_none ||
         field.argument == Argument::anything;
}

std::string unknown_field(std::string_view name, bool suggest) {
  NearestName nearest(name);
  for (const auto group : groups())
    if (suggest)
      std::ranges::for_each(group, [&](const Field& field) { nearest.consider(field.name); });
  if (nearest.name().empty()) {
    return fmt::format("unknown field '{}'; 'picketctl rules fields' lists those that exist", name);
  }
  return fmt::format("unknown field '{}'; did you mean '{}'?", name, nearest.name());
}

// event.NAME: whatever event has a field of that name in its schema; event.EVENT.NAME: of this
// event only. Where two events disagree on the type of a name, the first one has it, and the
// other's is reached with the event's name.
std::variant<FieldReference, std::string> resolve_event_field(std::string_view name) {
  FieldReference reference;
  reference.text = name;
  reference.events = 0;
  std::string_view field = name.substr(kEventPrefix.size());
  const EventRow* only = event_row(field.substr(0, field.find('.')));
  if (only != nullptr && field.size() > only->name.size()) {
    field.remove_prefix(only->name.size() + 1);
  } else {
    only = nullptr;
  }
  for (const EventRow& event : event_rows()) {
    const FieldRow* row = field_row(event, field);
    if (row == nullptr || (only != nullptr && only != &event)) continue;
    if (reference.events == 0) reference.type = row->type;
    if (row->type != reference.type) continue;
    reference.rows[event.type] = row;
    reference.events |= mask_of(event.type);
  }
  if (reference.events == 0) {
    return fmt::format("unknown field '{}'; no event has a field '{}'", name, field);
  }
  if (reference.type == FieldType::list) reference.values = Values::list;
  return reference;
}

std::string argument_form(const Field& field) {
  switch (field.argument) {
    case Argument::none:
    case Argument::anything:
      return std::string(field.name);
    case Argument::key:
    case Argument::key_or_none:
      return fmt::format("{}[KEY]", field.name);
    case Argument::index:
    case Argument::index_or_none:
      return fmt::format("{}[N]", field.name);
  }
  return std::string(field.name);
}

}  // namespace

std::variant<FieldReference, std::string> resolve_field(const Operand& operand, bool suggest) {
  auto resolved = resolve_field(operand.field, operand.argument, suggest);
  if (auto* reference = std::get_if<FieldReference>(&resolved)) {
    std::string wrong = add_transforms(*reference, operand.transforms);
    if (!wrong.empty()) return wrong;
  }
  return resolved;
}

std::variant<FieldReference, std::string> resolve_field(std::string_view name,
                                                        const std::optional<std::string>& argument,
                                                        bool suggest) {
  if (name.starts_with(kEventPrefix)) {
    if (argument.has_value()) return fmt::format("'{}' takes no argument in brackets", name);
    return resolve_event_field(name);
  }
  const Field* field = find_field(name);
  if (field == nullptr && !argument.has_value()) {
    // container.label.KEY is an older spelling of container.label[KEY].
    for (size_t dot = name.rfind('.'); field == nullptr && dot != name.npos && dot > 0;
         dot = name.rfind('.', dot - 1)) {
      const Field* with_key = find_field(name.substr(0, dot));
      if (with_key != nullptr && takes_key(*with_key) && with_key->name != "evt.arg") {
        return resolve_field(name.substr(0, dot), std::string(name.substr(dot + 1)));
      }
    }
  }
  if (field == nullptr) return unknown_field(name, suggest);
  FieldReference reference;
  reference.field = field;
  reference.text =
      argument.has_value() ? fmt::format("{}[{}]", name, *argument) : std::string(name);
  reference.type = field->type;
  reference.values = field->values;
  reference.events = field->events;
  // A star stands for every index, as no argument does.
  const bool every = field->argument == Argument::index_or_none && argument == "*";
  reference.has_argument = argument.has_value() && !every;
  if (every) reference.text = name;
  if (!reference.has_argument) {
    const bool needed = field->argument == Argument::index || field->argument == Argument::key;
    if (!needed) return reference;
    return fmt::format("'{}' needs an argument in brackets: {}", name, argument_form(*field));
  }
  if (field->argument == Argument::none) {
    return fmt::format("'{}' takes no argument in brackets", name);
  }
  if (takes_key(*field)) {
    reference.key = *argument;
    return reference;
  }
  const char* const end = argument->data() + argument->size();
  const auto [stop, error] = std::from_chars(argument->data(), end, reference.index);
  if (error != std::errc() || stop != end || reference.index > kIndexMax) {
    return fmt::format("'{}' takes a number from 0 to {} in brackets, not '{}'", name, kIndexMax,
                       *argument);
  }
  reference.values = Values::one;
  return reference;
}

void FieldReference::read(const Observation& observation, const Moment& moment,
                          FieldResult& result) const {
  result.clear();
  if (field == nullptr) {
    read_row(observation.event, result);
  } else if (field->read != nullptr) {
    field->read({observation, *this, moment}, result);
  }
  if (!transforms.empty()) apply_transforms(transforms, counts, result);
}

void FieldReference::read_row(const Event& event, FieldResult& result) const {
  const FieldRow* row = rows[event.type()];
  if (row == nullptr) return;
  const FieldValue value = row->read(event);
  if (std::holds_alternative<std::monostate>(value)) return;
  const auto* list = std::get_if<NulList>(&value);
  if (list == nullptr) {
    result.add(value);
    return;
  }
  std::string_view rest = list->bytes;
  while (!rest.empty()) result.add(NulList::take(rest));
}

std::vector<FieldDoc> field_docs() {
  std::vector<FieldDoc> docs;
  for (const auto group : groups()) {
    for (const Field& field : group) {
      FieldDoc doc{
          argument_form(field), field.type, std::string(field.doc), {}, std::string(field.gap)};
      if (field.events != kAllEvents && field.gap.empty()) {
        for (const EventRow& event : event_rows()) {
          if (field.events & mask_of(event.type)) doc.events.emplace_back(event.name);
        }
      }
      docs.push_back(std::move(doc));
    }
  }
  for (const EventRow& event : event_rows()) {
    for (const FieldRow& row : event.fields) {
      std::string name = fmt::format("{}{}", kEventPrefix, row.name);
      auto known = std::ranges::find(docs, name, &FieldDoc::name);
      if (known != docs.end() && known->type != row.type) {
        name = fmt::format("{}{}.{}", kEventPrefix, event.name, row.name);
        known = docs.end();
      }
      if (known != docs.end()) {
        known->events.emplace_back(event.name);
      } else {
        docs.push_back(
            {std::move(name), row.type, std::string(row.doc), {std::string(event.name)}, {}});
      }
    }
  }
  return docs;
}

}  // namespace picket::rule
