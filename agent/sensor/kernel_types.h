// What the running kernel's type information (BTF) says of hooks. To read it costs some 80 ms and
// 10 MB, so whoever starts the sensor reads it once and lets it go. Immutable; any thread. Errors:
// of a kernel whose types cannot be read everything is unknown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

struct btf;

namespace picket {

class KernelTypes {
 public:
  struct Function {
    uint32_t id = 0;  // BTF type id
    size_t arguments = 0;
  };

  static KernelTypes load();
  KernelTypes(KernelTypes&&) noexcept;
  ~KernelTypes();

  bool are_known() const { return types_ != nullptr; }
  std::optional<Function> function(const std::string& name) const;
  // How many arguments a tracepoint hands to a program; none: this kernel has no such tracepoint.
  std::optional<size_t> tracepoint_arguments(const std::string& name) const;

 private:
  struct Free {
    void operator()(btf* types) const;
  };
  explicit KernelTypes(btf* types);

  std::unique_ptr<btf, Free> types_;
};

}  // namespace picket
