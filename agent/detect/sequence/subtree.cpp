#include "agent/detect/sequence/subtree.h"

#include "agent/enrich/lineage.h"

namespace picket {
namespace {

// A container that shares the node's pid namespace has no number 1: there the topmost is the first.
bool is_first_of_workspace(const Process& process) {
  if (process.exec_in) return false;
  const Lineage above = lineage(process);
  return process.vpid == 1 || above.begin() == above.end();
}

}  // namespace

Subtree subtree_of(const Process& process) {
  const Process* below = &process;
  for (const Process& ancestor : lineage(process)) {
    if (is_first_of_workspace(ancestor)) return {below->key, process.session, ancestor.session};
    below = &ancestor;
  }
  return {below->key, process.session, 0};
}

}  // namespace picket
