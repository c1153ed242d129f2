#include "agent/enrich/enricher.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "agent/enrich/annotations.h"
#include "agent/enrich/cgroup_name.h"

namespace picket {
namespace {

using State = WorkspaceEntry::State;

constexpr uint64_t kCheckEveryNs = 100'000'000;

// More may still be found out about it.
bool is_open(const WorkspaceEntry& entry) {
  return entry.state == State::unresolved ||
         (entry.state == State::identified && !entry.workspace.incomplete.empty());
}

std::optional<IpAddress> ip_of(uint8_t family, const uint8_t (&bytes)[16]) {
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  IpAddress address{.v6 = family == AF_INET6};
  std::copy_n(bytes, address.v6 ? 16 : 4, address.bytes.begin());
  return address;
}

std::optional<IpAddress> peer_of(const Event& event) {
  if (const auto* connect = event.as<pk_connect>())
    return ip_of(connect->family, connect->remote_addr);
  const pk_ends* ends = nullptr;
  if (const auto* flow = event.as<pk_flow>()) ends = &flow->ends;
  if (const auto* payload = event.as<pk_payload>()) ends = &payload->ends;
  return ends ? ip_of(ends->family, ends->remote_addr) : std::nullopt;
}

// What can be said about a workspace that no resolver knows: nothing stays empty, and `resolved`
// says that it is a guess.
void describe_by_path(Workspace& workspace) {
  workspace.id = workspace_id(workspace.cgroup);
  if (workspace.id.empty()) workspace.id = fmt::format("cgroup-{}", workspace.cgroup_id);
  workspace.name = workspace.id;
  if (is_container_id(workspace.id)) workspace.container_id = workspace.id;
  workspace.pod.uid = pod_uid(workspace.cgroup);
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
    case State::identified:
      if (is_open(*entry) && header.time_ns >= entry->deadline_ns) {
        entry->deadline_ns = header.time_ns + options_.identity_retry_ns;
        request_(header.cgroup_id, entry->workspace.cgroup, header.pid);
      }
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
  if (entry == nullptr || !(entry->state == State::pending || is_open(*entry))) {
    ++stats_.unwanted;
    return;
  }
  if (!identity.ok()) {
    if (entry->state == State::pending) give_up(*entry, identity.status(), sink);
    return;
  }
  std::optional<Workspace> before;
  if (entry->state != State::pending) {
    if (!identity->incomplete.empty() && entry->state == State::identified) return;  // no news
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
  if (!entry->workspace.incomplete.empty()) {
    ++stats_.incomplete;
    entry->deadline_ns = now_ns_ + options_.identity_retry_ns;
    failure_(entry->workspace, absl::UnavailableError(entry->workspace.incomplete));
  }
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
  return is_pod_sandbox(workspace) || std::ranges::any_of(options_.excluded_cgroups, matches);
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
  const Workspace* peer = learn_peer(entry, event);
  const bool foreign = entry.namespaces.apply(event, process);
  const auto* flow = event.as<pk_flow>();
  sink.on_observation({event, process, entry.workspace, learn_names(event), peer, target_of(event),
                       foreign, flow != nullptr ? flows_.on_flow(*flow) : FlowAmount{}});
  if (!entry.started) tell_started(entry, event, process, sink);
  tell_relayed(entry, sink, relays_.on_event(event, process, processes_));
  if (const auto* cgroup = event.as<pk_cgroup>()) on_cgroup(entry, event, *cgroup);
}

// Once for each workspace, when its first program runs and the runtime's configuration is known. Of
// what ran before the agent the first process counts, of which the runtime knows the number.
void Enricher::tell_started(WorkspaceEntry& entry, const Event& event, const Process& process,
                            ObservationSink& sink) {
  const bool found = event.type() == PK_FOUND && !entry.made;  // else it is the runtime's own
  if ((event.type() != PK_EXEC && !found) || process.entering || !entry.workspace.posture) return;
  if (found && entry.workspace.init_pid != 0 && process.key.pid != entry.workspace.init_pid) return;
  entry.started = true;
  pk_started started{.header = event.header(), .found = found, .zero = {}};
  started.header.type = PK_STARTED;
  started.header.size = sizeof started;
  started.header.call = PK_CALL_NONE;
  if (const auto told = Event::parse(std::as_bytes(std::span(&started, size_t{1}))))
    sink.on_observation(
        {*told, process, entry.workspace, {}, learn_namespaces(entry, process), nullptr});
}

// A namespace that another workspace was started with. The node's own is everybody's; what the
// runtime runs on its way in is still in that.
const Workspace* Enricher::learn_namespaces(const WorkspaceEntry& entry, const Process& process) {
  if (process.key.pid != entry.workspace.init_pid) return nullptr;
  const Posture& posture = *entry.workspace.posture;
  const Workspace* peer = nullptr;
  for (const auto& [inum, is_nodes] : {std::pair(process.net_ns, posture.host_network),
                                       std::pair(process.pid_ns, posture.host_pid)}) {
    if (inum == 0 || is_nodes) continue;
    uint64_t& owner = namespaces_[inum];
    if (const Workspace* other = other_workspace(entry, owner)) {
      peer = other;
    } else {
      owner = entry.workspace.cgroup_id;
    }
  }
  return peer;
}

// No hook tells these: they follow from several records.
void Enricher::tell_relayed(const WorkspaceEntry& entry, ObservationSink& sink,
                            const std::vector<pk_relayed>& found) const {
  for (const pk_relayed& relayed : found) {
    const Process* program = processes_.find({relayed.header.pid, relayed.header.start_ns});
    const auto event = Event::parse(std::as_bytes(std::span(&relayed, size_t{1})));
    if (program == nullptr || !event) continue;
    const auto peer = ip_of(relayed.ends.family, relayed.ends.remote_addr);
    sink.on_observation(
        {*event, *program, entry.workspace,
         peer ? names_.find_all(relayed.header.cgroup_id, *peer, relayed.header.time_ns)
              : std::string_view(),
         nullptr});
  }
}

void Enricher::on_cgroup(WorkspaceEntry& entry, const Event& event, const pk_cgroup& cgroup) {
  const bool own = cgroup.id == entry.workspace.cgroup_id;
  // Of a cgroup that was there before the agent nobody is told as its maker.
  if (event.type() == PK_CGROUP_MKDIR && own && event.header().pid != 0) entry.made = true;
  if (event.type() == PK_CGROUP_MKDIR && !own &&
      !workspaces_.add_child(cgroup.id, entry.workspace.cgroup_id)) {
    ++stats_.cgroups_refused;
  }
  if (event.type() != PK_CGROUP_RMDIR) return;
  if (own) {
    names_.forget(cgroup.id);
    addresses_.forget(cgroup.id);
    absl::erase_if(namespaces_, [&](const auto& known) { return known.second == cgroup.id; });
    entry.gone_ns = std::max<uint64_t>(event.header().time_ns, 1);
  } else {
    workspaces_.remove_child(cgroup.id);
  }
}

// Takes in what an answer says; of an event with a peer, the name it was asked for by.
std::string_view Enricher::learn_names(const Event& event) {
  const pk_header& header = event.header();
  if (const auto* dns = event.as<pk_dns>()) {
    if (dns->answer != 0 &&
        message_.decode(event.text(dns->message), dns->ends.proto == IPPROTO_TCP))
      names_.learn(header.cgroup_id, message_, header.time_ns);
    return {};
  }
  const std::optional<IpAddress> peer = peer_of(event);
  return peer ? names_.find_all(header.cgroup_id, *peer, header.time_ns) : std::string_view();
}

const Process* Enricher::target_of(const Event& event) const {
  const auto* call = event.as<pk_system>();
  if (call == nullptr || call->target_start_ns == 0) return nullptr;
  return processes_.find({call->target_pid, call->target_start_ns});
}

// By who has the address, or, of a unix socket, by the process at the other end; of a call that is
// about a process, by that; of a FIFO or a file of memory by who opened it before.
const Workspace* Enricher::learn_peer(const WorkspaceEntry& entry, const Event& event) {
  const uint64_t own = event.header().cgroup_id;
  const auto* call = event.as<pk_socket>();
  uint64_t other = call != nullptr ? call->peer_cgroup_id : 0;
  if (const auto* about = event.as<pk_system>()) other = about->target_cgroup_id;
  if (const auto* open = event.as<pk_open>()) other = files_.learn(event, *open, entry.workspace);
  if (call != nullptr && other == 0 && call->peer_pid != 0) {
    // Who listened has ended, and left the socket to a child: the kernel knows its number only.
    const Process* listened = processes_.find_pid(call->peer_pid);
    if (listened != nullptr && listened->exited) other = listened->workspace_cgroup;
  }
  const pk_ends* ends = call != nullptr ? &call->ends : nullptr;
  if (const auto* flow = event.as<pk_flow>()) ends = &flow->ends;
  if (const auto* payload = event.as<pk_payload>()) ends = &payload->ends;
  if (ends != nullptr)
    if (const auto local = ip_of(ends->family, ends->local_addr)) addresses_.learn(*local, own);
  if (other == 0)
    if (const auto peer = peer_of(event)) other = addresses_.find(*peer);
  return other_workspace(entry, other);
}

// nullptr: it is none, the same one, or gone. Containers of one pod share what they like.
const Workspace* Enricher::other_workspace(const WorkspaceEntry& entry, uint64_t cgroup_id) const {
  if (cgroup_id == 0 || cgroup_id == entry.workspace.cgroup_id) return nullptr;
  const WorkspaceEntry* other = workspaces_.find(cgroup_id);
  if (other == nullptr || other->gone_ns != 0) return nullptr;
  const std::string& pod = entry.workspace.pod.uid;
  return pod.empty() || pod != other->workspace.pod.uid ? &other->workspace : nullptr;
}

HeldRecords Enricher::take_held(WorkspaceEntry& entry) {
  held_bytes_ -= entry.held.size_bytes();
  return std::exchange(entry.held, {});
}

}  // namespace picket
