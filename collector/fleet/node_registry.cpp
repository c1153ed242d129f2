#include "collector/fleet/node_registry.h"

#include <algorithm>
#include <utility>

namespace picket {

void NodeRegistry::connect(const std::string& node, std::shared_ptr<AgentLink> link, Time now) {
  std::shared_ptr<AgentLink> older;
  {
    const std::lock_guard lock(mutex_);
    older = std::exchange(links_[node], {std::move(link), now}).link;
  }
  if (older) older->close("a newer stream of this node has taken its place");
}

void NodeRegistry::disconnect(const std::string& node, const AgentLink* link) {
  std::shared_ptr<AgentLink> gone;  // destroyed outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = links_.find(node);
  if (found == links_.end() || found->second.link.get() != link) return;
  gone = std::move(found->second.link);
  links_.erase(found);
}

std::shared_ptr<AgentLink> NodeRegistry::find(const std::string& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = links_.find(node);
  return found == links_.end() ? nullptr : found->second.link;
}

std::vector<std::string> NodeRegistry::connected() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> nodes;
  for (const auto& [node, entry] : links_) nodes.push_back(node);
  return nodes;
}

size_t NodeRegistry::size() const {
  const std::lock_guard lock(mutex_);
  return links_.size();
}

void NodeRegistry::close_all(std::string_view why) {
  decltype(links_) links;
  {
    const std::lock_guard lock(mutex_);
    links.swap(links_);
  }
  for (const auto& [node, entry] : links) entry.link->close(why);
}

void NodeRegistry::close_older(Time time, std::string_view why) {
  std::vector<std::shared_ptr<AgentLink>> links;
  {
    const std::lock_guard lock(mutex_);
    const size_t most = std::max<size_t>(10, links_.size() / 100);
    for (const auto& [node, entry] : links_) {
      if (links.size() == most) break;
      if (entry.since < time) links.push_back(entry.link);
    }
  }
  for (const auto& link : links) link->close(why);
}

}  // namespace picket
