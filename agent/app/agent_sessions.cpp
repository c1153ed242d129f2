#include "agent/app/agent_sessions.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <set>
#include <utility>

namespace picket {
namespace {

constexpr uint64_t kEvery = 15'000'000'000;
constexpr uint64_t kGrace = 30'000'000'000;  // flows are told after the end of their process

bool is_refusal(int64_t result) {
  return result == -EACCES || result == -EPERM || result == -EROFS;
}

// "name port 443 tcp", or with the address where no name was asked for.
void write_host(std::string& text, std::string_view name, uint8_t family,
                const uint8_t (&address)[16], uint16_t port, uint8_t proto) {
  char digits[INET6_ADDRSTRLEN] = "";
  if (name.empty()) {
    inet_ntop(family == AF_INET6 ? AF_INET6 : AF_INET, address, digits, sizeof digits);
    name = digits;
  }
  text.clear();
  fmt::format_to(std::back_inserter(text), "{} port {} {}", name, port,
                 proto == IPPROTO_TCP   ? "tcp"
                 : proto == IPPROTO_UDP ? "udp"
                                        : "ip");
}

void count(SessionList& list, std::string_view text, uint64_t time_ns) {
  if (SessionList::Entry* entry = list.find_or_add(text, time_ns)) ++entry->count;
}

}  // namespace

AgentSessions::Kept& AgentSessions::session_of(const Observation& observation) {
  const Driver& driver = observation.process.driver;
  const uint64_t time_ns = observation.event.header().time_ns;
  auto known = sessions_.find(driver.agent_session);
  if (known == sessions_.end()) {
    make_room();
    known = sessions_.try_emplace(driver.agent_session).first;
    Kept& fresh = known->second;
    fresh.key = driver.agent_session;
    fresh.agent = driver.agent;
    fresh.workspace_id = observation.workspace.id;
    fresh.workspace_name = observation.workspace.name;
    fresh.owner = observation.workspace.owner;
    fresh.first_ns = time_ns;
  }
  known->second.last_ns = std::max(known->second.last_ns, time_ns);
  known->second.is_news = true;
  return known->second;
}

void AgentSessions::make_room() {
  if (sessions_.size() < most_) return;
  const auto quietest = std::ranges::min_element(
      sessions_, {}, [](const auto& session) { return session.second.last_ns; });
  let_go_.push_back(std::move(quietest->second));
  sessions_.erase(quietest);
}

void AgentSessions::on_observation(const Observation& observation) {
  if (observation.process.driver.agent.empty()) return;
  const Event& event = observation.event;
  if (event.type() == PK_EXEC || event.type() == PK_FOUND) {
    on_exec(session_of(observation), observation);
  } else if (const auto* open = event.as<pk_open>()) {
    if (open->object.kind == PK_FD_FILE || is_refusal(open->result))
      on_open(session_of(observation), observation, *open);
  } else if (const auto* connect = event.as<pk_connect>()) {
    on_connect(session_of(observation), observation, *connect);
  } else if (const auto* flow = event.as<pk_flow>()) {
    if (flow->ends.direction == PK_DIR_OUTBOUND)
      on_flow(session_of(observation), observation, *flow);
  } else if (event.type() == PK_EXIT) {
    some_ended_ = true;
    const auto known = sessions_.find(observation.process.key);
    if (known != sessions_.end()) known->second.is_due = true;
  }
}

void AgentSessions::on_response(const Process& process, std::string_view what, uint64_t time_ns) {
  const auto known = sessions_.find(process.driver.agent_session);
  if (process.driver.agent.empty() || known == sessions_.end()) return;
  known->second.is_news = true;
  text_.clear();
  fmt::format_to(std::back_inserter(text_), "{} of {}", what, process.cmdline());
  count(known->second.denials, text_, time_ns);
}

void AgentSessions::on_exec(Kept& session, const Observation& observation) {
  const std::string line = observation.process.cmdline();
  if (observation.process.key == session.key && session.program.empty()) session.program = line;
  count(session.commands, line, observation.event.header().time_ns);
}

// Libraries and other files of the image that are only read say nothing.
void AgentSessions::on_open(Kept& session, const Observation& observation, const pk_open& open) {
  const uint64_t time_ns = open.header.time_ns;
  const Event& event = observation.event;
  const std::string_view path = event.text(open.path.length != 0 ? open.path : open.raw);
  if (open.result < 0) {
    if (!is_refusal(open.result)) return;
    text_.clear();
    fmt::format_to(std::back_inserter(text_), "open {}", path);
    return count(session.denials, text_, time_ns);
  }
  const bool secret = (open.interest & PK_OF_SECRET) != 0 && open.reads;
  if (secret) count(session.credentials, path, time_ns);
  if (!open.writes && !open.created && open.object.layer == PK_LAYER_IMAGE && !secret) return;
  SessionList::Entry* entry = session.files.find_or_add(path, time_ns);
  if (entry == nullptr) return;
  ++entry->count;
  entry->writes += open.writes || open.created ? 1 : 0;
}

void AgentSessions::on_connect(Kept& session, const Observation& observation,
                               const pk_connect& connect) {
  write_host(text_, observation.peer_name(), connect.family, connect.remote_addr,
             connect.remote_port, connect.proto);
  count(session.hosts, text_, connect.header.time_ns);
  if (connect.denied == 0) return;
  text_.insert(0, "connect to ");
  count(session.denials, text_, connect.header.time_ns);
}

void AgentSessions::on_flow(Kept& session, const Observation& observation, const pk_flow& flow) {
  session.bytes_in += observation.moved.in;
  session.bytes_out += observation.moved.out;
  write_host(text_, observation.peer_name(), flow.ends.family, flow.ends.remote_addr,
             flow.ends.remote_port, flow.ends.proto);
  SessionList::Entry* entry = session.hosts.find_or_add(text_, flow.header.time_ns);
  if (entry == nullptr) return;
  entry->bytes_in += observation.moved.in;
  entry->bytes_out += observation.moved.out;
}

void AgentSessions::update(const ProcessTable& processes, uint64_t now_ns, const Publish& publish) {
  for (const AgentSession& session : std::exchange(let_go_, {})) publish(session);
  const bool every = now_ns >= next_ns_;
  if (sessions_.empty() || !(every || some_ended_)) return;
  if (every) next_ns_ = now_ns + kEvery;
  some_ended_ = false;
  std::set<ProcessKey> living;
  processes.for_each([&](const Process& process) {
    if (!process.exited && !process.driver.agent.empty())
      living.insert(process.driver.agent_session);
  });
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    Kept& session = at->second;
    const bool ended = !living.contains(session.key);
    if (ended != session.ended || (session.is_news && (every || session.is_due))) {
      session.ended = ended;
      session.is_news = session.is_due = false;
      publish(session);
    }
    at = ended && session.last_ns + kGrace < now_ns ? sessions_.erase(at) : std::next(at);
  }
}

void AgentSessions::flush(const Publish& publish) {
  for (const AgentSession& session : std::exchange(let_go_, {})) publish(session);
  for (auto& [key, session] : sessions_)
    if (std::exchange(session.is_news, false)) publish(session);
}

}  // namespace picket
