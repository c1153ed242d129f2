#include "collector/fleet/replicas.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace picket {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBetweenLooks{5'000};
// Longer than a connection is used for new streams (collector.cpp).
constexpr std::chrono::minutes kStreamAge{40};
constexpr size_t kPage = 500, kPageBytes = 16U << 20;

std::string words(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

Replicas::Replicas(Store& store, Writer& writer, NodeRegistry& nodes, Commands& commands,
                   PolicyDistribution& policy, Watchers watchers)
    : store_(store),
      replica_(store.replica()),
      writer_(writer),
      nodes_(nodes),
      commands_(commands),
      policy_(policy),
      watchers_(std::move(watchers)) {}

Replicas::~Replicas() { stop(); }

absl::Status Replicas::start() {
  if (replica_ == nullptr) return absl::OkStatus();
  auto wire = replica_->wire();
  if (!wire.ok()) return wire.status();
  wire_ = *std::move(wire);
  // The first news are everything: what there is, everybody has read at its start.
  if (const auto first = wire_->wait(milliseconds(0)); !first.ok()) return first.status();
  const auto reader = store_.reader();
  if (!reader.ok()) return reader.status();
  const auto newest = (*reader)->newest_row();
  if (!newest.ok()) return newest.status();
  last_row_ = *newest;
  thread_ = std::thread([this] { loop(); });
  return absl::OkStatus();
}

void Replicas::stop() {
  stopping_ = true;
  if (wire_) wire_->interrupt();
  if (thread_.joinable()) thread_.join();
}

void Replicas::loop() {
  while (!stopping_) {
    const Time now = std::chrono::steady_clock::now();
    if (now >= next_look_) look(now);
    const auto news = wire_->wait(std::chrono::ceil<milliseconds>(next_look_ - now));
    if (stopping_) return;
    if (!news.ok()) {
      if (!is_cut_) spdlog::warn("{}", words(news.status()));
      is_cut_ = true;
      continue;
    }
    if (is_cut_) spdlog::info("the other collectors are heard again");
    is_cut_ = false;
    act(*news);
  }
}

// What no news tell, or what they told in vain.
void Replicas::look(Time now) {
  next_look_ = now + kBetweenLooks;
  if (is_cut_) return;
  act({.alerts = true, .commands = true, .results = false, .nodes = true, .policy = false});
  commands_.look();
  nodes_.close_older(now - kStreamAge, "it is old; the next one may be to another collector");
}

void Replicas::act(const News& news) {
  if (news.alerts) publish_new();
  if (news.nodes) leave_moved();
  if (news.commands) deliver_orders();
  if (news.results) commands_.look();
  if (news.policy) policy_.refresh();
}

// Numbers ascend in the order of commits, so nothing that comes later has a lower one. Whoever
// begins to watch after the newest was read will find it in the store.
void Replicas::publish_new() {
  const auto reader = store_.reader();
  if (!reader.ok()) return;
  const auto newest = (*reader)->newest_row();
  if (!newest.ok()) return;
  watchers_.stored(*newest);
  if (!watchers_.are_there()) {
    last_row_ = std::max(last_row_, *newest);
    return;
  }
  while (last_row_ < *newest) {
    auto page = (*reader)->alerts_after(last_row_, kPage, kPageBytes);
    if (!page.ok() || page->empty()) return;
    last_row_ = page->back().row;
    CommitOutcome outcome;
    outcome.new_alerts = *std::move(page);
    watchers_.publish(outcome);
  }
}

void Replicas::deliver_orders() {
  std::vector<OpenCommand> taken;
  const absl::Status status = writer_.run_and_wait([&](Store&) -> absl::Status {
    auto commands = replica_->take();
    if (!commands.ok()) return commands.status();
    taken = *std::move(commands);
    return absl::OkStatus();
  });
  if (!status.ok()) spdlog::warn("orders of other collectors wait: {}", words(status));
  for (const OpenCommand& open : taken) {
    const auto link = nodes_.find(open.node);
    if (link && link->deliver(open.command)) continue;
    const absl::Status back =
        writer_.run_and_wait([&](Store&) { return replica_->give_back(open.command.id()); });
    if (!back.ok()) spdlog::warn("command {} is lost: {}", open.command.id(), words(back));
  }
}

void Replicas::leave_moved() {
  std::vector<std::string> moved;
  const absl::Status status = writer_.run_and_wait([&](Store&) -> absl::Status {
    auto nodes = replica_->moved(nodes_.connected());
    if (!nodes.ok()) return nodes.status();
    moved = *std::move(nodes);
    return absl::OkStatus();
  });
  if (!status.ok()) return;
  for (const std::string& node : moved)
    if (const auto link = nodes_.find(node))
      link->close("a newer stream of this node, to another collector, has taken its place");
}

}  // namespace picket
