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
  out.set_origin(std::string(to_string(process.origin)));
  out.set_agent(process.agent);
}

void fill(v1::Pod& out, const Pod& pod) {
  out.set_name(pod.name);
  out.set_namespace_(pod.ns);
  out.set_uid(pod.uid);
  for (const auto& [key, value] : pod.labels) (*out.mutable_labels())[key] = value;
  for (const auto& [key, value] : pod.annotations) (*out.mutable_annotations())[key] = value;
}

void fill(v1::Step& out, const FindingStep& step, uint64_t wall_minus_boot_ns) {
  out.set_name(step.name);
  set_wall_ns(*out.mutable_time(), step.time_ns + wall_minus_boot_ns);
  out.set_event_type(step.event_type);
  fill(*out.mutable_process(), step.process);
  for (const auto& [name, value] : step.fields) (*out.mutable_fields())[name] = value;
  out.set_count(step.count);
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
  out.set_image_digest(workspace.image_digest);
  if (!workspace.pod.name.empty() || !workspace.pod.uid.empty())
    fill(*out.mutable_pod(), workspace.pod);
  out.set_owner(workspace.owner);
  out.set_template_(workspace.template_name);
  out.set_repository(workspace.repository);
  out.set_pull_request(workspace.pull_request);
  out.set_incomplete(workspace.incomplete);
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
  for (const FindingStep& step : finding.steps) fill(*alert.add_steps(), step, wall_minus_boot_ns);
  alert.set_shadow(finding.shadow);
  if (!finding.incident.first.empty()) {
    v1::Incident& incident = *alert.mutable_incident();
    incident.set_id(finding.incident.first.merge_id);
    incident.set_parent(finding.incident.parent.merge_id);
    incident.set_stage(finding.incident.stage);
    incident.set_position(finding.incident.position);
  }
  return alert;
}

}  // namespace picket
