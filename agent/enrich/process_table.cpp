#include "agent/enrich/process_table.h"

#include <sched.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/enrich/command_line.h"
#include "agent/enrich/loader_file.h"
#include "agent/enrich/process_update.h"

namespace picket {
namespace {

// A parent is older than its child. Refusing anything else keeps the lineage free of cycles,
// whatever a damaged recording claims; equal times order by pid.
bool older(ProcessKey parent, ProcessKey child) {
  return std::pair(parent.start_ns, parent.pid) < std::pair(child.start_ns, child.pid);
}

}  // namespace

ProcessTable::ProcessTable(ProcessTableOptions options)
    : options_(options), drivers_(options.live) {
  options_.max_processes = std::max<size_t>(options_.max_processes, 2);
}

ProcessTable::~ProcessTable() {
  running_.clear();
  exited_.clear();
  held_.clear();
  waiting_.clear();
  for (const auto& node : by_key_) node->children.clear();
}

const Process& ProcessTable::apply(const Event& event) {
  const pk_header& header = event.header();
  now_ns_ = std::max<uint64_t>(now_ns_, header.time_ns);
  expire();
  const bool by_runtime = event.type() == PK_CGROUP_MKDIR || event.type() == PK_CGROUP_RMDIR;
  // Told by a packet or at a socket's end: the process may have ended, and its credentials are
  // those of the opening.
  const bool by_socket =
      event.type() == PK_FLOW || event.type() == PK_DNS || event.type() == PK_PAYLOAD;
  if (by_runtime || by_socket || header.pid == 0) {
    const Node* known = find_node({header.pid, header.start_ns});
    return known ? *known : stranger(header);
  }
  Node& node = touch(header);
  switch (event.type()) {
    case PK_FORK:
      on_fork(node, event, *event.as<pk_fork>());
      break;
    case PK_EXEC:
    case PK_FOUND:
      on_exec(node, event, *event.as<pk_exec>());
      break;
    case PK_CGROUP_ATTACH:
      // Who left and comes back is known.
      if (node.state_ns == 0) node.entering = event.as<pk_cgroup>()->attach == PK_ATTACH_ENTER;
      break;
    case PK_EXIT:
      mark_exited(node);
      break;
    case PK_OPEN:
      files_.on_open(node, event, *event.as<pk_open>());
      break;
    case PK_CONNECT:
      files_.on_connect(node);
      break;
    case PK_STDIO:
      std::ranges::copy(event.as<pk_stdio>()->fd, node.fd.begin());
      break;
    default:
      break;
  }
  if (node.state_ns == 0 && node.comm.empty()) {
    if (const auto* connect = event.as<pk_connect>()) node.comm = connect->comm;
  }
  return node;
}

const Process* ProcessTable::find(ProcessKey key) const { return find_node(key); }

const Process* ProcessTable::find_pid(uint32_t pid) const {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : *found;
}

ProcessTable::Node* ProcessTable::find_node(ProcessKey key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->get();
}

const Process& ProcessTable::stranger(const pk_header& header) {
  stranger_ = Process{};
  stranger_.key = {header.pid, header.start_ns};
  update_credentials(stranger_, header);
  return stranger_;
}

ProcessTable::Node& ProcessTable::touch(const pk_header& header) {
  const ProcessKey key{header.pid, header.start_ns};
  Node* known = find_node(key);
  if (known == nullptr) {
    known = &create(key);
    const bool complete =
        header.type == PK_FORK || header.type == PK_EXEC || header.type == PK_FOUND;
    if (!complete) ++stats_.incomplete;
  } else if (!known->exited) {
    running_.splice(running_.end(), running_, running_.iterator_to(*known));
  }
  // A task keeps the workspace whose cgroup it entered first.
  if (known->workspace_cgroup == 0) known->workspace_cgroup = header.cgroup_id;
  if (header.flags & PK_EXEC_IN) known->exec_in = true;
  if (header.type != PK_FOUND || known->state_ns <= header.time_ns) {
    if (header.type != PK_EXEC && gains_root(*known, header.uid)) known->gained_root = true;
    // What an exec gives is known with its record.
    if (header.type != PK_EXEC) update_credentials(*known, header);
  }
  return *known;
}

ProcessTable::Node& ProcessTable::create(ProcessKey key) {
  make_room();
  ++stats_.created;
  auto owned = std::make_unique<Node>();
  owned->key = key;
  Node& node = **by_key_.insert(std::move(owned)).first;
  running_.push_back(node);
  claim_pid(node);
  adopt_waiting(node);
  return node;
}

void ProcessTable::claim_pid(Node& node) {
  const auto [place, first] = by_pid_.insert(&node);
  if (first) return;
  Node& other = **place;
  if (!older(other.key, node.key)) {  // a late record of a process whose pid was used again since
    mark_exited(node);
    return;
  }
  if (!other.exited) {
    ++stats_.inferred_exits;
    mark_exited(other);
  }
  by_pid_.erase(place);
  by_pid_.insert(&node);
}

void ProcessTable::on_fork(Node& node, const Event& event, const pk_fork& fork) {
  set_parent(node, {fork.parent_pid, fork.parent_start_ns});
  if (node.state_ns != 0) return;  // found or exec'd already: that is newer than its birth
  const Node* parent = node.parent_node();
  node.clone_flags = fork.clone_flags;
  node.blank = parent == nullptr || parent->state_ns == 0 || parent->blank;
  if (!node.blank) {
    inherit(node, *parent, fork.clone_flags);
    node.gained_root = gains_root(*parent, event.header().uid);
    if (parent->files != nullptr) node.files = std::make_unique<FileUse>(*parent->files);
    node.environments = parent->environments;
  } else if ((fork.clone_flags & CLONE_PARENT) != 0) {
    node.entering = has_entering_sibling(node);
  }
  update_from_fork(node, fork);
  update_credentials(node, event.header());
  if (event.header().flags & PK_EXEC_IN) node.entering = true;  // made right into the cgroup
  node.state_ns = event.header().time_ns;
  drivers_.on_fork(node, node.state_ns);
}

void ProcessTable::on_exec(Node& node, const Event& event, const pk_exec& exec) {
  const uint64_t time_ns = event.header().time_ns;
  const bool found = event.type() == PK_FOUND;
  // The parent of the fork counts: the kernel's current one may be whoever adopted the process.
  if (node.parent_key == ProcessKey{}) set_parent(node, {exec.parent_pid, exec.parent_start_ns});
  if (!found) node.exec_time_ns = std::max(node.exec_time_ns, time_ns);
  if (time_ns < node.state_ns) {
    ++stats_.stale;
    return;
  }
  const bool first_state = node.state_ns == 0;
  // The real id stays behind a set-id program.
  if (!found && exec.ruid == 0 && gains_root(node, event.header().uid)) node.gained_root = true;
  update_from_exec(node, event, exec, texts_);
  node.state_ns = time_ns;
  node.blank = false;
  // Runtimes run themselves again from a copy that is mounted nowhere: such a path has no root.
  if (!found && std::string_view(node.exe).starts_with('/')) node.entering = false;
  node.is_loader = is_loader(node);
  files_.on_exec(node, drivers_.origins());
  drivers_.on_exec(node, found, first_state);
  if (first_state && node.parent != nullptr)
    node.package = node.parent->package;  // no fork was told
  node.package = drivers_.origins().package_of(node);
  if (found && first_state) fill_blank_children(node);
}

// What nobody of the workspace wrote has its name from the image. A copy, or the image's own under
// another name, lies in the writable layer.
bool ProcessTable::is_loader(const Node& node) const {
  if (is_loader_name(node.exe)) return true;
  return options_.live != nullptr && node.layer == PK_LAYER_UPPER && node.interp.empty() &&
         Arguments(node.argv).more() && options_.live->runs_loader(node);
}

// Before it was found, this process made children: they have its state, for an exec in between
// would have been seen.
void ProcessTable::fill_blank_children(Node& node) {
  std::vector<Node*> filled{&node};
  while (!filled.empty()) {
    Node& parent = *filled.back();
    filled.pop_back();
    for (Node& child : parent.children) {
      if (!child.blank) continue;
      inherit(child, parent, child.clone_flags);
      child.blank = false;
      drivers_.on_fork(child, child.state_ns);
      filled.push_back(&child);
    }
  }
}

void ProcessTable::mark_exited(Node& node) {
  if (node.exited) return;
  FileSources::learn_feeder(node);
  node.exited = true;
  node.exit_ns = now_ns_;
  exited_.splice(exited_.end(), running_, running_.iterator_to(node));
}

void ProcessTable::set_parent(Node& node, ProcessKey parent) {
  if (parent.pid == 0 || !older(parent, node.key) || node.parent_key == parent) return;
  leave_parent(node);
  node.parent_key = parent;
  if (Node* known = find_node(parent)) {
    put_below(node, *known);
  } else {
    wait_for_parent(node);
  }
}

// The stages in which a runtime enters a container are made as siblings, whose parent is outside.
bool ProcessTable::has_entering_sibling(const Node& node) const {
  const auto list = waiting_.find(node.parent_key);
  return list != waiting_.end() && std::ranges::any_of(list->second, &Node::entering);
}

void ProcessTable::put_below(Node& node, Node& parent) {
  node.parent = &parent;
  node.waits = false;
  node.depth = static_cast<uint16_t>(std::min<int>(parent.depth + 1, UINT16_MAX));
  parent.children.push_back(node);
}

void ProcessTable::wait_for_parent(Node& node) {
  node.parent = nullptr;
  node.waits = true;
  node.depth = 0;
  waiting_[node.parent_key].push_back(node);
}

void ProcessTable::leave_parent(Node& node) {
  if (Node* parent = node.parent_node()) {
    parent->children.erase(Node::Siblings::s_iterator_to(node));
  } else if (node.waits) {
    const auto list = waiting_.find(node.parent_key);
    list->second.erase(Node::Siblings::s_iterator_to(node));
    if (list->second.empty()) waiting_.erase(list);
  }
  node.parent = nullptr;
  node.waits = false;
}

void ProcessTable::adopt_waiting(Node& node) {
  const auto list = waiting_.find(node.key);
  if (list == waiting_.end()) return;
  while (!list->second.empty()) {
    Node& child = list->second.front();
    list->second.pop_front();
    put_below(child, node);
  }
  waiting_.erase(list);
}

void ProcessTable::leave_children_to(Node& node, Node* heir) {
  while (!node.children.empty()) {
    Node& child = node.children.front();
    node.children.pop_front();
    if (heir != nullptr) {
      put_below(child, *heir);
    } else {
      wait_for_parent(child);
    }
  }
}

void ProcessTable::expire() {
  while (!exited_.empty() && exited_.front().exit_ns + options_.grace_ns <= now_ns_)
    end_grace(exited_.front());
}

void ProcessTable::end_grace(Node& node) {
  if (!node.children.empty() && node.depth > options_.max_depth) {
    ++stats_.collapsed;
    leave_children_to(node, node.parent_node());
  }
  if (node.children.empty()) {
    remove(node);
  } else {
    node.held = true;
    held_.splice(held_.end(), exited_, exited_.iterator_to(node));
  }
}

void ProcessTable::make_room() {
  while (by_key_.size() >= options_.max_processes) {
    if (!exited_.empty()) {
      ++stats_.evicted_exited;
      end_grace(exited_.front());
    } else if (!held_.empty()) {
      ++stats_.evicted_exited;
      Node& oldest = held_.front();
      leave_children_to(oldest, oldest.parent_node());
      remove(oldest);
    } else {
      ++stats_.evicted_running;
      Node& idle = running_.front();
      leave_children_to(idle, nullptr);
      remove(idle);
    }
  }
}

void ProcessTable::remove(Node& node) {
  for (Node* next = &node; next != nullptr;) {
    Node& gone = *next;
    Node* parent = gone.parent_node();
    leave_parent(gone);
    (gone.held     ? held_
     : gone.exited ? exited_
                   : running_)
        .erase(ProcessesByAge::s_iterator_to(gone));
    const auto latest = by_pid_.find(gone.key.pid);
    if (latest != by_pid_.end() && *latest == &gone) by_pid_.erase(latest);
    by_key_.erase(ProcessKey(gone.key));
    next = parent && parent->held && parent->children.empty() ? parent : nullptr;
  }
}

}  // namespace picket
