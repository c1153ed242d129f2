// fd.*, fs.path.* and evt.* of what happens to files. With a descriptor the name is the kernel's;
// without one it is what the caller passed, from the directory that the kernel knows
// (evt.user_text).
#include <sys/stat.h>

#include <array>

#include "agent/detect/rule/file_values.h"

namespace picket::rule {
namespace {

constexpr EventMask kOpens = mask_of(PK_OPEN), kChanges = mask_of(PK_FILE);

const Event& event_of(const FieldRequest& request) { return request.observation.event; }
const pk_open* opened(const FieldRequest& request) { return event_of(request).as<pk_open>(); }
const pk_file* changed(const FieldRequest& request) { return event_of(request).as<pk_file>(); }

const pk_object* object_of(const FieldRequest& request) {
  const pk_object* object = nullptr;
  if (const pk_open* open = opened(request)) object = &open->object;
  if (const pk_file* file = changed(request)) object = &file->object;
  return object != nullptr && object->kind != PK_FD_NONE ? object : nullptr;
}

void add_text(FieldResult& result) { result.add(std::string_view(result.text)); }

// ---- the descriptor ----

// Directory and last component of fd.name.
template <bool Directory>
void read_part(const FieldRequest& request, FieldResult& result) {
  FieldResult& name = result;
  read_file_name(request, name);
  if (name.values.empty()) return;
  const auto path = std::get<std::string_view>(name.values.back());
  name.values.clear();
  const size_t slash = path.rfind('/');
  if (slash == path.npos) {
    if (!Directory) result.add(path);
    return;
  }
  result.add(Directory ? path.substr(0, slash == 0 ? 1 : slash) : path.substr(slash + 1));
}

void read_raw_name(const FieldRequest& request, FieldResult& result) {
  if (const pk_open* open = opened(request)) result.add_present(event_of(request).text(open->raw));
}

void read_number(const FieldRequest& request, FieldResult& result) {
  if (const pk_open* open = opened(request)) result.add(open->result < 0 ? -1 : open->result);
}

template <auto Member>
void read_object(const FieldRequest& request, FieldResult& result) {
  if (const pk_object* object = object_of(request))
    result.add(static_cast<int64_t>(object->*Member));
}

void read_permissions(const FieldRequest& request, FieldResult& result) {
  const pk_object* object = object_of(request);
  if (object == nullptr) return;
  append_mode(object->mode, result.text);
  add_text(result);
}

std::string_view layer_word(size_t i) {
  return i < PK_LAYER_END ? layer_name(static_cast<uint8_t>(i)) : std::string_view();
}
void read_layer(const FieldRequest& request, FieldResult& result) {
  if (const pk_object* object = object_of(request)) result.add(layer_name(object->layer));
}
template <uint8_t Layer>
void read_is_layer(const FieldRequest& request, FieldResult& result) {
  if (const pk_object* object = object_of(request)) result.add(object->layer == Layer);
}
void read_foreign(const FieldRequest& request, FieldResult& result) {
  if (const pk_object* object = object_of(request)) result.add(object->foreign != 0);
}
// What the kernel told for its own sake, not only because it could be opened.
bool is_of_interest(const pk_open& open) {
  return open.object.kind != PK_FD_NONE && (open.interest & ~PK_OF_REFUSED) != 0;
}
void read_inner_path(const FieldRequest& request, FieldResult& result) {
  const pk_open* open = opened(request);
  if (open == nullptr || !is_of_interest(*open)) return;
  const pk_str path = open->inner.length != 0 ? open->inner : open->path;
  result.add_present(event_of(request).text(path));
}
void read_file_system(const FieldRequest& request, FieldResult& result) {
  const pk_open* open = opened(request);
  if (open == nullptr || !is_of_interest(*open)) return;
  append_file_system(open->object.magic, result.text);
  add_text(result);
}
void read_proc_pid(const FieldRequest& request, FieldResult& result) {
  const pk_object* object = object_of(request);
  if (object != nullptr && object->proc_pid != 0)
    result.add(static_cast<int64_t>(object->proc_pid));
}
void read_proc_other(const FieldRequest& request, FieldResult& result) {
  const pk_object* object = object_of(request);
  if (object == nullptr) return;
  const pk_header& header = event_of(request).header();
  result.add(object->proc_pid != 0 && object->proc_pid != header.pid &&
             object->proc_pid != header.tid);
}

// ---- the call ----

template <auto Member>
void read_open(const FieldRequest& request, FieldResult& result) {
  if (const pk_open* open = opened(request)) result.add(open->*Member != 0);
}
void read_open_exec(const FieldRequest& request, FieldResult& result) {
  constexpr uint32_t kExecutable = S_IXUSR | S_IXGRP | S_IXOTH;
  if (const pk_open* open = opened(request)) result.add((open->asked_mode & kExecutable) != 0);
}

void read_user_text(const FieldRequest& request, FieldResult& result) {
  result.add((event_of(request).header().flags & PK_USER_TEXT) != 0);
}

void add_joined(const FieldRequest& request, pk_str directory, pk_str path, FieldResult& result) {
  const std::string_view text = event_of(request).text(path);
  if (text.empty()) return;
  append_absolute(event_of(request).text(directory), text, result.text);
  add_text(result);
}

bool is_symlink(const pk_file& file) {
  return file.header.call == PK_CALL_symlink || file.header.call == PK_CALL_symlinkat;
}

// The one path of a call, or the old one of two; of symlink the link itself.
void read_path(const FieldRequest& request, FieldResult& result) {
  if (opened(request)) return read_file_name(request, result);
  if (const pk_file* file = changed(request))
    add_joined(request, file->directory, file->path, result);
}
template <bool Raw>
void read_second(const FieldRequest& request, FieldResult& result) {
  const pk_file* file = changed(request);
  if (file == nullptr) return;
  if (Raw || is_symlink(*file))
    result.add_present(event_of(request).text(file->path2));
  else
    add_joined(request, file->directory2, file->path2, result);
}

// Where the words are those of one kind of call.
bool moves(const pk_file& file) { return file.path2.length != 0 && !is_symlink(file); }
void read_source(const FieldRequest& request, FieldResult& result) {
  const pk_file* file = changed(request);
  if (file != nullptr && moves(*file)) add_joined(request, file->directory, file->path, result);
}
void read_target(const FieldRequest& request, FieldResult& result) {
  const pk_file* file = changed(request);
  if (file != nullptr && moves(*file)) add_joined(request, file->directory2, file->path2, result);
}
void read_raw_source(const FieldRequest& request, FieldResult& result) {
  const pk_file* file = changed(request);
  if (file != nullptr && moves(*file)) result.add_present(event_of(request).text(file->path));
}
void read_raw_target(const FieldRequest& request, FieldResult& result) {
  const pk_file* file = changed(request);
  if (file != nullptr && moves(*file)) result.add_present(event_of(request).text(file->path2));
}
void read_link_text(const FieldRequest& request, FieldResult& result) {
  const pk_file* file = changed(request);
  if (file != nullptr && is_symlink(*file)) read_second<true>(request, result);
}
void read_link_path(const FieldRequest& request, FieldResult& result) {
  const pk_file* file = changed(request);
  if (file != nullptr && is_symlink(*file))
    add_joined(request, file->directory, file->path, result);
}
void read_change_path_raw(const FieldRequest& request, FieldResult& result) {
  if (opened(request)) return read_raw_name(request, result);
  if (const pk_file* file = changed(request))
    result.add_present(event_of(request).text(file->path));
}

// Of setxattr the attribute; else the path, under the name that unlinkat and open give it.
void read_name(const FieldRequest& request, FieldResult& result) {
  if (read_system_argument(request, result)) return;
  const pk_file* file = changed(request);
  if (file != nullptr && file->name.length != 0)
    return result.add(event_of(request).text(file->name));
  read_path(request, result);
}

void read_argument_path(const FieldRequest& request, FieldResult& result) {
  if (!read_system_argument(request, result)) read_path(request, result);
}

// Of an exec, what is told of the program's file.
std::string_view exec_flags(const pk_exec& exec) {
  switch (exec.layer) {
    case PK_LAYER_UPPER:
      return "EXE_UPPER_LAYER";
    case PK_LAYER_MEMFD:
      return "EXE_FROM_MEMFD";
    case PK_LAYER_IMAGE:
      return "EXE_LOWER_LAYER";
    default:
      return "0";
  }
}

void read_flags(const FieldRequest& request, FieldResult& result) {
  if (const auto* exec = event_of(request).as<pk_exec>()) return result.add(exec_flags(*exec));
  if (read_system_argument(request, result)) return;
  if (const pk_open* open = opened(request)) {
    append_open_flags(open->flags, result.text);
    add_text(result);
  } else if (const pk_file* file = changed(request)) {
    result.text = std::to_string(file->flags);
    add_text(result);
  }
}
void read_mode(const FieldRequest& request, FieldResult& result) {
  const pk_open* open = opened(request);
  const pk_file* file = changed(request);
  if (open == nullptr && file == nullptr) return;
  append_mode(open != nullptr ? open->asked_mode : file->asked_mode, result.text);
  add_text(result);
}
template <auto Member>
void read_asked(const FieldRequest& request, FieldResult& result) {
  const pk_file* file = changed(request);
  if (file == nullptr) return;
  const uint32_t value = file->*Member;
  result.add(value == UINT32_MAX ? int64_t{-1} : static_cast<int64_t>(value));
}

constexpr Field of(EventMask events, Field field) {
  field.events = events;
  return field;
}

}  // namespace

std::span<const Field> file_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      of(kFileEvents, {"fd.directory", text, "Directory of fd.name", read_part<true>}),
      of(kFileEvents,
         decided_by(Trait::file_name,
                    {"fd.filename", text, "Last component of fd.name", read_part<false>})),
      of(kOpens,
         decided_by(Trait::of_interest,
                    {"fd.inner_path", text,
                     "Of a file of interest to the kernel's programs (secrets, switches, "
                     "devices, ...) the path in its own file system, wherever that or a part "
                     "of it is mounted",
                     read_inner_path})),
      of(kOpens,
         decided_by(Trait::of_interest,
                    {"fd.fstype", text,
                     "Of such a file the type of its file system: proc sysfs cgroup cgroup2 "
                     "debugfs tracefs overlay tmpfs ext xfs btrfs ..., or a number",
                     read_file_system})),
      of(kOpens, {"fd.nameraw", text, "Path as it was passed to open", read_raw_name}),
      of(kOpens, {"fd.num", number, "The descriptor; -1: the open failed", read_number}),
      of(kFileEvents, {"fd.ino", number, "Inode number", read_object<&pk_object::inode>}),
      of(kFileEvents, {"fd.dev", number, "Device as the kernel numbers it, never that of stat()",
                       read_object<&pk_object::dev>}),
      of(kFileEvents, {"fd.rdev", number, "Of a device its number, as the kernel has it",
                       read_object<&pk_object::rdev>}),
      of(kFileEvents, {"fd.nlink", number, "Names that the file has; 0: deleted",
                       read_object<&pk_object::nlink>}),
      of(kFileEvents,
         {"fd.uid", number, "User id of the file's owner", read_object<&pk_object::owner>}),
      of(kFileEvents,
         {"fd.gid", number, "Group id of the file's owner", read_object<&pk_object::group>}),
      of(kFileEvents,
         {"fd.mode", text, "Permission bits of the file: S_ISUID|S_IRUSR...", read_permissions}),
      of(kFileEvents,
         {"fd.layer", text, "Where the file is from: image upper memfd deleted mount unknown",
          read_layer, Values::one, Argument::none, kAllEvents, layer_word}),
      of(kFileEvents, {"fd.is_upper_layer", boolean, "The file was written since the start",
                       read_is_layer<PK_LAYER_UPPER>}),
      of(kFileEvents,
         {"fd.is_lower_layer", boolean, "The file is the image's", read_is_layer<PK_LAYER_IMAGE>}),
      of(kFileEvents,
         {"fd.foreign", boolean, "The file lies on another file system than the process's root",
          read_foreign}),
      of(kFileEvents, {"fd.proc.pid", number,
                       "The process below whose /proc directory the file lies", read_proc_pid}),
      of(kFileEvents,
         {"fd.proc.other", boolean, "The file lies below the /proc directory of another process",
          read_proc_other}),
      of(kFileEvents,
         {"fs.path.name", text,
          "The path of the call, from the root; of rename and link the old one", read_path}),
      of(kFileEvents, {"fs.path.nameraw", text, "The same as it was passed", read_change_path_raw}),
      of(kChanges, {"fs.path.source", text, "Of rename and link the old path", read_source}),
      of(kChanges, {"fs.path.target", text, "Of rename and link the new path", read_target}),
      of(kChanges, {"fs.path.sourceraw", text, "The old path as it was passed", read_raw_source}),
      of(kChanges, {"fs.path.targetraw", text, "The new path as it was passed", read_raw_target}),
      of(kOpens, decided_by(Trait::open_mode,
                            {"evt.is_open_read", boolean, "Opened, or to be opened, for reading",
                             read_open<&pk_open::reads>})),
      of(kOpens, decided_by(Trait::open_mode,
                            {"evt.is_open_write", boolean, "Opened, or to be opened, for writing",
                             read_open<&pk_open::writes>})),
      of(kOpens,
         decided_by(Trait::open_mode, {"evt.is_open_create", boolean, "The open made the file",
                                       read_open<&pk_open::created>})),
      of(kOpens, {"evt.is_open_exec", boolean, "The open asked for a new file that can be executed",
                  read_open_exec}),
      {"evt.user_text", boolean,
       "A path of the event is the caller's text, not the kernel's: it may not be what was used",
       read_user_text},
      of(kFileEvents | mask_of(PK_SYSTEM) | mask_of(PK_EXEC),
         {"evt.arg.flags", text,
          "O_RDONLY|O_CREAT..., CLONE_NEWNS|..., MS_BIND|..., EXE_UPPER_LAYER, or a number",
          read_flags}),
      of(kFileEvents, {"evt.arg.mode", text, "Mode asked for: S_IXUSR|S_ISUID...", read_mode}),
      of(kFileEvents | mask_of(PK_SYSTEM),
         {"evt.arg.name", text,
          "Path of open, unlinkat, umount2; of setxattr the attribute; of memfd_create its name",
          read_name}),
      of(kFileEvents | mask_of(PK_SYSTEM),
         {"evt.arg.path", text, "Path of mkdir, rmdir, unlink, mknod, truncate, chroot, open_tree",
          read_argument_path}),
      of(kFileEvents | mask_of(PK_SYSTEM),
         {"evt.arg.filename", text, "Path of chmod and chown; of an exec that failed its program",
          read_argument_path}),
      of(kChanges, {"evt.arg.oldpath", text, "Of rename and link the old path", read_source}),
      of(kChanges, {"evt.arg.newpath", text, "Of rename and link the new path", read_target}),
      of(kChanges, {"evt.arg.target", text, "Of symlink what the link says", read_link_text}),
      of(kChanges, {"evt.arg.linkpath", text, "Of symlink where the link is", read_link_path}),
      of(kChanges, {"evt.arg.owner", number, "Of chown the user id; -1: stays",
                    read_asked<&pk_file::asked_owner>}),
      of(kChanges, {"evt.arg.group", number, "Of chown the group id; -1: stays",
                    read_asked<&pk_file::asked_group>}),
  });
  return kFields;
}

}  // namespace picket::rule
