// One process as the agent knows it. Owned by the ProcessTable (pipeline thread); addresses are
// stable while any child, observation or the table holds it. Texts outlive the record they came
// from; processes share equal ones. Nothing here fails: what the kernel did not tell has the value
// written at the field.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "agent/enrich/driver.h"
#include "agent/enrich/file_source.h"
#include "agent/enrich/package.h"
#include "agent/enrich/process_key.h"
#include "agent/enrich/shared_text.h"
#include "bpf/picket/events.h"

namespace picket {

struct Process {
  ProcessKey key;
  ProcessKey parent_key;            // as told by the kernel; may name a process that is unknown
  const Process* parent = nullptr;  // nullptr: unknown, or outside every workspace and never seen
  uint64_t workspace_cgroup = 0;    // 0: not in a workspace
  uint64_t exec_time_ns = 0;        // 0: no exec was seen since it was forked or found
  uint32_t vpid = 0;
  uint32_t session = 0, group = 0;
  uint32_t uid = 0, ruid = 0, euid = 0, suid = 0, gid = 0, rgid = 0, loginuid = 0xffffffff;
  uint64_t cap_effective = 0, cap_permitted = 0;
  uint32_t mnt_ns = 0, pid_ns = 0, net_ns = 0, user_ns = 0;
  uint64_t exe_inode = 0;
  uint32_t exe_dev = 0;
  uint32_t exe_nlink = 1;
  uint8_t layer = PK_LAYER_UNKNOWN;
  bool has_tty = false;
  uint32_t tty_nr = 0;
  bool exec_in = false;  // put into the workspace from outside (PK_EXEC_IN)
  // A runtime's, on its way in: it came from outside and runs no program of the workspace yet.
  bool entering = false;
  bool exited = false;
  bool gained_root = false;       // nobody gave it that: no set-id program, no ancestor
  bool runs_script = false;       // `source` is a script's
  bool is_loader = false;         // it runs the file that it is given as an argument (ld.so)
  Origin tool = Origin::unknown;  // which tool its program itself is, whoever drives it
  Driver driver;
  PackagePtr package;         // whose install or build script it is, or belongs to
  FileSourcePtr source;       // of what it runs: its program, or its interpreter's script
  FileSourcePtr feeder;       // who writes the script that it, or its parent, reads from a pipe
  std::array<pk_fd, 3> fd{};  // descriptors 0..2 at the last exec, updated by PK_STDIO
  std::string comm;           // at most 15 bytes, the kernel's name
  SharedText exe;             // path of the executable as the process sees it
  SharedText filename;        // as passed to exec
  SharedText interp;
  SharedText cwd;
  SharedText argv;  // each argument ended by NUL

  std::string cmdline() const;  // argv joined by blanks, without the final one
};

}  // namespace picket
