#include "collector/fleet/node_registry.h"

#include <utility>

namespace picket {

void NodeRegistry::connect(const std::string& node, std::shared_ptr<AgentLink> link) {
  std::shared_ptr<AgentLink> older;
  {
    const std::lock_guard lock(mutex_);
    older = std::exchange(links_[node], std::move(link));
  }
  if (older) older->close("a newer stream of this node has taken its place");
}

void NodeRegistry::disconnect(const std::string& node, const AgentLink* link) {
  std::shared_ptr<AgentLink> gone;  // destroyed outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = links_.find(node);
  if (found == links_.end() || found->second.get() != link) return;
  gone = std::move(found->second);
  links_.erase(found);
}

std::shared_ptr<AgentLink> NodeRegistry::find(const std::string& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = links_.find(node);
  return found == links_.end() ? nullptr : found->second;
}

std::vector<std::string> NodeRegistry::connected() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> nodes;
  for (const auto& [node, link] : links_) nodes.push_back(node);
  return nodes;
}

size_t NodeRegistry::size() const {
  const std::lock_guard lock(mutex_);
  return links_.size();
}

void NodeRegistry::close_all(std::string_view why) {
  std::map<std::string, std::shared_ptr<AgentLink>, std::less<>> links;
  {
    const std::lock_guard lock(mutex_);
    links.swap(links_);
  }
  for (const auto& [node, link] : links) link->close(why);
}

}  // namespace picket
