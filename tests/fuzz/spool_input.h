// The first byte of an input of spool_fuzz says what the rest is. Shared with the program that
// writes the first inputs.
#pragma once

namespace picket::spool_input {

inline constexpr char kFile = 'f';      // a whole database file
inline constexpr char kLog = 'l';       // the write-ahead log beside a good file
inline constexpr char kPatches = 'p';   // offset (two bytes), value (one byte), ... for a good file
inline constexpr char kEnvelope = 'e';  // bytes of an envelope on their way to the spool

}  // namespace picket::spool_input
