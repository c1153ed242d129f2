#include "collector/query/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/alert_json.h"

namespace picket {
namespace {

constexpr uint32_t kAuditDefault = 100;
constexpr uint32_t kAuditMost = 1000;
constexpr size_t kSessionsListed = 200;
constexpr uint32_t kGapsListed = 100;
constexpr uint32_t kGapsMost = 10'000;

std::set<std::string> connected(const QueryContext& context) {
  const std::vector<std::string> nodes = context.nodes.connected();
  return {nodes.begin(), nodes.end()};
}

absl::StatusOr<std::vector<v1::Node>> known_nodes(const QueryContext& context,
                                                  uint32_t gaps = kGapsListed) {
  auto reader = context.store.reader();
  if (!reader.ok()) return reader.status();
  auto nodes = (*reader)->nodes(gaps);
  if (!nodes.ok()) return nodes.status();
  const std::set<std::string> now = connected(context);
  for (v1::Node& node : *nodes) {
    node.set_connected(node.connected() || now.contains(node.node()));
    if (node.connected()) set_wall_ns(*node.mutable_last_seen(), context.clock.wall_ns());
  }
  return nodes;
}

absl::Status out_of_scope(const Caller& caller, std::string_view what, const std::string& which) {
  return absl::PermissionDeniedError(
      fmt::format("{} \"{}\" is outside of the scope of {}", what, which, caller.identity.uri));
}

// A session knows its workspace only by the id.
absl::Status keep_in_scope(StoreReader& reader, const Caller& caller,
                           std::vector<v1::NodeAgentSession>& sessions) {
  if (caller.scope.namespaces.empty()) return absl::OkStatus();
  const auto workspaces = reader.workspaces("");
  if (!workspaces.ok()) return workspaces.status();
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const v1::NodeWorkspace& one : *workspaces)
    if (in_scope(caller.scope.namespaces, one.status().workspace()))
      seen.emplace(one.node(), one.status().workspace().id());
  std::erase_if(sessions, [&](const v1::NodeAgentSession& one) {
    return !seen.contains({one.node(), one.session().workspace_id()});
  });
  return absl::OkStatus();
}

}  // namespace

absl::Status answer_alert(const QueryContext& context, const Caller& caller,
                          const v1::GetAlertRequest& request, v1::GetAlertResponse& response) {
  auto reader = context.store.reader();
  if (!reader.ok()) return reader.status();
  auto alert = (*reader)->alert(request.id());
  if (!alert.ok()) return alert.status();
  if (!in_scope(caller.scope.namespaces, alert->workspace()))
    return out_of_scope(caller, "alert", request.id());
  *response.mutable_alert() = *std::move(alert);
  return absl::OkStatus();
}

absl::Status answer_workspaces(const QueryContext& context, const Caller& caller,
                               const v1::ListWorkspacesRequest& request,
                               v1::ListWorkspacesResponse& response) {
  auto reader = context.store.reader();
  if (!reader.ok()) return reader.status();
  auto found = (*reader)->workspaces(request.workspace());
  if (!found.ok()) return found.status();
  if (found->empty() && !request.workspace().empty()) {
    return absl::NotFoundError(fmt::format("no workspace \"{}\"", request.workspace()));
  }
  std::erase_if(*found, [&](const v1::NodeWorkspace& one) {
    return !in_scope(caller.scope.namespaces, one.status().workspace());
  });
  if (found->empty() && !request.workspace().empty())
    return out_of_scope(caller, "workspace", request.workspace());
  for (v1::NodeWorkspace& workspace : *found) *response.add_workspaces() = std::move(workspace);
  return absl::OkStatus();
}

absl::Status answer_agent_sessions(const QueryContext& context, const Caller& caller,
                                   const v1::ListAgentSessionsRequest& request,
                                   v1::ListAgentSessionsResponse& response) {
  auto reader = context.store.reader();
  if (!reader.ok()) return reader.status();
  auto found = (*reader)->agent_sessions(request.session(), kSessionsListed);
  if (!found.ok()) return found.status();
  if (found->empty() && !request.session().empty())
    return absl::NotFoundError(fmt::format("no session \"{}\"", request.session()));
  if (absl::Status status = keep_in_scope(**reader, caller, *found); !status.ok()) return status;
  if (found->empty() && !request.session().empty())
    return out_of_scope(caller, "session", request.session());
  for (v1::NodeAgentSession& one : *found) {
    v1::AgentSession& session = *one.mutable_session();
    const std::string& asked = request.workspace();
    if (!asked.empty() && session.workspace_id() != asked && session.workspace_name() != asked)
      continue;
    if (request.session().empty()) {
      session.clear_commands();
      session.clear_files();
      session.clear_hosts();
      session.clear_credentials();
      session.clear_denials();
    }
    *response.add_sessions() = std::move(one);
  }
  return absl::OkStatus();
}

absl::Status answer_nodes(const QueryContext& context, const v1::ListNodesRequest& request,
                          v1::ListNodesResponse& response) {
  const uint32_t gaps = request.gaps() == 0 ? kGapsListed : std::min(request.gaps(), kGapsMost);
  auto nodes = known_nodes(context, gaps);
  if (!nodes.ok()) return nodes.status();
  for (v1::Node& node : *nodes) *response.add_nodes() = std::move(node);
  return absl::OkStatus();
}

absl::Status answer_policy(const QueryContext& context, const v1::GetPolicyRequest& request,
                           v1::GetPolicyResponse& response) {
  auto nodes = known_nodes(context);
  if (!nodes.ok()) return nodes.status();
  for (v1::Node& node : *nodes) {
    node.clear_coverage();
    node.clear_gaps();
  }
  auto reader = context.store.reader();
  if (!reader.ok()) return reader.status();
  const auto versions = (*reader)->bundles();
  if (!versions.ok()) return versions.status();
  response.mutable_versions()->Add(versions->begin(), versions->end());
  context.policy.describe(*nodes, response);
  if (request.version().empty()) return absl::OkStatus();
  const auto found = find_version(*versions, request.version());
  if (!found.ok()) return found.status();
  const auto bundle = (*reader)->bundle(found->bundle_id());
  if (!bundle.ok()) return bundle.status();
  v1::RuleBundle message;
  if (!message.ParseFromString(bundle->bytes))
    return absl::DataLossError("read a stored bundle of rules: it is damaged");
  *response.mutable_version() = *found;
  response.set_signature(message.signature());
  return absl::OkStatus();
}

absl::Status answer_status(const QueryContext& context, v1::GetStatusResponse& response) {
  auto reader = context.store.reader();
  if (!reader.ok()) return reader.status();
  const auto alerts = (*reader)->alert_count();
  if (!alerts.ok()) return alerts.status();
  const auto nodes = known_nodes(context);
  if (!nodes.ok()) return nodes.status();
  response.set_version(context.version);
  set_wall_ns(*response.mutable_started(), context.started_ns);
  response.set_alerts(*alerts);
  response.set_nodes(static_cast<uint32_t>(nodes->size()));
  response.set_nodes_connected(
      static_cast<uint32_t>(std::ranges::count_if(*nodes, &v1::Node::connected)));
  response.set_nodes_blind(static_cast<uint32_t>(std::ranges::count_if(
      *nodes, [](const v1::Node& node) { return node.has_sight() && !node.sight().sees(); })));
  auto& refused = *response.mutable_refused();
  for (const auto& [reason, count] : context.refusals.counts()) refused[reason] = count;
  for (size_t i = 0; i < static_cast<size_t>(Refusal::count); ++i) {
    const auto reason = static_cast<Refusal>(i);
    if (const uint64_t count = context.refused_peers.of(reason)) {
      refused[fmt::format("peer_{}", to_string(reason))] = count;
    }
  }
  if (!context.outputs) return absl::OkStatus();
  for (v1::OutputHealth& output : context.outputs()) *response.add_outputs() = std::move(output);
  return absl::OkStatus();
}

absl::Status answer_audit(const QueryContext& context, const v1::ListAuditRequest& request,
                          v1::ListAuditResponse& response) {
  auto reader = context.store.reader();
  if (!reader.ok()) return reader.status();
  const auto last = (*reader)->last_audit_sequence();
  if (!last.ok()) return last.status();
  const uint64_t limit =
      std::min(request.limit() == 0 ? kAuditDefault : request.limit(), kAuditMost);
  const uint64_t newest = *last > limit ? *last - limit : 0;
  auto entries = (*reader)->audit(request.has_after() ? request.after() : newest, limit);
  if (!entries.ok()) return entries.status();
  response.set_public_key(context.audit_key);
  response.set_last(*last);
  for (v1::AuditEntry& entry : *entries) *response.add_entries() = std::move(entry);
  return absl::OkStatus();
}

}  // namespace picket
