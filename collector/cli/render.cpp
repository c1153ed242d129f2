#include "collector/cli/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "common/alert_json.h"

namespace picket {
namespace {

constexpr size_t kShortId = 12;
constexpr size_t kLongestCommand = 200;

std::string process_text(const v1::Process& process) {
  std::string command = printable(process.cmdline().empty() ? process.exe() : process.cmdline());
  if (command.size() > kLongestCommand) command = command.substr(0, kLongestCommand) + "...";
  std::string text = fmt::format("{} {}", process.pid(), command);
  if (!process.exe().empty() && process.cmdline().rfind(process.exe(), 0) != 0) {
    text += fmt::format("  [{}]", printable(process.exe()));
  }
  return text + fmt::format("  uid {}", process.uid());
}

std::string tree_text(const v1::Alert& alert) {
  std::string text = fmt::format("  process    {}\n", process_text(alert.process()));
  std::string indent;
  for (const v1::Process& ancestor : alert.lineage()) {
    text += fmt::format("             {}└ {}\n", indent, process_text(ancestor));
    indent += "  ";
  }
  return text;
}

bool is_technique(const std::string& tag) {  // T1059, T1059.004
  return tag.size() >= 5 && tag[0] == 'T' && std::isdigit(static_cast<unsigned char>(tag[1]));
}

std::string tags_text(const v1::Alert& alert) {
  std::string techniques, others;
  for (const std::string& tag : alert.tags()) {
    (is_technique(tag) ? techniques : others) += fmt::format(" {}", printable(tag));
  }
  std::string text;
  if (!techniques.empty()) text += fmt::format("  ATT&CK    {}\n", techniques);
  if (!others.empty()) text += fmt::format("  tags      {}\n", others);
  return text;
}

std::string workspace_words(const v1::Workspace& workspace) {
  std::string words = printable(workspace.name());
  if (workspace.id() != workspace.name()) words += fmt::format("  {}", short_id(workspace.id()));
  if (!workspace.image().empty()) words += fmt::format("  image {}", printable(workspace.image()));
  if (workspace.has_pod()) {
    words += fmt::format("  pod {}/{}", printable(workspace.pod().namespace_()),
                         printable(workspace.pod().name()));
  }
  if (!workspace.owner().empty()) words += fmt::format("  owner {}", printable(workspace.owner()));
  return words;
}

}  // namespace

std::string short_time(const google::protobuf::Timestamp& time) {
  return time_text(time).substr(0, 23) + "Z";
}

// Hashes are cut, as every runtime's tools do; chosen names are not.
std::string short_id(const std::string& id) {
  const bool is_hash = id.size() == 64 && id.find_first_not_of("0123456789abcdef") == id.npos;
  return printable(std::string_view(id).substr(0, is_hash ? kShortId : id.size()));
}

std::string_view state_word(v1::WorkspaceState state) {
  switch (state) {
    case v1::WORKSPACE_STATE_RUNNING:
      return "running";
    case v1::WORKSPACE_STATE_FROZEN:
      return "frozen";
    case v1::WORKSPACE_STATE_GONE:
      return "gone";
    default:
      return "unknown";
  }
}

std::string alert_text(const v1::Alert& alert) {
  std::string text = fmt::format("{}  {}  {}\n", short_time(alert.time()),
                                 priority_name(alert.priority()), printable(alert.rule()));
  text += fmt::format("  {}\n", printable(alert.output()));
  if (!alert.workspace().id().empty()) {
    text += fmt::format("  workspace  {}\n", workspace_words(alert.workspace()));
  }
  if (alert.process().pid() != 0) text += tree_text(alert);
  text += tags_text(alert);
  if (!alert.why().empty()) text += fmt::format("  why        {}\n", printable(alert.why()));
  if (!alert.action().empty()) text += fmt::format("  response   {}\n", printable(alert.action()));
  if (alert.count() > 1) {
    text +=
        fmt::format("  seen       {} times, until {}\n", alert.count(), short_time(alert.last()));
  }
  return text +
         fmt::format("  alert      {}  on {}\n", printable(alert.id()), printable(alert.node()));
}

std::string workspace_line(const v1::NodeWorkspace& workspace) {
  const v1::Workspace& named = workspace.status().workspace();
  return fmt::format("{:<12}  {:<8}  {:<24}  {:<32}  {}\n", short_id(named.id()),
                     state_word(workspace.status().state()), printable(named.name()),
                     printable(named.image()), printable(workspace.node()));
}

std::string workspace_text(const v1::NodeWorkspace& workspace) {
  const v1::WorkspaceStatus& status = workspace.status();
  const v1::Workspace& named = status.workspace();
  std::string text = fmt::format("{}\n", printable(named.name()));
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text += fmt::format("  {:<12} {}\n", name, printable(value));
  };
  line("id", named.id());
  line("state", fmt::format("{} since {}", state_word(status.state()), short_time(status.since())));
  line("processes", std::to_string(status.processes()));
  line("image", named.image_source().empty()
                    ? named.image()
                    : fmt::format("{} (from {})", named.image(), named.image_source()));
  line("digest", named.image_digest());
  line("owner", named.owner());
  line("template", named.template_());
  line("repository", named.repository());
  line("pull request", named.pull_request());
  if (named.has_pod()) {
    line("pod", fmt::format("{}/{}", named.pod().namespace_(), named.pod().name()));
    line("pod uid", named.pod().uid());
  }
  line("incomplete", named.incomplete());
  line("runtime", named.runtime());
  line("cgroup", named.cgroup());
  line("node", workspace.node());
  const auto lines = [&](std::string_view name, const auto& map) {
    std::vector<std::string> labels;
    for (const auto& [key, value] : map) labels.push_back(fmt::format("{}={}", key, value));
    std::sort(labels.begin(), labels.end());
    for (const std::string& label : labels) line(name, label);
  };
  lines("label", named.labels());
  lines("pod label", named.pod().labels());
  lines("pod note", named.pod().annotations());
  return text;
}

std::string node_text(const v1::Node& node) {
  std::string text = fmt::format("{}  {}\n", printable(node.node()),
                                 node.connected() ? "connected" : "NOT CONNECTED");
  text += fmt::format("  agent {}, kernel {}, last seen {}, sequence {}\n",
                      printable(node.agent_version()), printable(node.kernel()),
                      short_time(node.last_seen()), node.last_sequence());
  size_t blind = 0;
  for (const v1::CoverageLine& line : node.coverage().lines()) blind += line.state() != "attached";
  if (node.has_sight() && !node.sight().sees()) {
    text += fmt::format("  BLIND since {}: {}\n", short_time(node.sight().since()),
                        printable(node.sight().why()));
  }
  if (blind != 0) text += fmt::format("  {} blind spots: picketctl coverage\n", blind);
  if (node.has_rules()) text += fmt::format("  {}\n", rules_words(node.rules()));
  if (node.missing() != 0) {
    text += fmt::format("  {} records never arrived", node.missing());
    for (const v1::SequenceGap& gap : node.gaps()) {
      text += fmt::format("{} {}..{}", &gap == &node.gaps(0) ? ":" : ",", gap.first(), gap.last());
    }
    text += '\n';
  }
  return text;
}

std::string rules_words(const v1::NodeRules& rules) {
  const std::string serial = rules.serial() == 0 ? "" : fmt::format(", serial {}", rules.serial());
  std::string text =
      rules.bundle_id().empty()
          ? fmt::format("has its own rules{}", serial)
          : fmt::format("has bundle {}{}{}, since {}", short_id(rules.bundle_id()), serial,
                        rules.shadow() ? " (on trial)" : "", short_time(rules.since()));
  if (rules.waivers() != 0) text += fmt::format(", {} waivers", rules.waivers());
  return text;
}

std::string coverage_text(const v1::Node& node) {
  std::string text = fmt::format(
      "{}  kernel {}{}, tier {}\n", printable(node.node()), printable(node.coverage().kernel()),
      node.coverage().untested() ? " (untested)" : "", printable(node.coverage().tier()));
  if (node.coverage().lines().empty()) text += "  nothing reported yet\n";
  for (const v1::CoverageLine& line : node.coverage().lines()) {
    text += fmt::format("  {:<9} {:<40} {}\n", printable(line.state()), printable(line.hook()),
                        printable(line.event()));
    if (!line.effect().empty()) text += fmt::format("            {}\n", printable(line.effect()));
    if (!line.reason().empty()) {
      text += fmt::format("            because: {}\n", printable(line.reason()));
    }
  }
  for (const v1::RuleGap& gap : node.coverage().rule_gaps()) {
    text += fmt::format("  rule {} {}\n", printable(gap.rule()),
                        gap.never_matches() ? "CANNOT MATCH on this node:" : "may miss something:");
    for (int i = 0; i < std::min(gap.hooks_size(), gap.effects_size()); ++i)
      text +=
          fmt::format("            {} ({})\n", printable(gap.effects(i)), printable(gap.hooks(i)));
  }
  return text;
}

std::string system_calls_text(const v1::Node& node,
                              const std::map<std::string, const v1::SystemCalls*>& calls) {
  std::string text = fmt::format("{}  kernel {}, {} system calls\n", printable(node.node()),
                                 printable(node.coverage().kernel()), calls.size());
  if (calls.empty()) text += "  nothing reported yet\n";
  for (const auto& [name, group] : calls)
    text += fmt::format("  {:<8} {:<24} {}\n", printable(group->state()), printable(name),
                        printable(group->detail()));
  return text;
}

std::string audit_line(const v1::AuditEntry& entry) {
  return fmt::format("{:>5}  {}  {}  {}  {}  \"{}\"  {}\n", entry.sequence(),
                     short_time(entry.time()), printable(entry.actor()), printable(entry.action()),
                     printable(entry.object()), printable(entry.reason()),
                     printable(entry.outcome()));
}

}  // namespace picket
