#include "agent/enrich/relays.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "agent/enrich/command_line.h"
#include "agent/enrich/first_bytes.h"
#include "agent/event/schema.h"

namespace picket {
namespace {

enum Family : uint8_t { kPipe = 1, kUnix, kTerminal };

uint8_t family_of(uint8_t kind) {
  switch (kind) {
    case PK_FD_PIPE:
    case PK_FD_FIFO:
      return kPipe;
    case PK_FD_UNIX:
      return kUnix;
    case PK_FD_TTY:
      return kTerminal;
    default:
      return 0;
  }
}

// An argument that is no option is a script, or says otherwise what to do; -c and -e bring it
// along. What is called busybox is what its first argument says.
bool reads_its_input(const Process& process) {
  std::string_view rest = process.argv;
  bool interactive = false, told = false;
  if (last_component(NulList::take(rest)).starts_with("busybox")) NulList::take(rest);
  while (!rest.empty()) {
    const std::string_view argument = NulList::take(rest);
    if (argument.empty() || argument == "-") continue;
    if (argument[0] != '-' && argument[0] != '+') {
      told = true;
      continue;
    }
    if (argument.starts_with("--")) continue;
    if (argument.find_first_of("ce") != argument.npos) return false;
    interactive |= argument.find('i') != argument.npos;
  }
  return interactive || !told;
}

// Whatever is said there is none of the protocols that programs hold a datagram socket open for.
bool is_bare_udp(const pk_ends& ends) {
  constexpr std::array<uint16_t, 12> kUsual{53,  88,  123,  161,  443,  514,
                                            853, 389, 5353, 8125, 6831, 4789};
  return ends.proto == IPPROTO_UDP && std::ranges::count(kUsual, ends.remote_port) == 0;
}

// A record about the process, as a hook would make it.
pk_relayed relayed_by(const Process& process, uint64_t time_ns) {
  pk_relayed told{};
  told.header = {.size = sizeof told,
                 .type = PK_RELAYED,
                 .abi = PK_ABI,
                 .time_ns = time_ns,
                 .start_ns = process.key.start_ns,
                 .cgroup_id = process.workspace_cgroup,
                 .pid = process.key.pid,
                 .tid = process.key.pid,
                 .uid = process.uid,
                 .gid = process.gid,
                 .cap_effective = process.cap_effective,
                 .flags = 0,
                 .call = PK_CALL_NONE,
                 .zero = 0};
  return told;
}

}  // namespace

const std::vector<pk_relayed>& Relays::on_event(const Event& event, const Process& process,
                                                const ProcessTable& processes) {
  found_.clear();
  const uint64_t now = event.header().time_ns;
  switch (event.type()) {
    case PK_EXEC:
    case PK_FOUND:
    case PK_STDIO:
      on_program(event, process);
      if (event.type() == PK_EXEC) on_child(process, processes, now);
      break;
    case PK_EXIT:
      forget(process.key);
      break;
    case PK_CONNECT:
      on_connect(*event.as<pk_connect>(), process.key);
      break;
    case PK_SOCKET:
      if (on_accept(*event.as<pk_socket>(), process.key))
        consider_all(processes, event.header().cgroup_id, now);
      break;
    case PK_PAYLOAD:
      on_payload(event, *event.as<pk_payload>(), processes);
      consider_all(processes, event.header().cgroup_id, now);
      break;
    case PK_FLOW:
      if (const auto* flow = event.as<pk_flow>(); flow->closed)
        connections_.erase(flow->ends.socket);
      break;
    case PK_HOLDS:
      on_holds(*event.as<pk_holds>());
      consider_all(processes, event.header().cgroup_id, now);
      break;
    default:
      break;
  }
  for (const pk_relayed& told : found_)
    std::erase(programs_, ProcessKey{told.header.pid, told.header.start_ns});
  return found_;
}

void Relays::on_program(const Event& event, const Process& process) {
  const uint64_t workspace = event.header().cgroup_id;
  Holdings* known = nullptr;
  for (size_t i = 0; i < 2; ++i) {
    const pk_fd& fd = process.fd[i];
    const uint8_t family = family_of(fd.kind);
    if (i == 0) {
      const auto before = holdings_.find(process.key);
      if (before != holdings_.end()) remove_ends(process.key, before->second, true);
    }
    if (family != kPipe) continue;  // of a unix socket only its other end says who is there
    if (known == nullptr) known = holdings_of(process.key);
    add_end(process.key, *known, {{workspace, fd.inode, family}, i == 0, i == 1, true, true});
  }
  std::erase(programs_, process.key);
  const auto open = [](const pk_fd& fd) {
    return family_of(fd.kind) != 0 || (fd.kind == PK_FD_INET && fd.direction == PK_DIR_OUTBOUND);
  };
  if (!open(process.fd[0]) || !open(process.fd[1]) || !reads_its_input(process)) return;
  if (programs_.size() >= options_.max_programs) programs_.erase(programs_.begin());
  programs_.push_back(process.key);
  consider(process.key, process, event.header().time_ns);
}

void Relays::on_holds(const pk_holds& holds) {
  const ProcessKey key{holds.header.pid, holds.header.start_ns};
  Holdings* own = holdings_of(key);
  remove_ends(key, *own, false);
  own->outbound.clear();
  own->serves = false;
  for (uint32_t i = 0; i < holds.count; ++i) {
    const pk_held& held = holds.held[i];
    if (held.kind == PK_FD_INET) {
      if (held.direction == PK_DIR_OUTBOUND) own->outbound.push_back(held.id);
      own->serves |= held.direction == PK_DIR_INBOUND || held.direction == PK_DIR_LISTEN;
      continue;
    }
    const uint8_t family = family_of(held.kind);
    if (family == 0) continue;
    // A unix socket is known by its other end: the program's.
    const uint64_t id = family == kUnix ? held.peer : held.id;
    add_end(key, *own,
            {{holds.header.cgroup_id, id, family},
             held.reads != 0,
             held.writes != 0,
             held.fd < 2,
             false});
  }
}

void Relays::on_connect(const pk_connect& connect, ProcessKey owner) {
  if (connect.socket == 0) return;
  Connection* connection = connection_of(connect.socket);
  pk_ends& ends = connection->ends;
  ends.socket = connect.socket;
  ends.family = connect.family;
  ends.proto = connect.proto;
  ends.direction = PK_DIR_OUTBOUND;
  ends.remote_port = connect.remote_port;
  std::memcpy(ends.remote_addr, connect.remote_addr, sizeof ends.remote_addr);
  connection->owner = owner;
  if (connect.proto == IPPROTO_TCP && newest_.size() < options_.max_processes)
    newest_[owner] = connect.socket;
}

// The first that somebody takes whose own input and output are channels: a relay for one guest.
bool Relays::on_accept(const pk_socket& call, ProcessKey owner) {
  const bool accepts = call.header.call == PK_CALL_accept || call.header.call == PK_CALL_accept4;
  if (!accepts || call.result < 0 || call.ends.proto != IPPROTO_TCP) return false;
  const auto own = holdings_.find(owner);
  if (own == holdings_.end() || own->second.guest != 0) return false;
  const auto is_standard = [](const End& end) { return end.standard; };
  if (std::ranges::count_if(own->second.ends, is_standard) < 2) return false;
  own->second.guest = call.ends.socket;
  Connection* connection = connection_of(call.ends.socket);
  connection->ends = call.ends;
  return true;
}

void Relays::on_payload(const Event& event, const pk_payload& payload,
                        const ProcessTable& processes) {
  const auto found = connections_.find(payload.ends.socket);
  if (found == connections_.end() || found->second.first != First::nothing) return;
  Connection& connection = found->second;
  const std::string_view bytes = event.text(payload.data);
  connection.first = is_known_protocol(bytes) ? First::known : First::raw;
  connection.prompted = is_prompt(bytes);
  if (connection.first == First::raw && connection.commanded && payload.received > 0)
    tell_commands(connection, processes, event.header().time_ns);
}

void Relays::on_child(const Process& process, const ProcessTable& processes, uint64_t time_ns) {
  const Process* parent = process.parent;
  auto newest = newest_.end();
  // A shell forks once more for what it captures.
  for (int forks = 0; parent != nullptr && forks < 3; ++forks, parent = parent->parent) {
    newest = newest_.find(parent->key);
    if (newest != newest_.end() || parent->exec_time_ns != 0) break;
  }
  if (newest == newest_.end()) return;
  const auto found = connections_.find(newest->second);
  const uint8_t family = family_of(process.fd[1].kind);
  // What it says goes to whoever started it, not where that one's own words go.
  const bool kept = (family == kPipe || family == kUnix || family == kTerminal) &&
                    process.fd[1].inode != parent->fd[1].inode;
  // What takes its commands from whoever started it is looked at with both its ends.
  const bool pumped = family_of(process.fd[0].kind) != 0 && reads_its_input(process);
  if (found == connections_.end() || !kept || pumped) return;
  Connection& connection = found->second;
  if (connection.first == First::nothing) connection.commanded = true;
  if (connection.prompted) tell_commands(connection, processes, time_ns);
}

void Relays::tell_commands(Connection& connection, const ProcessTable& processes,
                           uint64_t time_ns) {
  const Process* owner = processes.find(connection.owner);
  const auto holdings = holdings_.find(connection.owner);
  const bool serves = holdings != holdings_.end() && holdings->second.serves;
  if (connection.told || owner == nullptr || serves) return;
  connection.told = true;
  pk_relayed told = relayed_by(*owner, time_ns);
  told.ends = connection.ends;
  told.relay_pid = owner->key.pid;
  told.relay_start_ns = owner->key.start_ns;
  told.commands = 1;
  found_.push_back(told);
}

void Relays::forget(ProcessKey key) {
  std::erase(programs_, key);
  newest_.erase(key);
  const auto found = holdings_.find(key);
  if (found == holdings_.end()) return;
  remove_ends(key, found->second, true);
  remove_ends(key, found->second, false);
  holdings_.erase(found);
}

void Relays::remove_ends(ProcessKey key, Holdings& holdings, bool inherited) {
  std::erase_if(holdings.ends, [&](const End& end) {
    if (end.inherited != inherited) return false;
    const auto at = holders_.find(end.channel);
    if (at == holders_.end()) return true;
    // One entry for each end: what is held twice stays once.
    const auto same = std::find_if(at->second.begin(), at->second.end(), [&](const Holder& holder) {
      return holder.process == key && holder.reads == end.reads && holder.writes == end.writes &&
             holder.standard == end.standard;
    });
    if (same != at->second.end()) at->second.erase(same);
    if (at->second.empty()) holders_.erase(at);
    return true;
  });
}

void Relays::add_end(ProcessKey key, Holdings& holdings, const End& end) {
  constexpr size_t kHoldersMax = 64;
  std::vector<Holder>& holders = holders_[end.channel];
  if (holders.size() >= kHoldersMax) return;
  holders.push_back({key, end.reads, end.writes, end.standard});
  holdings.ends.push_back(end);
}

Relays::Holdings* Relays::holdings_of(ProcessKey key) {
  const auto [at, is_new] = holdings_.try_emplace(key);
  if (!is_new) return &at->second;
  holdings_order_.push_back(key);
  while (holdings_order_.size() > options_.max_processes) {
    const ProcessKey oldest = holdings_order_.front();
    holdings_order_.pop_front();
    if (oldest != key) forget(oldest);
  }
  return &holdings_.find(key)->second;
}

Relays::Connection* Relays::connection_of(uint64_t cookie) {
  const auto [at, is_new] = connections_.try_emplace(cookie);
  if (!is_new) return &at->second;
  connections_order_.push_back(cookie);
  while (connections_order_.size() > options_.max_connections) {
    const uint64_t oldest = connections_order_.front();
    connections_order_.pop_front();
    if (oldest != cookie) connections_.erase(oldest);
  }
  return &connections_.find(cookie)->second;
}

std::optional<Relays::Found> Relays::find(const Channel& channel, bool writes, ProcessKey self,
                                          int steps) const {
  const auto at = holders_.find(channel);
  if (at == holders_.end() || steps > options_.max_steps) return std::nullopt;
  // First who has a connection itself, then who is fed by, or feeds, somebody who has.
  for (const Holder& holder : at->second) {
    if (holder.process == self || !(writes ? holder.writes : holder.reads)) continue;
    const auto holdings = holdings_.find(holder.process);
    if (holdings == holdings_.end()) continue;
    if (holder.standard && holdings->second.guest != 0)
      return Found{holder.process, static_cast<uint32_t>(steps), true, true};
    if (!holdings->second.serves && !holdings->second.outbound.empty())
      return Found{holder.process, static_cast<uint32_t>(steps), holder.standard, false};
  }
  for (const Holder& holder : at->second) {
    if (holder.process == self || !(writes ? holder.writes : holder.reads)) continue;
    const auto holdings = holdings_.find(holder.process);
    if (holdings == holdings_.end() || holdings->second.serves) continue;
    for (const End& end : holdings->second.ends) {
      if (end.channel == channel || !(writes ? end.reads : end.writes)) continue;
      if (auto found = find(end.channel, writes, holder.process, steps + 1)) return found;
    }
  }
  return std::nullopt;
}

void Relays::consider(ProcessKey program, const Process& process, uint64_t time_ns) {
  const uint64_t workspace = process.workspace_cgroup;
  const auto side = [&](size_t i) -> std::optional<Found> {
    const pk_fd& fd = process.fd[i];
    const uint8_t family = family_of(fd.kind);
    if (family == 0) return Found{program, 0, true, false};  // the connection itself
    return find({workspace, fd.inode, family}, i == 0, program, 1);
  };
  const auto in = side(0);
  if (!in) return;
  const auto out = side(1);
  if (!out || (in->steps == 0 && out->steps == 0)) return;
  const Found& relay = in->steps != 0 ? *in : *out;
  const auto holdings = holdings_.find(relay.process);
  if (holdings == holdings_.end()) return;
  pk_relayed told = relayed_by(process, time_ns);
  told.loop = in->standard && out->standard;
  told.same = in->steps == 0 || out->steps == 0 || in->process == out->process;
  const Connection* chosen = nullptr;
  if (in->of_guest || out->of_guest) {
    const auto guest = connections_.find(holdings->second.guest);
    if (!(in->of_guest && out->of_guest && told.same) || guest == connections_.end() ||
        relay.process == program)
      return;
    chosen = &guest->second;
  }
  for (const uint64_t cookie : holdings->second.outbound) {
    const auto connection = connections_.find(cookie);
    if (connection == connections_.end()) continue;
    const bool raw = connection->second.first == First::raw || is_bare_udp(connection->second.ends);
    if (chosen == nullptr || raw) chosen = &connection->second;
    told.payload |= raw ? 1 : 0;
  }
  if (!told.loop && told.payload == 0) return;
  if (chosen != nullptr) told.ends = chosen->ends;
  told.relay_pid = relay.process.pid;
  told.relay_start_ns = relay.process.start_ns;
  told.steps = std::max(in->steps, out->steps);
  found_.push_back(told);
}

void Relays::consider_all(const ProcessTable& processes, uint64_t workspace, uint64_t time_ns) {
  for (const ProcessKey program : programs_) {
    const Process* process = processes.find(program);
    if (process != nullptr && process->workspace_cgroup == workspace)
      consider(program, *process, time_ns);
  }
}

}  // namespace picket
