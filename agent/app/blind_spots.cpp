#include "agent/app/blind_spots.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "bpf/picket/policy.h"

namespace picket {
namespace {

Finding about_the_agent(std::string_view rule, Priority priority, uint64_t first_ns,
                        uint64_t last_ns) {
  Finding finding;
  finding.rule = rule;
  finding.priority = priority;
  finding.tags = {"picket"};
  finding.event_type = "none";
  finding.time_ns = last_ns;
  finding.first_ns = first_ns;
  finding.last_ns = last_ns;
  return finding;
}

}  // namespace

Finding unwatched_interval(uint64_t first_wall_ns, uint64_t last_wall_ns,
                           const Timeline& timeline) {
  Finding finding =
      about_the_agent(kBlindSpotRule, Priority::warning, timeline.boot_ns(first_wall_ns),
                      timeline.boot_ns(last_wall_ns));
  finding.why = "While no agent runs, nothing that happens in the workspaces of this node is seen.";
  finding.output = fmt::format("no agent watched this node from {} to {}",
                               rfc3339(first_wall_ns).text, rfc3339(last_wall_ns).text);
  // With its end: an agent that died in its start may have told the first half under another id.
  finding.merge_id = fmt::format("unwatched|{}|{}", first_wall_ns, last_wall_ns);
  return finding;
}

void LostRecords::add(const std::string& event, uint64_t count, uint64_t from_boot_ns,
                      uint64_t to_boot_ns) {
  first_boot_ns = count_by_event.empty() ? from_boot_ns : std::min(first_boot_ns, from_boot_ns);
  last_boot_ns = std::max(last_boot_ns, to_boot_ns);
  count_by_event[event] += count;
}

Finding lost_records(const Workspace& workspace, const LostRecords& lost) {
  Finding finding =
      about_the_agent(kBlindSpotRule, Priority::warning, lost.first_boot_ns, lost.last_boot_ns);
  finding.workspace = workspace;
  finding.why =
      "The kernel's ring, or what it keeps of connections, had no room left for this workspace: "
      "these events happened and were not judged.";
  std::vector<std::string> parts;
  uint64_t total = 0;
  for (const auto& [event, count] : lost.count_by_event) {
    parts.push_back(fmt::format("{} {}", count, event));
    finding.fields.emplace_back("lost." + event, std::to_string(count));
    total += count;
  }
  finding.fields.emplace_back("lost", std::to_string(total));
  finding.output =
      fmt::format("{} records of {} were lost: {}", total,
                  workspace.id.empty() ? "unknown workspaces" : "workspace " + workspace.name,
                  fmt::join(parts, ", "));
  finding.merge_id = fmt::format("lost|{}|{}", workspace.cgroup_id, lost.first_boot_ns);
  return finding;
}

Finding unseen_processes(const Workspace& workspace, uint64_t count, uint64_t first_boot_ns,
                         uint64_t last_boot_ns) {
  Finding finding =
      about_the_agent(kBlindSpotRule, Priority::critical, first_boot_ns, last_boot_ns);
  finding.workspace = workspace;
  finding.why = fmt::format(
      "The kernel's programs know {} processes of a workspace at a time, {} of a node. Of one more "
      "nothing is seen until it runs another program while there is room.",
      PK_LABELS_PER_WORKSPACE, PK_LABELS_MAX);
  finding.fields.emplace_back("unseen", std::to_string(count));
  finding.output =
      fmt::format("{} processes of {} run unseen", count,
                  workspace.id.empty() ? "unknown workspaces" : "workspace " + workspace.name);
  finding.merge_id = fmt::format("unseen|{}|{}", workspace.cgroup_id, first_boot_ns);
  return finding;
}

Finding lost_inside(std::string_view what, uint64_t count, uint64_t first_boot_ns,
                    uint64_t last_boot_ns) {
  Finding finding = about_the_agent(kBlindSpotRule, Priority::warning, first_boot_ns, last_boot_ns);
  finding.why = "A bounded table or queue of the agent was full: these were counted and let go.";
  finding.fields.emplace_back("lost", count == 0 ? "unknown" : std::to_string(count));
  finding.output = fmt::format("{} {} were lost inside the agent",
                               count == 0 ? "an unknown number of" : std::to_string(count), what);
  finding.merge_id = fmt::format("inside|{}|{}|{}", what, first_boot_ns, last_boot_ns);
  return finding;
}

Finding lost_sequences(const Workspace& workspace, uint64_t count, uint64_t first_boot_ns,
                       uint64_t last_boot_ns) {
  Finding finding = about_the_agent(kBlindSpotRule, Priority::warning, first_boot_ns, last_boot_ns);
  finding.workspace = workspace;
  finding.why =
      "Rules that ask for steps in order remember what each workspace began, up to a bound: the "
      "oldest was forgotten, and its next steps are no alert.";
  finding.fields.emplace_back("lost", std::to_string(count));
  finding.output = fmt::format(
      "{} begun sequences or counted values of workspace {} were forgotten", count, workspace.name);
  finding.merge_id = fmt::format("sequences|{}|{}", workspace.cgroup_id, first_boot_ns);
  return finding;
}

Finding ended_waiver(const EndedWaiver& ended, uint64_t boot_ns) {
  const WaiverInfo& waiver = ended.waiver;
  Finding finding = about_the_agent(kWaiverRule, Priority::informational, boot_ns, boot_ns);
  finding.why =
      "What was accepted for a while is an alert again, unless somebody answers for it anew.";
  finding.output = fmt::format(
      "waiver {} of {} ended ({}): its rules alert again; {} alerts were withheld; its reason: {}",
      waiver.name, waiver.owner, waiver.expires, ended.withheld, waiver.reason);
  finding.fields = {{"waiver", waiver.name},
                    {"owner", waiver.owner},
                    {"expires", waiver.expires},
                    {"withheld", std::to_string(ended.withheld)}};
  finding.merge_id = fmt::format("waiver|{}|{}", waiver.name, waiver.expires);
  return finding;
}

Finding refused_rules(std::string_view why, uint64_t boot_ns) {
  Finding finding = about_the_agent(kRulesRule, Priority::warning, boot_ns, boot_ns);
  finding.why = "What somebody meant to be detected from now on is not: the last good rules stay.";
  finding.output = fmt::format("rules were refused, the last good ones stay: {}", why);
  finding.merge_id = fmt::format("rules|{}", boot_ns);
  return finding;
}

Finding missing_identity(const Workspace& workspace, std::string_view reason, uint64_t boot_ns) {
  Finding finding = about_the_agent(kIdentityRule, Priority::error, boot_ns, boot_ns);
  finding.workspace = workspace;
  finding.why = "Events of a workspace that nobody can name reach the wrong people, or none.";
  finding.output = workspace.resolved
                       ? fmt::format("not all is known about {} in cgroup {}: {}", workspace.name,
                                     workspace.cgroup, reason)
                       : fmt::format("no identity for cgroup {}: {}", workspace.cgroup, reason);
  finding.merge_id = fmt::format("identity|{}", workspace.cgroup_id);
  return finding;
}

Finding failed_self_check(std::string_view what, uint64_t boot_ns) {
  Finding finding = about_the_agent(kSelfCheckRule, Priority::critical, boot_ns, boot_ns);
  finding.why =
      "An event that the agent caused itself did not come back: the sensor does not see what it "
      "claims to.";
  finding.output = fmt::format("self check failed: {}", what);
  finding.merge_id = fmt::format("self_check|{}", what);
  return finding;
}

Finding blinded(std::string_view why, uint64_t first_boot_ns, uint64_t last_boot_ns, bool over) {
  Finding finding =
      about_the_agent(kSelfCheckRule, Priority::critical, first_boot_ns, last_boot_ns);
  finding.why =
      "What the agent did itself it did not see: what happens in the workspaces of this node may "
      "not be seen either.";
  finding.output = over ? fmt::format("the agent of this node was blind, and sees again: {}", why)
                        : fmt::format("the agent of this node is blind: {}", why);
  finding.count = over ? 2 : 1;
  finding.merge_id = fmt::format("canary|{}", first_boot_ns);
  return finding;
}

Finding failed_response(std::string_view action, const Workspace& workspace,
                        std::string_view reason, uint64_t boot_ns) {
  Finding finding = about_the_agent(kResponseFailedRule, Priority::critical, boot_ns, boot_ns);
  finding.workspace = workspace;
  finding.why =
      "An action that was asked for did not happen: what it should have stopped may go on.";
  finding.output = fmt::format("{} of workspace {} failed: {}", action, workspace.name, reason);
  finding.merge_id = fmt::format("response|{}|{}|{}", action, workspace.cgroup_id, boot_ns);
  return finding;
}

}  // namespace picket
