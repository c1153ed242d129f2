#include "agent/app/families.h"

#include <algorithm>

#include "agent/enrich/lineage.h"

namespace picket {

// Also those that no longer hang below it in /proc: their parents ended, and they were adopted.
Family family_of(const Target& target, const ProcessTable& processes) {
  Family family;
  processes.for_each([&](const Process& process) {
    if (process.exited || process.workspace_cgroup != target.cgroup_id) return;
    bool descends = process.key == target.process;
    for (const Process& ancestor : lineage(process)) descends |= ancestor.key == target.process;
    (descends ? family.descendants : family.others).push_back(process.key);
  });
  return family;
}

bool Families::answer(const ProcessTable& processes, uint64_t read_ns) {
  std::erase_if(questions_, [&](const FamilyQuestion& question) {
    if (question.asked_ns > read_ns) return false;
    question.answer->push(family_of(question.target, processes));
    return true;
  });
  return !questions_.empty();
}

}  // namespace picket
