// evt.arg.* and evt.args of system calls that say all by their arguments.
#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "agent/detect/rule/file_values.h"
#include "agent/event/system_call.h"

namespace picket::rule {
namespace {

constexpr std::string_view kArgument = "evt.arg.";

pk_call call_of(const Event& event) { return static_cast<pk_call>(event.header().call); }

void read_argument(const FieldRequest& request, FieldResult& result) {
  read_system_argument(request, result);
}

// A user is called by its name in the workspace, if it has one.
void put_name(const Names& users, std::string& text) {
  uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return;
  const auto found = users.find(id);
  if (found != users.end()) {
    text = found->second;
  } else if (id == 0) {
    text = "root";
  }
}

void read_arguments(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  const auto* call = event.as<pk_system>();
  if (call == nullptr) return;
  for (const CallArgument& argument : arguments_of(call_of(event))) {
    if (!result.text.empty()) result.text += ' ';
    result.text += argument.name;
    result.text += '=';
    append_argument(event, *call, argument, result.text);
  }
  if (!result.text.empty()) result.add(std::string_view(result.text));
}

Field of_system(Field field) {
  field.events = mask_of(PK_SYSTEM);
  return field;
}

// These name arguments of file calls too: fields_file.cpp has them.
bool is_shared(std::string_view name) {
  constexpr std::array kShared{"filename", "flags", "name", "path"};
  return std::ranges::count(kShared, name) != 0;
}

}  // namespace

bool read_system_argument(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  const auto* call = event.as<pk_system>();
  if (call == nullptr) return false;
  const std::string_view name = std::string_view(request.reference.text).substr(kArgument.size());
  const CallArgument* argument = argument_of(call_of(event), name);
  if (argument != nullptr) append_argument(event, *call, *argument, result.text);
  if (name == "uid") put_name(request.observation.workspace.users, result.text);
  if (!result.text.empty()) result.add(std::string_view(result.text));
  return true;
}

std::span<const Field> system_fields() {
  static const auto kFields = [] {
    // Names of fields are views: these live as long as the program.
    static std::vector<std::string> names;
    names.reserve(argument_names().size());
    std::vector<Field> fields;
    for (const std::string_view name : argument_names()) {
      if (is_shared(name)) continue;
      names.push_back(std::string(kArgument) + std::string(name));
      fields.push_back(of_system({names.back(), FieldType::text,
                                  "Argument of that name: flags, requests and users by their names",
                                  read_argument}));
    }
    fields.push_back(of_system(
        {"evt.args", FieldType::text, "All arguments as name=value, by blanks", read_arguments}));
    return fields;
  }();
  return kFields;
}

}  // namespace picket::rule
