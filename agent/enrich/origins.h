// What says who drives a process: the origins that the rule files define, and the facts of the
// kernel that need no definition (docs/lineage.md). Immutable once made; any thread may read.
// Nothing fails: a program that no definition knows is driven by whoever drove what started it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/enrich/package.h"
#include "agent/enrich/process.h"

namespace picket {

struct OriginDefinition {
  std::string name;  // of an AI agent: its kind
  Origin origin = Origin::unknown;
  std::vector<std::string> programs = {};     // paths of executables, * and ? match slashes too
  std::vector<std::string> scripts = {};      // paths of what an interpreter runs
  std::vector<std::string> modules = {};      // python -m NAME
  std::vector<std::string> environment = {};  // variables that the agent gives to what it starts
  std::vector<std::string> contents = {};     // what stands near the beginning of its script
  bool terminals = false;  // a shell on a terminal that starts right below is a person's
  std::vector<PackageMark> packages = {};  // of a package manager: what it runs for a package
};

class Origins {
 public:
  Origins() = default;
  explicit Origins(std::vector<OriginDefinition> definitions);
  Origins(const Origins&) = delete;
  Origins& operator=(const Origins&) = delete;

  // Who drives the process from its exec on. Until now it was process.driver. `enters`: whatever
  // started it is outside of the workspace.
  Driver after_exec(const Process& process, bool enters) const;
  // For which package it runs from its exec on: that of what started it, or the one for which a
  // package manager started it.
  PackagePtr package_of(const Process& process) const;
  // Which tool its program itself is, whoever drives it.
  Origin tool_of(const Process& process) const;
  bool know_environments() const { return !variables_.empty(); }
  bool know_contents() const { return !contents_.empty(); }
  // Of a process that runs a script that begins so.
  Driver running(const Process& process, std::string_view script) const;
  // Of a process that was found running below nobody who is an AI agent's: by variables that such
  // agents give to what they start. `environment`: as in /proc/PID/environ.
  Driver found_with(const Process& process, std::string_view environment) const;
  // What to_kernel() made of a driver.
  Driver from_kernel(const pk_lineage& lineage) const;

 private:
  struct Pattern {
    std::string glob;
    const OriginDefinition* definition;
  };
  // By the last component of the pattern; those where it is no plain name are under "".
  using Patterns = std::map<std::string, std::vector<Pattern>, std::less<>>;

  static void add(Patterns& patterns, const std::string& glob, const OriginDefinition& definition);
  static const OriginDefinition* find(const Patterns& patterns, std::string_view path);
  const OriginDefinition* definition_of(const Process& process) const;
  const OriginDefinition* script_of(const Process& process) const;
  const OriginDefinition* module_of(const Process& process) const;

  std::vector<OriginDefinition> definitions_;
  Patterns programs_, scripts_;
  std::map<std::string, const OriginDefinition*, std::less<>> modules_, variables_, contents_;
  bool know_packages_ = false;
};

}  // namespace picket
