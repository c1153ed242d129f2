// Keeps process.driver of the table's processes and the kernel's copy of it: decided at an exec,
// inherited at a fork, derived anew for processes that were found running. Owner: the ProcessTable,
// pipeline thread. Nothing fails: without a kernel (a replay) only the table has the labels.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/enrich/origins.h"
#include "agent/enrich/process_node.h"

namespace picket {

// What of a running process only its kernel can say, and keep.
struct LiveProcesses {
  virtual ~LiveProcesses() = default;
  // Answers when it was done, CLOCK_BOOTTIME; a process that is gone has made nothing since either.
  virtual uint64_t write(ProcessKey key, const pk_lineage& lineage) = 0;
  virtual std::optional<pk_lineage> read(ProcessKey key) = 0;
  // NAME=value, each ended by NUL; empty: it cannot be read.
  virtual std::string environment(ProcessKey key) = 0;
  // The first bytes of the script that an interpreter runs; empty: none, or it cannot be read.
  virtual std::string script(const Process& process) = 0;
  // By the content of its program's file, whatever that is called. False, too: it cannot be read.
  virtual bool runs_loader(const Process& process) = 0;
};

class DriverLabels {
 public:
  explicit DriverLabels(LiveProcesses* live) : live_(live) {}
  void set_origins(std::shared_ptr<const Origins> origins) { origins_ = std::move(origins); }

  const Origins& origins() const { return *origins_; }

  // After the table gave the child its parent's state.
  void on_fork(ProcessNode& child, uint64_t time_ns);
  // After the table entered what the record says. `first`: nothing was known of it before.
  void on_exec(ProcessNode& process, bool found, bool first);

 private:
  void derive(ProcessNode& process);
  void begin(ProcessNode& process, bool found);
  void decide(ProcessNode& process, const Driver& before);
  void ask_script(ProcessNode& process);
  void ask_environment(const ProcessNode& process);
  enum class Children { all, rootless };  // of those right below
  void derive_below(ProcessNode& process, Children children);
  void tell(ProcessNode& process);

  LiveProcesses* live_;  // nullptr: none
  std::shared_ptr<const Origins> origins_ = std::make_shared<Origins>();
};

}  // namespace picket
