#include "collector/fleet/commands.h"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

#include "common/alert_json.h"
#include "common/utf8.h"

namespace picket {
namespace {

using std::chrono::milliseconds;

constexpr size_t kQueue = 1024;
constexpr size_t kMaxAwaited = 1024;
constexpr size_t kExpiredKept = 256;
constexpr size_t kMaxText = 1000;
constexpr size_t kMaxTurnedAway = 256;
constexpr uint32_t kDefaultTimeoutMs = 30'000;
constexpr uint32_t kMaxTimeoutMs = 600'000;
constexpr milliseconds kIdle{60'000};

std::string action_word(v1::Action action) {
  switch (action) {
    case v1::ACTION_KILL:
      return "workspace.kill";
    case v1::ACTION_FREEZE:
      return "workspace.freeze";
    case v1::ACTION_THAW:
      return "workspace.thaw";
    default:
      return "workspace.unknown";
  }
}

// Unguessable: a node must not be able to answer for another one's command.
absl::StatusOr<std::string> new_command_id() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) {
    return absl::InternalError("make a command id: no random numbers");
  }
  std::string id;
  for (const unsigned char byte : bytes) id += fmt::format("{:02x}", byte);
  return id;
}

std::string outcome_words(const v1::CommandResult& result) {
  return fmt::format("{}: {}{}", result.ok() ? "done" : "failed", result.detail(),
                     result.dry_run() ? " (dry run)" : "");
}

// For the audit log, which also takes what was refused for its length.
std::string bounded(const std::string& text) {
  return text.size() <= kMaxText ? text : to_utf8(std::string_view(text).substr(0, kMaxText));
}

std::string words(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

Commands::Commands(const Store& store, Writer& writer, NodeRegistry& nodes, const Clock& clock)
    : store_(store), writer_(writer), nodes_(nodes), clock_(clock), queue_(kQueue) {}

Commands::~Commands() { stop(); }

absl::Status Commands::start() {
  if (absl::Status status = close_abandoned(); !status.ok()) return status;
  thread_ = std::thread([this] { loop(); });
  return absl::OkStatus();
}

absl::Status Commands::close_abandoned() {
  return writer_.run_and_wait([](Store& store) -> absl::Status {
    const auto open = store.open_commands();
    if (!open.ok()) return open.status();
    for (const OpenCommand& left : *open) {
      v1::AuditEntry entry;
      entry.set_actor(left.command.issued_by());
      entry.set_action(action_word(left.command.action()));
      entry.set_object(fmt::format("{} {}", left.node, left.command.workspace_id()));
      entry.set_reason(left.command.reason());
      entry.set_outcome("interrupted: the collector stopped before the node's answer came");
      if (const auto added = store.append_audit(std::move(entry)); !added.ok()) {
        return added.status();
      }
      absl::Status closed = store.close_command(left.command.id(), CommandState::interrupted);
      if (!closed.ok()) return closed;
    }
    return absl::OkStatus();
  });
}

void Commands::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
  audit_turned_away();
}

bool Commands::submit(CommandRequest request, Done done) {
  if (queue_.push(Order{request, std::move(done)})) return true;
  turn_away(request);
  return false;
}

// The audit entry waits for this object's thread: whoever floods must not fill the writer's queue.
void Commands::turn_away(const CommandRequest& request) {
  const std::lock_guard lock(turned_away_mutex_);
  const auto found = turned_away_.find(request.actor);
  if (found == turned_away_.end() && turned_away_.size() >= kMaxTurnedAway) {
    spdlog::error("a command of {} was refused, too many wait; the audit log cannot say it",
                  request.actor);
    return;
  }
  TurnedAway& entry = turned_away_[request.actor];
  entry.last.set_action(request.order.action());
  entry.last.set_workspace(bounded(request.order.workspace()));
  entry.last.set_reason(bounded(request.order.reason()));
  ++entry.count;
}

void Commands::audit_turned_away() {
  std::map<std::string, TurnedAway> turned_away;
  {
    const std::lock_guard lock(turned_away_mutex_);
    turned_away.swap(turned_away_);
  }
  for (const auto& [actor, one] : turned_away) {
    std::string why = "the collector could take no more commands";
    if (one.count > 1) why += fmt::format("; {} attempts, this is the last", one.count);
    refuse({actor, one.last, ""}, absl::ResourceExhaustedError(why));
  }
}

void Commands::on_commit(const CommitOutcome& outcome) {
  for (const NodeResult& result : outcome.results) {
    if (result.result.command_id().empty()) continue;  // a rule asked, nobody waits
    if (!queue_.push(result)) {
      spdlog::warn("the answer of {} to command {} came while too many waited", result.node,
                   result.result.command_id());
    }
  }
}

// A full queue: the next look finds as much.
void Commands::look() { queue_.push(Look{}); }

void Commands::look_for_answers() {
  if (const absl::Status closed = close_abandoned(); !closed.ok())
    spdlog::warn("what other collectors left open stays so for now: {}", words(closed));
  std::vector<std::string> ids;
  for (const auto& [id, awaited] : awaited_) ids.push_back(id);
  for (const Expired& expired : expired_) ids.push_back(expired.id);
  if (ids.empty()) return;
  const auto reader = store_.reader();
  if (!reader.ok()) return;
  const auto results = (*reader)->results(ids);
  if (!results.ok()) return;
  for (const NodeResult& result : *results) answer(result);
}

milliseconds Commands::until_next_deadline() const {
  milliseconds wait = kIdle;
  const Time now = std::chrono::steady_clock::now();
  for (const auto& [id, awaited] : awaited_) {
    wait = std::min(wait, std::chrono::ceil<milliseconds>(awaited.deadline - now));
  }
  return std::max(wait, milliseconds(0));
}

void Commands::loop() {
  while (!queue_.finished()) {
    auto next = queue_.pop(until_next_deadline());
    if (next) {
      if (Order* order = std::get_if<Order>(&*next)) {
        issue(std::move(*order));
      } else if (const NodeResult* result = std::get_if<NodeResult>(&*next)) {
        answer(*result);
      } else {
        look_for_answers();
      }
    }
    expire(std::chrono::steady_clock::now());
    audit_turned_away();
  }
  interrupt_all();
}

absl::Status Commands::check(const v1::RunCommandRequest& order) const {
  if (order.action() != v1::ACTION_KILL && order.action() != v1::ACTION_FREEZE &&
      order.action() != v1::ACTION_THAW) {
    return absl::InvalidArgumentError("the action must be kill, freeze or thaw");
  }
  if (order.workspace().empty()) return absl::InvalidArgumentError("which workspace?");
  if (order.workspace().size() > kMaxText) {
    return absl::InvalidArgumentError(
        fmt::format("the workspace's name is longer than {} bytes", kMaxText));
  }
  if (order.reason().find_first_not_of(" \t\r\n") == std::string::npos) {
    return absl::InvalidArgumentError("a reason is required: it goes into the audit log");
  }
  if (order.reason().size() > kMaxText) {
    return absl::InvalidArgumentError(fmt::format("the reason is longer than {} bytes", kMaxText));
  }
  if (awaited_.size() >= kMaxAwaited) {
    return absl::ResourceExhaustedError("too many commands wait for their nodes");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::NodeWorkspace> Commands::find_workspace(const CommandRequest& request) const {
  const std::string& workspace = request.order.workspace();
  auto reader = store_.reader();
  if (!reader.ok()) return reader.status();
  auto found = (*reader)->workspaces(workspace);
  if (!found.ok()) return found.status();
  const bool any = !found->empty();
  std::erase_if(*found, [&](const v1::NodeWorkspace& candidate) {
    return !in_scope(request.namespaces, candidate.status().workspace());
  });
  if (any && found->empty()) {
    return absl::PermissionDeniedError(
        fmt::format("workspace \"{}\" is outside of the scope of {}", workspace, request.actor));
  }
  std::erase_if(*found, [](const v1::NodeWorkspace& candidate) {
    return candidate.status().state() == v1::WORKSPACE_STATE_GONE;
  });
  if (found->size() == 1) return std::move(found->front());
  if (found->empty()) {
    return absl::NotFoundError(fmt::format("{} workspace \"{}\"{}", any ? "no running" : "no",
                                           workspace, any ? ": it is gone" : ""));
  }
  std::string which;
  for (const v1::NodeWorkspace& candidate : *found) {
    which += fmt::format("{}{} on {}", which.empty() ? "" : ", ",
                         candidate.status().workspace().id(), candidate.node());
    if (which.size() > 500) break;
  }
  return absl::InvalidArgumentError(
      fmt::format("workspace \"{}\" is ambiguous: {}", workspace, which));
}

absl::StatusOr<v1::AuditEntry> Commands::audit(const std::string& actor, const std::string& source,
                                               v1::Action action, const std::string& object,
                                               const std::string& reason,
                                               const std::string& outcome) {
  v1::AuditEntry entry;
  entry.set_actor(actor);
  entry.set_source(source);
  entry.set_action(action_word(action));
  entry.set_object(object);
  entry.set_reason(reason);
  entry.set_outcome(outcome);
  absl::Status status = writer_.run_and_wait([&](Store& store) -> absl::Status {
    auto added = store.append_audit(std::move(entry));
    if (!added.ok()) return added.status();
    entry = *std::move(added);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return entry;
}

// No audit entry, no command.
absl::StatusOr<Commands::Awaited> Commands::record(const CommandRequest& request,
                                                   const v1::NodeWorkspace& target) {
  const v1::RunCommandRequest& order = request.order;
  auto id = new_command_id();
  if (!id.ok()) {
    refuse(request, id.status());
    return id.status();
  }
  const uint32_t timeout =
      order.timeout_ms() == 0 ? kDefaultTimeoutMs : std::min(order.timeout_ms(), kMaxTimeoutMs);
  const uint64_t now_ns = clock_.wall_ns();
  Awaited awaited;
  awaited.node = target.node();
  awaited.actor = request.actor;
  awaited.source = request.source;
  awaited.object = fmt::format("{} {}", target.node(), target.status().workspace().id());
  awaited.deadline = std::chrono::steady_clock::now() + milliseconds(timeout);
  v1::Command& command = awaited.command;
  command.set_id(*id);
  command.set_action(order.action());
  command.set_workspace_id(target.status().workspace().id());
  command.set_reason(order.reason());
  command.set_issued_by(request.actor);
  set_wall_ns(*command.mutable_issued(), now_ns);
  set_wall_ns(*command.mutable_not_after(), now_ns + uint64_t{timeout} * 1'000'000U);
  const auto entry = audit(request.actor, request.source, order.action(), awaited.object,
                           order.reason(), fmt::format("requested: command {}", *id));
  if (!entry.ok()) return entry.status();
  awaited.audit_id = std::to_string(entry->sequence());
  absl::Status status = writer_.run_and_wait(
      [&](Store& store) { return store.add_command(awaited.node, awaited.command); });
  if (!status.ok()) {
    close(awaited, CommandState::failed, fmt::format("failed: {}", words(status)));
    return status;
  }
  return awaited;
}

void Commands::refuse(const CommandRequest& request, const absl::Status& why) {
  const v1::RunCommandRequest& asked = request.order;
  const auto entry =
      audit(request.actor, request.source, asked.action(), bounded(asked.workspace()),
            bounded(asked.reason()), fmt::format("refused: {}", words(why)));
  if (!entry.ok()) {
    spdlog::error("a refusal of {} could not be audited: {}", request.actor, words(entry.status()));
  }
}

// To the node's stream, which may be another collector's.
absl::Status Commands::send(const Awaited& awaited) {
  if (const auto link = nodes_.find(awaited.node)) {
    if (link->deliver(awaited.command)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        fmt::format("node {} takes no more commands", awaited.node));
  }
  return writer_.run_and_wait([&](Store& store) -> absl::Status {
    Replica* const replica = store.replica();
    const auto passed = replica ? replica->pass_on(awaited.command.id()) : false;
    if (!passed.ok()) return passed.status();
    if (*passed) return absl::OkStatus();
    return absl::FailedPreconditionError(fmt::format("node {} is not connected", awaited.node));
  });
}

void Commands::issue(Order order) {
  const v1::RunCommandRequest& asked = order.request.order;
  absl::Status status = order.request.denied.empty()
                            ? check(asked)
                            : absl::PermissionDeniedError(order.request.denied);
  absl::StatusOr<v1::NodeWorkspace> target = status.ok() ? find_workspace(order.request) : status;
  if (!target.ok()) {
    refuse(order.request, target.status());
    return order.done(target.status());
  }
  auto awaited = record(order.request, *target);
  if (!awaited.ok()) return order.done(awaited.status());
  awaited->done = std::move(order.done);
  if (absl::Status sent = send(*awaited); !sent.ok()) {
    close(*awaited, CommandState::failed, fmt::format("failed: {}", words(sent)));
    return awaited->done(sent);
  }
  awaited_.emplace(awaited->command.id(), *std::move(awaited));
}

void Commands::close(const Awaited& awaited, CommandState state, const std::string& outcome) {
  const auto entry = audit(awaited.actor, awaited.source, awaited.command.action(), awaited.object,
                           awaited.command.reason(), outcome);
  absl::Status status = entry.status();
  if (status.ok()) {
    status = writer_.run_and_wait(
        [&](Store& store) { return store.close_command(awaited.command.id(), state); });
  }
  if (!status.ok()) {
    spdlog::error("the outcome of command {} ({}) could not be recorded: {}", awaited.command.id(),
                  outcome, words(status));
  }
}

void Commands::answer(const NodeResult& result) {
  const auto found = awaited_.find(result.result.command_id());
  if (found == awaited_.end()) return answer_late(result);
  if (found->second.node != result.node) {
    spdlog::warn("{} answered a command that was given to {}", result.node, found->second.node);
    return;
  }
  const Awaited awaited = std::move(found->second);
  awaited_.erase(found);
  close(awaited, result.result.ok() ? CommandState::done : CommandState::failed,
        outcome_words(result.result));
  v1::RunCommandResponse response;
  *response.mutable_result() = result.result;
  response.set_audit_id(awaited.audit_id);
  awaited.done(std::move(response));
}

void Commands::answer_late(const NodeResult& result) {
  const auto found = std::find_if(expired_.begin(), expired_.end(), [&](const Expired& expired) {
    return expired.id == result.result.command_id() && expired.node == result.node;
  });
  if (found == expired_.end()) return;
  const auto entry = audit(found->actor, found->source, found->action, found->object, "",
                           fmt::format("late: {}", outcome_words(result.result)));
  if (!entry.ok()) spdlog::error("a late answer could not be audited: {}", words(entry.status()));
  expired_.erase(found);
}

void Commands::expire(Time now) {
  for (auto next = awaited_.begin(); next != awaited_.end();) {
    if (next->second.deadline > now) {
      ++next;
      continue;
    }
    const Awaited awaited = std::move(next->second);
    next = awaited_.erase(next);
    const std::string why = fmt::format(
        "node {} did not answer in time; it may still carry out the command", awaited.node);
    close(awaited, CommandState::expired, fmt::format("no answer: {}", why));
    if (expired_.size() == kExpiredKept) expired_.pop_front();
    expired_.push_back({awaited.command.id(), awaited.node, awaited.actor, awaited.source,
                        awaited.object, awaited.command.action()});
    awaited.done(absl::DeadlineExceededError(why));
  }
}

void Commands::interrupt_all() {
  for (auto& [id, awaited] : awaited_) {
    close(awaited, CommandState::interrupted, "interrupted: the collector is stopping");
    awaited.done(absl::UnavailableError("the collector is stopping"));
  }
  awaited_.clear();
}

}  // namespace picket
