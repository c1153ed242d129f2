// Every kernel program of the sensor with what its absence means, in words. The source of all
// coverage lines. Constant data; any thread.
#pragma once

#include <span>
#include <string_view>

namespace picket {

struct Hook {
  enum class When { always, compat_calls, native_calls };

  std::string_view program;  // name in the BPF object
  std::string_view hook;
  std::string_view event;    // by its schema name
  std::string_view missing;  // what is not seen without it
  bool essential = false;    // the agent does not start without it
  When when = When::always;
};

std::span<const Hook> hooks();

}  // namespace picket
