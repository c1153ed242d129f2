#include "agent/app/finding_alert.h"

#include "common/alert_json.h"

namespace picket {
namespace {

void fill(v1::Process& out, const ProcessSummary& process) {
  out.set_pid(process.key.pid);
  out.set_start_ns(process.key.start_ns);
  out.set_name(process.name);
  out.set_exe(process.exe);
  out.set_cmdline(process.cmdline);
  out.set_cwd(process.cwd);
  out.set_uid(process.uid);
}

}  // namespace

void fill(v1::Workspace& out, const Workspace& workspace) {
  out.set_id(workspace.id);
  out.set_name(workspace.name);
  out.set_container_id(workspace.container_id);
  out.set_image(workspace.image);
  out.set_image_source(workspace.image_source);
  out.set_cgroup(workspace.cgroup);
  out.set_cgroup_id(workspace.cgroup_id);
  out.set_runtime(workspace.runtime);
  for (const auto& [key, value] : workspace.labels) (*out.mutable_labels())[key] = value;
}

v1::Alert alert_of(const Finding& finding, uint64_t wall_minus_boot_ns) {
  v1::Alert alert;
  alert.set_id(finding.merge_id);
  set_wall_ns(*alert.mutable_time(), finding.time_ns + wall_minus_boot_ns);
  set_wall_ns(*alert.mutable_first(), finding.first_ns + wall_minus_boot_ns);
  set_wall_ns(*alert.mutable_last(), finding.last_ns + wall_minus_boot_ns);
  alert.set_rule(finding.rule);
  alert.set_priority(static_cast<v1::Priority>(static_cast<int>(finding.priority) + 1));
  alert.set_output(finding.output);
  alert.set_why(finding.why);
  for (const std::string& tag : finding.tags) alert.add_tags(tag);
  fill(*alert.mutable_workspace(), finding.workspace);
  fill(*alert.mutable_process(), finding.process);
  for (const ProcessSummary& ancestor : finding.lineage) fill(*alert.add_lineage(), ancestor);
  alert.set_count(finding.count);
  alert.set_event_type(finding.event_type);
  for (const auto& [name, value] : finding.fields) (*alert.mutable_fields())[name] = value;
  if (finding.respond != Action::none) alert.set_action(std::string(to_string(finding.respond)));
  return alert;
}

}  // namespace picket
