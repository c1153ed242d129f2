// The nodes that are connected now, and the way to each. Safe from every thread; links are called
// outside the lock. Nothing fails: a node without a stream is simply not found.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "collector/store/store.h"
#include "picket/v1/fleet.pb.h"

namespace picket {

// The collector's end of one node's stream. Safe from every thread, also after the stream has
// ended.
struct AgentLink {
  virtual ~AgentLink() = default;
  // false: the stream has ended, or too many commands wait on it.
  virtual bool deliver(const v1::Command& command) = 0;
  // What is newer takes the place of what is still on its way.
  virtual void offer(std::shared_ptr<const RuleBundle> bundle, bool shadow) = 0;
  virtual void offer(std::shared_ptr<const v1::WaiverSet> waivers) = 0;
  // Ends the stream; the agent may come back at once.
  virtual void close(std::string_view why) = 0;
};

class NodeRegistry {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // The link takes the place of an older one of the same node, which is closed.
  void connect(const std::string& node, std::shared_ptr<AgentLink> link,
               Time now = std::chrono::steady_clock::now());
  // Only if `link` is still the node's; a replaced stream ends late.
  void disconnect(const std::string& node, const AgentLink* link);

  std::shared_ptr<AgentLink> find(const std::string& node) const;  // nullptr: not connected
  std::vector<std::string> connected() const;
  size_t size() const;
  void close_all(std::string_view why);
  // Of the streams that began before `time`, but not more than a hundredth of all, or ten.
  void close_older(Time time, std::string_view why);

 private:
  struct Entry {
    std::shared_ptr<AgentLink> link;
    Time since;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> links_;
};

}  // namespace picket
