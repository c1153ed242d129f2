// The ancestors of a process inside its workspace, nearest parent first, up to the workspace's
// first process:
//   for (const Process& ancestor : lineage(process)) ...
// A view: valid as long as the process is, pipeline thread. An unknown parent ends it.
#pragma once

#include <cstddef>
#include <iterator>

#include "agent/enrich/process.h"

namespace picket {

class Lineage {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Process;
    using difference_type = std::ptrdiff_t;
    using pointer = const Process*;
    using reference = const Process&;

    Iterator() = default;
    Iterator(const Process* at, uint64_t workspace)
        : at_(inside(at, workspace)), workspace_(workspace) {}
    reference operator*() const { return *at_; }
    pointer operator->() const { return at_; }
    Iterator& operator++() {
      at_ = inside(at_->parent, workspace_);
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    static const Process* inside(const Process* process, uint64_t workspace) {
      return process && process->workspace_cgroup == workspace ? process : nullptr;
    }
    const Process* at_ = nullptr;
    uint64_t workspace_ = 0;
  };

  Lineage(const Process& process, uint64_t workspace) : first_(process.parent, workspace) {}
  Iterator begin() const { return first_; }
  Iterator end() const { return {}; }

 private:
  Iterator first_;
};

inline Lineage lineage(const Process& process, uint64_t workspace) { return {process, workspace}; }
inline Lineage lineage(const Process& process) { return {process, process.workspace_cgroup}; }

}  // namespace picket
