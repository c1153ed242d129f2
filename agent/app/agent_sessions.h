// What the sessions of AI agents do: commands, files, hosts, credentials and what was refused, kept
// for each session (lineage.agent_session) and told as a whole every quarter of a minute while it
// changes, and when it ends. Bounded: of each list the first entries, and so many sessions; the one
// that was quiet longest is told and let go, and what it does later is a part of its own. Owner:
// the pipeline thread; event times. Nothing fails.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/app/session_list.h"
#include "agent/enrich/observation.h"
#include "agent/enrich/process_table.h"

namespace picket {

struct AgentSession {
  ProcessKey key;  // its first process
  std::string agent, program;
  std::string workspace_id, workspace_name, owner;
  uint64_t first_ns = 0, last_ns = 0;
  bool ended = false;
  SessionList commands{200}, files{400}, hosts{100}, credentials{100}, denials{100};
  uint64_t bytes_in = 0, bytes_out = 0;  // of connections that it opened
};

class AgentSessions {
 public:
  using Publish = std::function<void(const AgentSession&)>;

  explicit AgentSessions(size_t most = 64) : most_(most) {}

  void on_observation(const Observation& observation);
  // What a rule has done to a process: "kill by rule NAME".
  void on_response(const Process& process, std::string_view what, uint64_t time_ns);
  void update(const ProcessTable& processes, uint64_t now_ns, const Publish& publish);
  // What was not told yet, at the end of this agent.
  void flush(const Publish& publish);

  size_t size() const { return sessions_.size(); }

 private:
  struct Kept : AgentSession {
    bool is_news = true;
    bool is_due = false;  // its first process ended
  };
  Kept& session_of(const Observation& observation);
  void make_room();
  void on_exec(Kept& session, const Observation& observation);
  void on_open(Kept& session, const Observation& observation, const pk_open& open);
  void on_connect(Kept& session, const Observation& observation, const pk_connect& connect);
  void on_flow(Kept& session, const Observation& observation, const pk_flow& flow);

  const size_t most_;
  std::map<ProcessKey, Kept> sessions_;
  std::vector<AgentSession> let_go_;  // told with the next update
  std::string text_;                  // room that is used again
  uint64_t next_ns_ = 0;
  bool some_ended_ = false;  // processes of sessions, since the last update
};

}  // namespace picket
