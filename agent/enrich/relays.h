// Which program's input and output go, through other processes, to a connection that its workspace
// opened, or to one that a netcat-like relay accepted, whose own input and output are the program's
// (`sh <fifo | nc -l >fifo`; servers keep their descriptors 0 and 1 for themselves). Kept: who
// holds which end of pipes, FIFOs, unix sockets and pseudo terminals (PK_HOLDS, and descriptors 0
// and 1 of what was started), the connections with what they sent first, and the programs that take
// what they do from their standard input. And who runs programs for a connection and keeps what
// they say: where the other side spoke first, or was sent a prompt. All by the kernel's objects, no
// names. Owner: the pipeline thread. Event time only, so a replay finds the same. Errors: none;
// every table is bounded, and what is pushed out is not found.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "agent/enrich/process_table.h"
#include "agent/event/event.h"

namespace picket {

struct RelaysOptions {
  size_t max_processes = 16384;
  size_t max_connections = 16384;
  size_t max_programs = 4096;
  int max_steps = 4;  // processes between a program and the connection
};

class Relays {
 public:
  explicit Relays(RelaysOptions options = {}) : options_(options) {}

  // Takes in the event, about `process` as it is after it. Answers with what became known by it:
  // each program once. `processes` knows the processes that the answers are about.
  const std::vector<pk_relayed>& on_event(const Event& event, const Process& process,
                                          const ProcessTable& processes);

 private:
  struct Channel {
    uint64_t workspace = 0, id = 0;
    uint8_t family = 0;  // pipes and FIFOs, unix sockets, terminals
    friend bool operator==(const Channel&, const Channel&) = default;
    template <class H>
    friend H AbslHashValue(H hash, const Channel& of) {
      return H::combine(std::move(hash), of.workspace, of.id, of.family);
    }
  };
  struct KeyHash {
    size_t operator()(ProcessKey key) const { return absl::HashOf(key.pid, key.start_ns); }
  };
  struct Holder {
    ProcessKey process;
    bool reads = false, writes = false;
    bool standard = false;  // as its descriptor 0 or 1
  };
  struct End {
    Channel channel;
    bool reads = false, writes = false;
    bool standard = false;
    bool inherited = false;  // of what was told at its start, not of its descriptors later
  };
  struct Holdings {
    std::vector<End> ends;
    std::vector<uint64_t> outbound;  // cookies
    bool serves = false;             // it accepted a connection, or listens
    uint64_t guest = 0;  // the connection that it accepted beside channels as its input and output
  };
  enum class First : uint8_t { nothing, known, raw };
  struct Connection {
    pk_ends ends{};
    First first = First::nothing;
    ProcessKey owner;        // who connected
    bool prompted = false;   // it was sent a prompt first
    bool commanded = false;  // its owner has run a program before anything was sent
    bool told = false;
  };
  struct Found {
    ProcessKey process;
    uint32_t steps = 0;
    bool standard = false;  // it has the channel as its own input or output
    bool of_guest = false;  // the connection is one that it accepted
  };

  void on_program(const Event& event, const Process& process);
  void on_holds(const pk_holds& holds);
  void on_connect(const pk_connect& connect, ProcessKey owner);
  // True: a program may be found by it.
  bool on_accept(const pk_socket& call, ProcessKey owner);
  void on_payload(const Event& event, const pk_payload& payload, const ProcessTable& processes);
  // `process` was started: maybe by somebody who does what a connection says.
  void on_child(const Process& process, const ProcessTable& processes, uint64_t time_ns);
  void tell_commands(Connection& connection, const ProcessTable& processes, uint64_t time_ns);
  void forget(ProcessKey key);
  void remove_ends(ProcessKey key, Holdings& holdings, bool inherited);
  void add_end(ProcessKey key, Holdings& holdings, const End& end);
  Holdings* holdings_of(ProcessKey key);
  Connection* connection_of(uint64_t cookie);

  // Who has a connection and feeds the channel (`writes`), or takes from it.
  std::optional<Found> find(const Channel& channel, bool writes, ProcessKey self, int steps) const;
  void consider(ProcessKey program, const Process& process, uint64_t time_ns);
  void consider_all(const ProcessTable& processes, uint64_t workspace, uint64_t time_ns);

  const RelaysOptions options_;
  absl::flat_hash_map<Channel, std::vector<Holder>> holders_;
  absl::flat_hash_map<ProcessKey, Holdings, KeyHash> holdings_;
  std::deque<ProcessKey> holdings_order_;
  absl::flat_hash_map<uint64_t, Connection> connections_;
  std::deque<uint64_t> connections_order_;
  absl::flat_hash_map<ProcessKey, uint64_t, KeyHash> newest_;  // connection of each process
  std::vector<ProcessKey> programs_;                           // not found yet, the oldest first
  std::vector<pk_relayed> found_;
};

}  // namespace picket
