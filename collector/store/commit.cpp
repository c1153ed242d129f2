#include "collector/store/commit.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "common/alert_json.h"

namespace picket {
namespace {

// More holes than this in one spool are only counted.
constexpr uint64_t kMaxGaps = 100'000;
// Workspaces that are gone, kept per node to be named in answers.
constexpr uint64_t kMaxGone = 1000;
// Sessions of AI agents kept per node.
constexpr uint64_t kMaxSessions = 1000;

absl::Status record_gap(CommitTables& tables, const NodeBatch& batch, StreamState& stream,
                        SequenceRange gap, uint64_t now_ns) {
  if (stream.gaps >= kMaxGaps) return absl::OkStatus();
  ++stream.gaps;
  return tables.add_gap(batch, gap, now_ns);
}

// Of a sequence at or below the last one: whether it fills a gap (which then shrinks).
absl::StatusOr<bool> fill_gap(CommitTables& tables, const NodeBatch& batch, StreamState& stream,
                              uint64_t sequence, uint64_t now_ns) {
  if (stream.missing == 0) return false;
  const auto gap = tables.gap_at(batch, sequence);
  if (!gap.ok()) return gap.status();
  if (!*gap || sequence > (*gap)->last) return false;
  const auto [first, last] = **gap;
  absl::Status status = tables.remove_gap(batch, first);
  --stream.gaps;
  if (status.ok() && first < sequence)
    status = record_gap(tables, batch, stream, {first, sequence - 1}, now_ns);
  if (status.ok() && sequence < last)
    status = record_gap(tables, batch, stream, {sequence + 1, last}, now_ns);
  if (!status.ok()) return status;
  --stream.missing;
  return true;
}

absl::Status store_workspace(CommitTables& tables, const std::string& node,
                             const v1::WorkspaceStatus& status, uint64_t now_ns) {
  absl::Status stored = tables.set_workspace(node, status, now_ns);
  if (!stored.ok() || status.state() != v1::WORKSPACE_STATE_GONE) return stored;
  return tables.forget_gone(node, kMaxGone);
}

absl::Status end_others(CommitTables& tables, const std::string& node,
                        const v1::WorkspaceInventory& inventory, uint64_t now_ns) {
  const std::set<std::string_view> running(inventory.workspace_ids().begin(),
                                           inventory.workspace_ids().end());
  auto present = tables.present(node);
  if (!present.ok()) return present.status();
  for (v1::WorkspaceStatus& status : *present) {
    if (running.contains(status.workspace().id())) continue;
    status.set_state(v1::WORKSPACE_STATE_GONE);
    status.set_processes(0);
    set_wall_ns(*status.mutable_since(), now_ns);
    absl::Status stored = store_workspace(tables, node, status, now_ns);
    if (!stored.ok()) return stored;
  }
  return absl::OkStatus();
}

absl::Status store_alert(CommitTables& tables, const std::string& node, v1::Alert alert,
                         uint64_t now_ns, CommitOutcome& outcome) {
  alert.set_node(node);
  if (alert.count() == 0) alert.set_count(1);
  return tables.store_alert(std::move(alert), now_ns, outcome);
}

absl::Status store_result(CommitTables& tables, const std::string& node,
                          const v1::CommandResult& result, CommitOutcome& outcome) {
  absl::Status status = tables.add_result(node, result);
  if (status.ok()) outcome.results.push_back({node, result});
  return status;
}

absl::Status store_body(CommitTables& tables, const std::string& node, const v1::Envelope& envelope,
                        uint64_t now_ns, CommitOutcome& outcome) {
  switch (envelope.body_case()) {
    case v1::Envelope::kAlert:
      if (envelope.alert().id().empty() || envelope.alert().rule().empty()) break;
      ++outcome.stored;
      return store_alert(tables, node, envelope.alert(), now_ns, outcome);
    case v1::Envelope::kWorkspace:
      if (envelope.workspace().workspace().id().empty()) break;
      ++outcome.stored;
      return store_workspace(tables, node, envelope.workspace(), now_ns);
    case v1::Envelope::kCoverage:
      ++outcome.stored;
      return tables.set_fact(node, NodeFact::coverage, envelope.coverage().SerializeAsString(),
                             now_ns);
    case v1::Envelope::kSight:
      ++outcome.stored;
      return tables.set_fact(node, NodeFact::sight, envelope.sight().SerializeAsString(), now_ns);
    case v1::Envelope::kRules:
      ++outcome.stored;
      return tables.set_fact(node, NodeFact::rules, envelope.rules().SerializeAsString(), now_ns);
    case v1::Envelope::kSession:
      if (envelope.session().id().empty()) break;
      ++outcome.stored;
      return tables.set_session(node, envelope.session(), kMaxSessions);
    case v1::Envelope::kInventory:
      ++outcome.stored;
      return end_others(tables, node, envelope.inventory(), now_ns);
    case v1::Envelope::kResult:
      ++outcome.stored;
      return store_result(tables, node, envelope.result(), outcome);
    case v1::Envelope::BODY_NOT_SET:
      break;  // also a body that only a newer agent knows
  }
  // Refusing it would make the agent send it for ever.
  ++outcome.skipped;
  return absl::OkStatus();
}

}  // namespace

uint64_t last_ns(const v1::Alert& alert) {
  return wall_ns(alert.has_last() ? alert.last() : alert.time());
}

bool adds_to(const KnownAlert& known, const std::string& stored, const v1::Alert& alert) {
  if (alert.count() != known.count) return alert.count() > known.count;
  const uint64_t last = last_ns(alert);
  if (last != known.last_ns) return last > known.last_ns;
  v1::Alert before;
  return before.ParseFromString(stored) && alert.fields_size() > before.fields_size();
}

absl::Status add_to_commit(CommitTables& tables, const NodeBatch& batch, uint64_t now_ns,
                           CommitOutcome& outcome) {
  auto stream = tables.stream(batch);
  if (!stream.ok()) return stream.status();
  for (const v1::Envelope& envelope : batch.batch.envelopes()) {
    const uint64_t sequence = envelope.sequence();
    if (sequence <= stream->last) {
      const auto fills = fill_gap(tables, batch, *stream, sequence, now_ns);
      if (!fills.ok()) return fills.status();
      if (!*fills) {
        ++outcome.duplicates;
        continue;
      }
    } else if (sequence > stream->last + 1) {
      const SequenceRange gap{stream->last + 1, sequence - 1};
      absl::Status status = record_gap(tables, batch, *stream, gap, now_ns);
      if (!status.ok()) return status;
      stream->missing += sequence - gap.first;
      outcome.missing += sequence - gap.first;
    }
    stream->last = std::max(stream->last, sequence);
    absl::Status status = store_body(tables, batch.node, envelope, now_ns, outcome);
    if (!status.ok()) return status;
  }
  outcome.committed.push_back(stream->last);
  return tables.set_stream(batch, *stream, now_ns);
}

}  // namespace picket
