// fd.class, fs.source.class, fs.target.class: of which class a file is (`- file_class: NAME`), by
// every name that the kernel tells of it.
#include <linux/fs.h>
#include <sys/socket.h>

#include <array>

#include "agent/detect/rule/file_classes.h"
#include "agent/detect/rule/file_values.h"

namespace picket::rule {
namespace {

using Reader = const FileClass* (*)(const FieldRequest&, const FileClasses&, std::string&);

// By a connect or a datagram.
bool asks_socket(const pk_socket& call) {
  return call.ends.family == AF_UNIX && call.ends.direction == PK_DIR_OUTBOUND;
}

// An open into a ring's own table: only its name is known.
const FileClass* of_ring_open(const Event& event, const pk_open& open, const FileClasses& classes,
                              std::string& text) {
  append_absolute(event.text(open.directory), event.text(open.raw), text);
  return classes.of_file(text);
}

// Where it lies in its own file system comes first: a mount of the workspace's changes the path.
const FileClass* of_descriptor(const FieldRequest& request, const FileClasses& classes,
                               std::string& text) {
  const Event& event = request.observation.event;
  if (const auto* call = event.as<pk_socket>())
    return asks_socket(*call) ? classes.of_socket(event.text(call->path)) : nullptr;
  const auto* open = event.as<pk_open>();
  if (open == nullptr || open->result < 0) return nullptr;
  if (open->object.kind == PK_FD_NONE)
    return (open->header.flags & PK_IO_URING) != 0 ? of_ring_open(event, *open, classes, text)
                                                   : nullptr;
  if ((open->interest & (PK_OF_SECRET | PK_OF_PERSISTENCE)) == 0) return nullptr;
  const FileClass* known = classes.of_file(event.text(open->inner));
  return known != nullptr ? known : classes.of_file(event.text(open->path));
}

bool is_symlink(const pk_file& file) {
  return file.header.call == PK_CALL_symlink || file.header.call == PK_CALL_symlinkat;
}

// Each of the two names gets what the other one was.
bool exchanges(const pk_file& file) {
  return file.header.call == PK_CALL_renameat2 && (file.flags & RENAME_EXCHANGE) != 0;
}

const FileClass* class_of(pk_str directory, pk_str path, const Event& event,
                          const FileClasses& classes, std::string& text) {
  text.clear();
  append_absolute(event.text(directory), event.text(path), text);
  return classes.of_file(text);
}

// What rename and link take.
const FileClass* of_source(const FieldRequest& request, const FileClasses& classes,
                           std::string& text) {
  const Event& event = request.observation.event;
  const auto* file = event.as<pk_file>();
  if (file == nullptr || file->path2.length == 0 || is_symlink(*file)) return nullptr;
  const FileClass* known = class_of(file->directory, file->path, event, classes, text);
  if (known != nullptr || !exchanges(*file)) return known;
  return class_of(file->directory2, file->path2, event, classes, text);
}

// The name that rename, link and symlink make.
bool append_made(const Event& event, std::string& text) {
  const auto* file = event.as<pk_file>();
  if (file == nullptr || file->path2.length == 0) return false;
  const bool link = is_symlink(*file);
  append_absolute(event.text(link ? file->directory : file->directory2),
                  event.text(link ? file->path : file->path2), text);
  return true;
}

const FileClass* of_target(const FieldRequest& request, const FileClasses& classes,
                           std::string& text) {
  const Event& event = request.observation.event;
  if (const auto* open = event.as<pk_open>())
    return open->writes != 0 ? of_descriptor(request, classes, text) : nullptr;
  if (!append_made(event, text)) return nullptr;
  const FileClass* known = classes.of_file(text);
  const auto* file = event.as<pk_file>();
  if (known != nullptr || !exchanges(*file)) return known;
  return class_of(file->directory, file->path, event, classes, text);
}

void read_target_name(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  const auto* open = event.as<pk_open>();
  if (open != nullptr && open->writes != 0) return read_file_name(request, result);
  if (append_made(event, result.text)) result.add(std::string_view(result.text));
}

template <Reader Read>
const FileClass* class_of(const FieldRequest& request, FieldResult& result) {
  const FileClasses* classes = request.reference.file_classes.get();
  return classes != nullptr ? Read(request, *classes, result.text) : nullptr;
}

template <Reader Read>
void read_class(const FieldRequest& request, FieldResult& result) {
  if (const FileClass* known = class_of<Read>(request, result))
    result.add(std::string_view(known->name));
}
template <Reader Read>
void read_kind(const FieldRequest& request, FieldResult& result) {
  if (const FileClass* known = class_of<Read>(request, result)) result.add(to_string(known->kind));
}
template <Reader Read>
void read_tool(const FieldRequest& request, FieldResult& result) {
  if (const FileClass* known = class_of<Read>(request, result))
    result.add(known->is_tool(request.observation.process));
}

std::string_view kind_word(size_t i) {
  return i < static_cast<size_t>(FileKind::kEnd) ? to_string(static_cast<FileKind>(i))
                                                 : std::string_view();
}

constexpr EventMask kDescriptors = mask_of(PK_OPEN) | mask_of(PK_SOCKET), kNames = mask_of(PK_FILE);
constexpr EventMask kWritten = mask_of(PK_OPEN) | mask_of(PK_FILE);

constexpr Field of(EventMask events, Field field) {
  field.events = events;
  return field;
}
constexpr Field by_interest(EventMask events, Field field) {
  return decided_by(Trait::of_interest, of(events, field));
}

constexpr Field kind_field(std::string_view name, std::string_view doc,
                           void (*read)(const FieldRequest&, FieldResult&)) {
  return {name, FieldType::text, doc, read, Values::one, Argument::none, kAllEvents, kind_word};
}

}  // namespace

std::span<const Field> file_class_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      by_interest(kDescriptors,
                  {"fd.class", text,
                   "Class of the file that was opened or the unix socket that was connected to "
                   "(`file_class`), by its place in its own file system or its path",
                   read_class<of_descriptor>}),
      by_interest(kDescriptors,
                  kind_field("fd.class.kind", "Kind of that class: secret decoy startup",
                             read_kind<of_descriptor>)),
      by_interest(kDescriptors, {"fd.class.tool", boolean,
                                 "The process is one of that class's tools, as they were installed",
                                 read_tool<of_descriptor>}),
      of(kNames,
         {"fs.source.class", text, "Class of what rename or link takes", read_class<of_source>}),
      of(kNames, kind_field("fs.source.class.kind", "Its kind", read_kind<of_source>)),
      of(kNames, {"fs.source.class.tool", boolean, "The process is one of its tools",
                  read_tool<of_source>}),
      of(kWritten,
         {"fs.target.name", text, "What is opened for writing, or made by rename, link or symlink",
          read_target_name}),
      by_interest(kWritten, {"fs.target.class", text, "Its class", read_class<of_target>}),
      by_interest(kWritten, kind_field("fs.target.class.kind", "Its kind", read_kind<of_target>)),
      by_interest(kWritten, {"fs.target.class.tool", boolean, "The process is one of its tools",
                             read_tool<of_target>}),
  });
  return kFields;
}

}  // namespace picket::rule
