// What the arguments of a PK_SYSTEM record mean: their names, as the field's rules use them
// (evt.arg.NAME), and how each is printed. Data; every thread may read. Nothing fails: a call or an
// argument without a row answers with nothing, a value without a name is printed as a number.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/event/event.h"

namespace picket {

struct CallArgument {
  enum class Print : uint8_t {
    number,  // of 32 bits
    wide,    // of 64
    hex,
    text,  // `place` counts among the record's texts
    clone_flags,
    mount_flags,
    memfd_flags,
    ptrace_request,
    prctl_option,
    bpf_command,
    program_type,
    signal,
  };
  std::string_view name;
  uint8_t place = 0;
  Print print = Print::number;
};

std::span<const CallArgument> arguments_of(pk_call call);
const CallArgument* argument_of(pk_call call, std::string_view name);  // nullptr: it has none

// Every name that some call's argument has, in alphabetical order.
std::span<const std::string_view> argument_names();

// As a person reads it: CLONE_NEWNS|CLONE_NEWPID, PTRACE_ATTACH, SIGKILL, /mnt.
void append_argument(const Event& event, const pk_system& call, const CallArgument& argument,
                     std::string& text);

}  // namespace picket
