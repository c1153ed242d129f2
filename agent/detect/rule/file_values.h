// What rules ask of a file event, as text: paths put together, flags and modes by their names.
// Stateless; any thread. Nothing fails: an event without the value yields none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/detect/rule/field.h"

namespace picket::rule {

constexpr EventMask kFileEvents = mask_of(PK_OPEN) | mask_of(PK_FILE);

// `path` from `start`, unless it is absolute; without "//", "." and "..", as far as a text can
// tell.
void append_absolute(std::string_view start, std::string_view path, std::string& text);

// Of O_* bits: O_RDONLY|O_CLOEXEC. Of a mode: S_ISUID|S_IRUSR|... Of an error: EACCES.
void append_open_flags(uint32_t flags, std::string& text);
void append_mode(uint32_t mode, std::string& text);
void append_file_system(uint32_t magic, std::string& text);  // by its number: ext, proc, 0x1234
std::string_view error_name(int64_t result);                 // SUCCESS when it is none

// fd.name, fd.type and fd.typechar of files: the same fields name connections.
void read_file_name(const FieldRequest& request, FieldResult& result);
void read_file_type(const FieldRequest& request, FieldResult& result);
void read_file_type_char(const FieldRequest& request, FieldResult& result);

// evt.arg.NAME of a PK_SYSTEM event; false: it is another event.
bool read_system_argument(const FieldRequest& request, FieldResult& result);

}  // namespace picket::rule
