// The schema of what every record begins with. Immutable data; included by the schemas' files only.
#pragma once

#include "agent/event/field.h"
#include "agent/event/words.h"

namespace picket::schema {

// pk_header: at the front of every event.
inline constexpr std::array kHeader = std::to_array<FieldRow>({
    field<&pk_header::time_ns>("time_ns", "When it happened, nanoseconds of CLOCK_BOOTTIME"),
    field<&pk_header::pid>("pid", "Process id (thread group) in the initial pid namespace"),
    field<&pk_header::tid>("tid", "Thread id in the initial pid namespace"),
    id<&pk_header::uid>("uid", "Effective user id in the initial user namespace"),
    id<&pk_header::gid>("gid", "Effective group id in the initial user namespace"),
    field<&pk_header::cap_effective>("cap_effective", "Effective capabilities, one bit each"),
    word<&pk_header::call, kCalls, Values::closed>("call",
                                                   "System call that caused it; none: not told"),
    field<&pk_header::start_ns>("start_ns",
                                "Start of the process; with pid its key, which survives pid reuse"),
    field<&pk_header::cgroup_id>("cgroup_id", "Cgroup v2 id of the process's workspace; 0: none"),
    flag<PK_COMPAT>("compat", "The call was made through the 32-bit interface"),
    flag<PK_IO_URING>("io_uring", "An io_uring did it for the process"),
    flag<PK_TRUNCATED>("truncated", "Some string of the record did not fit"),
    flag<PK_EXEC_IN>("exec_in", "The process was put into the workspace from outside"),
    flag<PK_OUTSIDE_CWD>("outside_cwd", "The working directory is of another mount namespace"),
    flag<PK_USER_TEXT>("user_text",
                       "A text is from user memory: it may not be what the kernel used"),
});

}  // namespace picket::schema
