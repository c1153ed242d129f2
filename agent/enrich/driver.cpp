#include "agent/enrich/driver.h"

#include <algorithm>
#include <array>

namespace picket {
namespace {

constexpr std::array<std::string_view, PK_DRIVER_END> kOrigins{
    "unknown", "human", "ide", "build", "package_manager", "ai_agent", "service", "platform"};

}  // namespace

std::string_view to_string(Origin origin) {
  const auto i = static_cast<size_t>(origin);
  return i < kOrigins.size() ? kOrigins[i] : kOrigins[0];
}

std::optional<Origin> origin_of(std::string_view word) {
  const auto found = std::ranges::find(kOrigins, word);
  if (found == kOrigins.end()) return std::nullopt;
  return static_cast<Origin>(found - kOrigins.begin());
}

uint32_t agent_hash(std::string_view kind) {
  uint32_t hash = 2166136261U;
  for (const char c : kind) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
  return hash != 0 ? hash : 1;
}

pk_lineage to_kernel(const Driver& driver) {
  pk_lineage lineage{};
  lineage.driver = static_cast<uint8_t>(driver.origin);
  lineage.terminals = driver.terminals;
  lineage.agent = driver.agent.empty() ? 0 : agent_hash(driver.agent.view());
  lineage.agent_pid = driver.agent_session.pid;
  lineage.agent_start_ns = driver.agent_session.start_ns;
  return lineage;
}

}  // namespace picket
