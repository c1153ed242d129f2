// Which hooks of the LSM tier this kernel takes, found out by loading a program of two instructions
// for each: neither version, configuration nor lockdown tells. Owner: Probes. Never fails: whatever
// is refused has its reason.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "agent/sensor/kernel_types.h"

namespace picket {

class LsmHooks {
 public:
  static LsmHooks probe(const KernelTypes& types);
  static LsmHooks none();  // nobody asked for them

  // By program (hooks.h): why the kernel does not take its hook.
  const std::map<std::string, std::string>& refused() const { return refused_; }
  // How many arguments come before the value that the program was given. 0: the hook was refused.
  size_t arguments(std::string_view program) const;

 private:
  std::map<std::string, std::string> refused_;
  std::map<std::string, size_t, std::less<>> arguments_;
};

}  // namespace picket
