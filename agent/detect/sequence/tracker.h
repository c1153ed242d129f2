// The open sequences of every workspace and owner: which steps were seen, and which one is waited
// for. Owner: the pipeline thread; event time only. Bounded per workspace, so that a flood in one
// never costs another its open sequences; what a full workspace let go of is counted, and told by
// whoever asks. Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/detect/detector.h"
#include "agent/detect/sequence/sequence.h"

namespace picket {

class RuleSet;
class Waivers;
namespace rule {
class Evaluation;
}

struct SequenceLimits {
  size_t open = 256;         // sequences of a workspace
  size_t values = 8192;      // that all its counting steps remember
  size_t workspaces = 4096;  // with an open sequence
};

// Of one workspace, since the last call.
struct SequenceLoss {
  uint64_t cgroup_id = 0;
  uint64_t count = 0;
  uint64_t first_ns = 0, last_ns = 0;
};

class SequenceTracker {
 public:
  explicit SequenceTracker(SequenceLimits limits = {});
  ~SequenceTracker();

  // From the next event on. What is open of a sequence that is as it was goes on.
  void use(std::shared_ptr<const RuleSet> rules);

  // During the evaluation's run(): an event that matches this step of the rule's sequence. Of the
  // steps that one event matches, the last one is told first: an event is one step of a sequence.
  // The waivers are asked when a sequence is to be told.
  void on_step(uint32_t rule, uint32_t step, const Observation& observation,
               rule::Evaluation& evaluation, Waivers& waivers, FindingSink& sink);
  void on_tick(uint64_t event_time_ns, Waivers& waivers, FindingSink& sink);

  std::vector<SequenceLoss> take_losses();
  size_t open() const;

 private:
  struct Open;
  struct Place;
  struct Step;
  using Opens = std::vector<std::unique_ptr<Open>>;  // the oldest first

  bool apply(const Step& step, Place& place, Opens& opens, FindingSink& sink);
  bool take(const Step& step, Place& place, Opens& opens, FindingSink& sink);
  void end(const Step& step, Place& place, Opens& opens);
  bool advance(const Step& step, Place& place, Opens& opens, Open& open, FindingSink& sink);
  void go_on_with_the_latest(const Step& step, Place& place, Opens& opens, Open& open);
  void slide(const Step& step, Open& open, uint64_t more);
  bool count(const Step& step, Place& place, Open& open);
  bool add_up(const Step& step, Open& open);
  void make_room(Place& place, uint64_t time_ns);
  void tick(uint32_t rule, Place& place, Opens& opens, uint64_t now_ns, Waivers& waivers,
            FindingSink& sink);

  const SequenceLimits limits_;
  std::shared_ptr<const RuleSet> rules_;
  struct Whose {  // a workspace, or an owner with all that are theirs
    std::string owner;
    uint64_t cgroup_id = 0;
    friend auto operator<=>(const Whose&, const Whose&) = default;
  };
  std::map<Whose, std::unique_ptr<Place>> places_;
  std::vector<SequenceLoss> losses_;
};

}  // namespace picket
