// target.*: the process that a signal goes to, or that a call traces, reads, writes or takes
// something from. What the kernel tells comes first; of a process in a workspace the table knows
// more.
#include <array>

#include "agent/detect/rule/field.h"
#include "agent/enrich/lineage.h"

namespace picket::rule {
namespace {

const pk_system* call_with_target(const FieldRequest& request) {
  const auto* call = request.observation.event.as<pk_system>();
  return call != nullptr && call->target_start_ns != 0 ? call : nullptr;
}

void read_pid(const FieldRequest& request, FieldResult& result) {
  if (const auto* call = call_with_target(request))
    result.add(static_cast<int64_t>(call->target_pid));
}

void read_uid(const FieldRequest& request, FieldResult& result) {
  const auto* call = call_with_target(request);
  if (call != nullptr && call->target_is_told != 0)
    result.add(static_cast<int64_t>(call->target_uid));
}

void read_name(const FieldRequest& request, FieldResult& result) {
  const auto* call = call_with_target(request);
  if (call != nullptr && call->target_is_told != 0)
    return result.add_present(request.observation.event.text(call->text[PK_TARGET_NAME]));
  if (const Process* target = request.observation.target)
    result.add_present(std::string_view(target->comm));
}

void read_exe(const FieldRequest& request, FieldResult& result) {
  if (const Process* target = request.observation.target)
    result.add_present(std::string_view(target->exe));
}

void read_cmdline(const FieldRequest& request, FieldResult& result) {
  if (const Process* target = request.observation.target) {
    result.text = target->cmdline();
    result.add_present(result.text);
  }
}

void read_same_workspace(const FieldRequest& request, FieldResult& result) {
  if (const auto* call = call_with_target(request))
    result.add(call->target_cgroup_id == call->header.cgroup_id);
}

void read_more_privileged(const FieldRequest& request, FieldResult& result) {
  const auto* call = call_with_target(request);
  if (call != nullptr && call->target_is_told != 0) result.add(call->target_more_privileged != 0);
}

bool descends_from(const Process& process, ProcessKey key) {
  for (const Process& ancestor : lineage(process))
    if (ancestor.key == key) return true;
  return false;
}

// A process that is not in the workspace does not descend from one in it, as far as anybody knows.
void read_descendant(const FieldRequest& request, FieldResult& result) {
  if (call_with_target(request) == nullptr) return;
  const Process* target = request.observation.target;
  result.add(target != nullptr && descends_from(*target, request.observation.process.key));
}

}  // namespace

std::span<const Field> target_fields() {
  using enum FieldType;
  static const auto kFields = [] {
    auto fields = std::to_array<Field>({
        {"target.pid", number, "The process that a signal goes to, or that a call is about",
         read_pid},
        {"target.uid", number, "Its effective user id", read_uid},
        {"target.name", text, "Its kernel name, as of proc.name", read_name},
        {"target.exepath", text, "Path of its executable, if it is of a workspace", read_exe},
        {"target.cmdline", text, "Its arguments, if it is of a workspace", read_cmdline},
        {"target.same_workspace", boolean, "It belongs to the caller's workspace",
         read_same_workspace},
        {"target.is_descendant", boolean, "The caller started it, or what started it",
         read_descendant},
        {"target.more_privileged", boolean,
         "It has capabilities that the caller lacks, is root's while the caller is not, or belongs "
         "to a user namespace further out",
         read_more_privileged},
    });
    for (Field& field : fields) field.events = mask_of(PK_SYSTEM);
    return fields;
  }();
  return kFields;
}

}  // namespace picket::rule
