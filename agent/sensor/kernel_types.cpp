#include "agent/sensor/kernel_types.h"

#include <bpf/btf.h>

namespace picket {

void KernelTypes::Free::operator()(btf* types) const { btf__free(types); }

KernelTypes::KernelTypes(btf* types) : types_(types) {}
KernelTypes::KernelTypes(KernelTypes&&) noexcept = default;
KernelTypes::~KernelTypes() = default;

KernelTypes KernelTypes::load() { return KernelTypes(btf__load_vmlinux_btf()); }

std::optional<KernelTypes::Function> KernelTypes::function(const std::string& name) const {
  const int id =
      are_known() ? btf__find_by_name_kind(types_.get(), name.c_str(), BTF_KIND_FUNC) : -1;
  if (id < 0) return std::nullopt;
  const btf_type* type = btf__type_by_id(types_.get(), id);
  return Function{static_cast<uint32_t>(id), btf_vlen(btf__type_by_id(types_.get(), type->type))};
}

std::optional<size_t> KernelTypes::tracepoint_arguments(const std::string& name) const {
  const std::string own = "btf_trace_" + name;
  const int id =
      are_known() ? btf__find_by_name_kind(types_.get(), own.c_str(), BTF_KIND_TYPEDEF) : -1;
  if (id < 0) return std::nullopt;
  // A typedef of a pointer to a function, whose first argument is the tracepoint's own.
  const btf_type* pointer = btf__type_by_id(types_.get(), btf__type_by_id(types_.get(), id)->type);
  return btf_vlen(btf__type_by_id(types_.get(), pointer->type)) - 1;
}

}  // namespace picket
