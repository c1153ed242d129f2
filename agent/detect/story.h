// Puts findings of one lineage into a story, so that a person sees one attack and not its pieces:
// each gets the story's first finding, its parent (the finding nearest above it, else the one
// before), its stage and its place. One lineage is what sequences take for one: a branch below the
// workspace's first process, or a session. A story ends when nothing was added for a while. What
// claims nothing (records, rules on trial) is put into a story that is there, but begins none and
// is nobody's parent. Owner: the pipeline thread; event time only, so a replay tells the same.
// Errors: none; a full table forgets the story that was quiet longest, and what comes then is
// another one.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agent/detect/finding.h"

namespace picket {

struct StoryOptions {
  uint64_t quiet_ns = 3600ULL * 1'000'000'000;  // after the last finding
  size_t per_workspace = 32;                    // stories
  size_t remembered = 32;                       // findings of a story, to be parents
};

class Stories {
 public:
  explicit Stories(StoryOptions options) : options_(options) {}

  // Of a finding that was not told before: sets its incident.
  void add(Finding& finding);
  // Its story goes on.
  void repeated(const Finding& finding, uint64_t time_ns);
  void on_tick(uint64_t event_time_ns);

  size_t size() const;

 private:
  struct Told {
    ProcessKey process;
    FindingRef finding;
  };
  struct Story {
    FindingRef first;
    std::vector<Subtree> subtrees;
    std::deque<Told> told;  // the newest last
    uint32_t count = 0;
    uint64_t last_ns = 0;
  };
  using OfWorkspace = std::vector<Story>;  // the one that was quiet longest in front

  Story* find(const Finding& finding, uint64_t time_ns);
  Story* begin(const Finding& finding);
  void remember(Story& story, const Finding& finding) const;
  static const FindingRef* parent_of(const Story& story, const Finding& finding);

  const StoryOptions options_;
  std::map<std::string, OfWorkspace, std::less<>> stories_;  // by the workspace's id
};

}  // namespace picket
