// Remembers who wrote which file of a workspace, so that what runs later can be asked where it
// comes from (docs/lineage.md). Files are known by the kernel's inode, scripts by their path too,
// because an exec tells the interpreter's inode. Bounded: who was written longest ago is forgotten
// first. Owner: the ProcessTable, pipeline thread. Nothing fails.
#pragma once

#include <list>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "agent/enrich/file_source.h"
#include "agent/enrich/origins.h"
#include "agent/enrich/process_node.h"
#include "agent/event/event.h"

namespace picket {

class FileSources {
 public:
  explicit FileSources(size_t max_files = 65536) : max_files_(max_files) {}

  // What its program reads and writes.
  void on_open(ProcessNode& process, const Event& event, const pk_open& open);
  void on_connect(ProcessNode& process);
  // Says of the process where what it runs from now on comes from. What was opened for it to write
  // to (`>`) is this program's.
  void on_exec(ProcessNode& process, const Origins& origins);
  // Looks who writes into the pipe that it reads its script from. The two of a pipeline start in
  // any order, so a shell's first child and its end look again.
  static void learn_feeder(ProcessNode& process);

  size_t size() const { return by_id_.size(); }

 private:
  struct Id {
    uint64_t workspace = 0;
    uint64_t inode = 0;
    uint64_t dev = 0;
    friend bool operator==(const Id&, const Id&) = default;
    template <class H>
    friend H AbslHashValue(H h, const Id& id) {
      return H::combine(std::move(h), id.workspace, id.inode, id.dev);
    }
  };
  struct Entry {
    Id id;
    FileSourcePtr source;
  };
  using Entries = std::list<Entry>;

  static Id id_of(uint64_t workspace, std::string_view path);
  FileSourcePtr find(const Id& id) const;
  void set(const Id& id, FileSourcePtr source);
  void begin(ProcessNode& process);
  FileSourcePtr script_of(const ProcessNode& process) const;

  const size_t max_files_;
  Entries entries_;  // written longest ago first
  absl::flat_hash_map<Id, Entries::iterator> by_id_;
};

}  // namespace picket
