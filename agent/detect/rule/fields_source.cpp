// proc.source.*, proc.tool: where what a process runs comes from (agent/enrich/file_sources.h).
#include "agent/detect/rule/field.h"

namespace picket::rule {
namespace {

FileOrigin origin_of(const Process& process) {
  if (process.source != nullptr) return process.source->origin;
  return process.layer == PK_LAYER_IMAGE && !process.runs_script ? FileOrigin::image
                                                                 : FileOrigin::unknown;
}

// Who brought it in, where it was copied or unpacked since.
const FileSource* beginning(const FieldRequest& request) {
  const FileSource* source = request.observation.process.source.get();
  return source != nullptr && source->from != nullptr ? source->from.get() : source;
}

void add_joined(std::string_view arguments, FieldResult& result) {
  while (!arguments.empty()) {
    if (!result.text.empty()) result.text += ' ';
    result.text += NulList::take(arguments);
  }
  result.add_present(result.text);
}

void read_origin(const FieldRequest& request, FieldResult& result) {
  result.add(to_string(origin_of(request.observation.process)));
}
std::string_view origin_word(size_t i) {
  return i < static_cast<size_t>(FileOrigin::kEnd) ? to_string(static_cast<FileOrigin>(i))
                                                   : std::string_view();
}

void read_writer(const FieldRequest& request, FieldResult& result) {
  if (const FileSource* source = request.observation.process.source.get())
    result.add_present(source->exe);
}

void read_exe(const FieldRequest& request, FieldResult& result) {
  if (const FileSource* source = beginning(request)) result.add_present(source->exe);
}

void read_cmdline(const FieldRequest& request, FieldResult& result) {
  if (const FileSource* source = beginning(request)) add_joined(source->argv, result);
}

void read_feeder(const FieldRequest& request, FieldResult& result) {
  if (const FileSource* feeder = request.observation.process.feeder.get())
    result.add_present(feeder->exe);
}

void read_feeder_cmdline(const FieldRequest& request, FieldResult& result) {
  const FileSource* feeder = request.observation.process.feeder.get();
  if (feeder != nullptr) add_joined(feeder->argv, result);
}

void read_feeder_connected(const FieldRequest& request, FieldResult& result) {
  if (const FileSource* feeder = request.observation.process.feeder.get())
    result.add(feeder->origin == FileOrigin::fetched);
}

void read_runs_script(const FieldRequest& request, FieldResult& result) {
  result.add(request.observation.process.runs_script);
}

void read_tool(const FieldRequest& request, FieldResult& result) {
  result.add(to_string(request.observation.process.tool));
}
std::string_view tool_word(size_t i) {
  return i < PK_DRIVER_END ? to_string(static_cast<Origin>(i)) : std::string_view();
}

void read_agent(const FieldRequest& request, FieldResult& result) {
  if (const FileSource* source = request.observation.process.source.get())
    result.add_present(source->driver.agent);
}

}  // namespace

std::span<const Field> source_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      {"proc.source", text,
       "Where its program, or the script that it runs, comes from: image built installed fetched "
       "written unknown",
       read_origin, Values::one, Argument::none, kAllEvents, origin_word},
      {"proc.source.writer", text, "Path of the executable that wrote it last", read_writer},
      {"proc.source.exepath", text,
       "Path of the executable that brought it in, before it was copied or unpacked", read_exe},
      {"proc.source.cmdline", text, "The same one's arguments, joined by blanks", read_cmdline},
      {"proc.source.is_script", boolean, "It is a script's that an interpreter runs",
       read_runs_script},
      {"proc.tool", text,
       "Which tool its program itself is, whoever drives it: build package_manager ide ...",
       read_tool, Values::one, Argument::none, kAllEvents, tool_word},
      {"proc.feeder.exepath", text,
       "Executable that writes the script which a shell or interpreter, or the parent if that is "
       "one, reads from a pipe",
       read_feeder},
      {"proc.feeder.cmdline", text, "The same one's arguments, joined by blanks",
       read_feeder_cmdline},
      {"proc.feeder.connected", boolean, "The same one has opened a connection",
       read_feeder_connected},
      {"proc.source.agent", text, "Kind of the AI agent that wrote it", read_agent},
  });
  return kFields;
}

}  // namespace picket::rule
