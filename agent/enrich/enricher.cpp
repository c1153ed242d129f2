#include "agent/enrich/enricher.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/enrich/cgroup_name.h"

namespace picket {
namespace {

using State = WorkspaceEntry::State;

constexpr uint64_t kCheckEveryNs = 100'000'000;

bool is_pause_container(const Workspace& workspace) {
  for (const char* key :
       {"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"}) {
    const auto label = workspace.labels.find(key);
    if (label != workspace.labels.end() && label->second == "sandbox") return true;
  }
  return false;
}

// What can be said about a workspace that no resolver knows: nothing stays empty, and `resolved`
// says that it is a guess.
void describe_by_path(Workspace& workspace) {
  workspace.id = workspace_id(workspace.cgroup);
  if (workspace.id.empty()) workspace.id = fmt::format("cgroup-{}", workspace.cgroup_id);
  workspace.name = workspace.id;
  if (is_container_id(workspace.id)) workspace.container_id = workspace.id;
  workspace.image = "unresolved";
  workspace.image_source = "none";
  workspace.runtime = "unknown";
  workspace.resolved = false;
}

}  // namespace

Enricher::Enricher(EnricherOptions options, IdentityRequest request, IdentityFailure failure,
                   IdentityChange change)
    : options_(std::move(options)),
      request_(std::move(request)),
      failure_(std::move(failure)),
      change_(std::move(change)),
      processes_(options_.processes),
      workspaces_(options_.max_workspaces) {}

void Enricher::on_event(const Event& event, ObservationSink& sink) {
  const pk_header& header = event.header();
  on_tick(header.time_ns, sink);
  if (header.cgroup_id == 0) return on_outside_event(event);
  WorkspaceEntry* entry = workspaces_.open(header.cgroup_id);
  if (entry == nullptr) {
    ++stats_.refused;
    return;
  }
  learn_path(*entry, event);
  switch (entry->state) {
    case State::excluded:
      ++stats_.excluded;
      if (const auto* cgroup = event.as<pk_cgroup>()) on_cgroup(*entry, event, *cgroup);
      return;
    case State::fresh:
    case State::pending:
      return hold(*entry, event, sink);
    case State::unresolved:
      if (header.time_ns >= entry->deadline_ns) {
        entry->deadline_ns = header.time_ns + options_.identity_retry_ns;
        request_(header.cgroup_id, entry->workspace.cgroup, header.pid);
      }
      return observe(*entry, event, sink);
    case State::identified:
      return observe(*entry, event, sink);
  }
}

void Enricher::on_outside_event(const Event& event) {
  ++stats_.outside;
  processes_.apply(event);
}

void Enricher::on_identity(uint64_t cgroup_id, absl::StatusOr<Workspace> identity,
                           ObservationSink& sink) {
  WorkspaceEntry* entry = workspaces_.find(cgroup_id);
  const bool wanted =
      entry && (entry->state == State::pending || entry->state == State::unresolved);
  if (!wanted) {
    ++stats_.unwanted;
    return;
  }
  if (!identity.ok()) {
    if (entry->state == State::pending) give_up(*entry, identity.status(), sink);
    return;
  }
  std::optional<Workspace> before;
  if (entry->state == State::unresolved) {
    ++stats_.resolved_late;
    before = entry->workspace;
  }
  const Workspace* known_before = before ? &*before : nullptr;
  const bool frozen = entry->workspace.frozen;
  entry->workspace = *std::move(identity);
  entry->workspace.cgroup_id = cgroup_id;
  entry->workspace.frozen = frozen;
  entry->workspace.resolved = true;
  if (is_excluded(entry->workspace)) {
    if (known_before != nullptr) tell_change(known_before, nullptr);
    return exclude(*entry);
  }
  entry->state = State::identified;
  tell_change(known_before, &entry->workspace);
  let_go(*entry, sink);
}

void Enricher::on_tick(uint64_t event_time_ns, ObservationSink& sink) {
  now_ns_ = std::max(now_ns_, event_time_ns);
  if (now_ns_ < next_check_ns_) return;
  next_check_ns_ = now_ns_ + kCheckEveryNs;
  std::vector<WorkspaceEntry*> late;
  workspaces_.for_each([&](WorkspaceEntry& entry) {
    if (entry.state == State::pending && entry.deadline_ns <= now_ns_) late.push_back(&entry);
  });
  std::ranges::sort(late, {}, &WorkspaceEntry::deadline_ns);
  for (WorkspaceEntry* entry : late) {
    give_up(*entry, absl::DeadlineExceededError("no identity came in time"), sink);
  }
  if (now_ns_ > options_.gone_grace_ns)
    workspaces_.close_gone_before(now_ns_ - options_.gone_grace_ns);
}

std::optional<uint64_t> Enricher::oldest_waiting_ns() const {
  std::optional<uint64_t> oldest;
  workspaces_.for_each([&](const WorkspaceEntry& entry) {
    if (entry.state != State::pending) return;
    // It was asked for with the first record that is more than its cgroup's making.
    const uint64_t since = entry.deadline_ns - options_.identity_wait_ns;
    oldest = std::min(oldest.value_or(since), since);
  });
  return oldest;
}

bool Enricher::is_excluded(const Workspace& workspace) const {
  const auto matches = [&](const std::string& root) {
    return !workspace.cgroup.empty() && is_below(workspace.cgroup, root);
  };
  return is_pause_container(workspace) || std::ranges::any_of(options_.excluded_cgroups, matches);
}

void Enricher::learn_path(WorkspaceEntry& entry, const Event& event) {
  const auto* cgroup = event.as<pk_cgroup>();
  if (cgroup == nullptr || cgroup->id != entry.workspace.cgroup_id ||
      !entry.workspace.cgroup.empty())
    return;
  entry.workspace.cgroup = event.text(cgroup->path);
  if (is_excluded(entry.workspace)) exclude(entry);
}

void Enricher::ask(WorkspaceEntry& entry, uint32_t pid, uint64_t time_ns) {
  entry.state = State::pending;
  entry.deadline_ns = time_ns + options_.identity_wait_ns;
  request_(entry.workspace.cgroup_id, entry.workspace.cgroup, pid);
}

void Enricher::hold(WorkspaceEntry& entry, const Event& event, ObservationSink& sink) {
  ++stats_.held;
  const size_t before = entry.held.size_bytes();
  entry.held.add(event.bytes());
  held_bytes_ += entry.held.size_bytes() - before;
  const bool by_runtime = event.type() == PK_CGROUP_MKDIR || event.type() == PK_CGROUP_RMDIR;
  if (entry.state == State::fresh && !by_runtime)
    ask(entry, event.header().pid, event.header().time_ns);
  if (entry.held.count() >= options_.max_held_records || held_bytes_ >= options_.max_held_bytes) {
    return give_up(
        entry,
        absl::ResourceExhaustedError(fmt::format("{} records wait for it", entry.held.count())),
        sink);
  }
  const auto* cgroup = event.as<pk_cgroup>();
  const bool removed = event.type() == PK_CGROUP_RMDIR && cgroup->id == event.header().cgroup_id;
  if (removed && entry.state == State::fresh) {
    stats_.never_entered += take_held(entry).count();
    workspaces_.close(event.header().cgroup_id);
  }
}

void Enricher::give_up(WorkspaceEntry& entry, const absl::Status& why, ObservationSink& sink) {
  ++stats_.unresolved;
  describe_by_path(entry.workspace);
  entry.state = State::unresolved;
  entry.deadline_ns = now_ns_ + options_.identity_retry_ns;
  tell_change(nullptr, &entry.workspace);
  failure_(entry.workspace, why);
  let_go(entry, sink);
}

void Enricher::exclude(WorkspaceEntry& entry) {
  entry.state = State::excluded;
  const HeldRecords held = take_held(entry);
  stats_.excluded += held.count();
  held.for_each([&](std::span<const std::byte> record) {
    const auto event = Event::parse(record);
    if (const auto* cgroup = event->as<pk_cgroup>()) on_cgroup(entry, *event, *cgroup);
  });
}

void Enricher::tell_change(const Workspace* before, const Workspace* now) const {
  if (change_) change_(before, now);
}

void Enricher::let_go(WorkspaceEntry& entry, ObservationSink& sink) {
  take_held(entry).for_each(
      [&](std::span<const std::byte> record) { observe(entry, *Event::parse(record), sink); });
}

void Enricher::observe(WorkspaceEntry& entry, const Event& event, ObservationSink& sink) {
  ++stats_.observations;
  const Process& process = processes_.apply(event);
  if (entry.workspace.init_pid == 0 && process.vpid == 1)
    entry.workspace.init_pid = process.key.pid;
  sink.on_observation({event, process, entry.workspace});
  if (const auto* cgroup = event.as<pk_cgroup>()) on_cgroup(entry, event, *cgroup);
}

void Enricher::on_cgroup(WorkspaceEntry& entry, const Event& event, const pk_cgroup& cgroup) {
  const bool own = cgroup.id == entry.workspace.cgroup_id;
  if (event.type() == PK_CGROUP_MKDIR && !own &&
      !workspaces_.add_child(cgroup.id, entry.workspace.cgroup_id)) {
    ++stats_.cgroups_refused;
  }
  if (event.type() != PK_CGROUP_RMDIR) return;
  if (own) {
    entry.gone_ns = std::max<uint64_t>(event.header().time_ns, 1);
  } else {
    workspaces_.remove_child(cgroup.id);
  }
}

HeldRecords Enricher::take_held(WorkspaceEntry& entry) {
  held_bytes_ -= entry.held.size_bytes();
  return std::exchange(entry.held, {});
}

}  // namespace picket
