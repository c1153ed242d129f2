#include "agent/detect/story.h"

#include <algorithm>
#include <utility>

namespace picket {
namespace {

constexpr std::string_view kTactic = "mitre_";
constexpr size_t kMaxSubtrees = 8;

// The first ATT&CK tactic among the rule's tags: what the finding was good for.
std::string stage_of(const Finding& finding) {
  for (const std::string& tag : finding.tags)
    if (tag.starts_with(kTactic)) return tag.substr(kTactic.size());
  return {};
}

bool claims(const Finding& finding) {
  return finding.priority <= Priority::notice && !finding.shadow;
}

FindingRef ref_of(const Finding& finding) {
  return {finding.merge_id, finding.rule, finding.first_ns};
}

bool later_than(uint64_t now_ns, uint64_t then_ns, uint64_t distance_ns) {
  return now_ns > then_ns && now_ns - then_ns > distance_ns;
}

}  // namespace

Stories::Story* Stories::find(const Finding& finding, uint64_t time_ns) {
  const auto known = stories_.find(finding.workspace.id);
  if (known == stories_.end()) return nullptr;
  OfWorkspace& stories = known->second;
  const auto found = std::ranges::find_if(stories, [&](const Story& story) {
    return !later_than(time_ns, story.last_ns, options_.quiet_ns) &&
           std::ranges::any_of(story.subtrees, [&](const Subtree& subtree) {
             return same_subtree(subtree, finding.subtree);
           });
  });
  if (found == stories.end()) return nullptr;
  std::rotate(found, found + 1, stories.end());
  return &stories.back();
}

Stories::Story* Stories::begin(const Finding& finding) {
  OfWorkspace& stories = stories_[finding.workspace.id];
  if (stories.size() >= options_.per_workspace) stories.erase(stories.begin());
  Story& story = stories.emplace_back();
  story.first = ref_of(finding);
  return &story;
}

// The nearest process above, itself included, that something was found of; else whatever came
// before.
const FindingRef* Stories::parent_of(const Story& story, const Finding& finding) {
  const auto told_of = [&](const ProcessKey& process) -> const FindingRef* {
    const auto at = std::find_if(story.told.rbegin(), story.told.rend(),
                                 [&](const Told& told) { return told.process == process; });
    return at == story.told.rend() ? nullptr : &at->finding;
  };
  if (const FindingRef* own = told_of(finding.process.key)) return own;
  for (const ProcessSummary& ancestor : finding.lineage)
    if (const FindingRef* above = told_of(ancestor.key)) return above;
  return story.told.empty() ? nullptr : &story.told.back().finding;
}

void Stories::remember(Story& story, const Finding& finding) const {
  story.last_ns = std::max(story.last_ns, finding.time_ns);
  const bool known = std::ranges::any_of(story.subtrees, [&](const Subtree& subtree) {
    return subtree.root == finding.subtree.root && subtree.session == finding.subtree.session;
  });
  if (!known && story.subtrees.size() < kMaxSubtrees) story.subtrees.push_back(finding.subtree);
  if (story.told.size() >= options_.remembered) story.told.pop_front();
  story.told.push_back({finding.process.key, ref_of(finding)});
}

void Stories::add(Finding& finding) {
  if (finding.process.key.pid == 0 || options_.per_workspace == 0) return;
  Story* story = find(finding, finding.time_ns);
  if (story == nullptr && !claims(finding)) return;
  if (story == nullptr) story = begin(finding);
  finding.incident.first = story->first;
  finding.incident.stage = stage_of(finding);
  finding.incident.position = ++story->count;
  if (const FindingRef* parent = parent_of(*story, finding)) finding.incident.parent = *parent;
  if (claims(finding)) remember(*story, finding);
}

void Stories::repeated(const Finding& finding, uint64_t time_ns) {
  if (finding.process.key.pid == 0 || !claims(finding)) return;
  if (Story* story = find(finding, time_ns)) story->last_ns = std::max(story->last_ns, time_ns);
}

void Stories::on_tick(uint64_t event_time_ns) {
  for (auto workspace = stories_.begin(); workspace != stories_.end();) {
    std::erase_if(workspace->second, [&](const Story& story) {
      return later_than(event_time_ns, story.last_ns, options_.quiet_ns);
    });
    workspace = workspace->second.empty() ? stories_.erase(workspace) : std::next(workspace);
  }
}

size_t Stories::size() const {
  size_t count = 0;
  for (const auto& [workspace, stories] : stories_) count += stories.size();
  return count;
}

}  // namespace picket
