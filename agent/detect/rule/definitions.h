// What rule files say, before it is compiled: lists, macros and rules, each with where its parts
// stand. Read by the loader, consumed by the compiler, on one thread. Errors: read_definitions()
// adds every problem to the report and goes on with the next definition.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/detect/rule/source_text.h"

namespace picket::rule {

struct ListItem {
  SourceText text;
  bool quoted = false;  // then it is never the name of another list
};

struct ListDefinition {
  SourceText name;
  std::vector<ListItem> items;
};

struct MacroDefinition {
  SourceText name;
  SourceText condition;
};

struct RuleDefinition {
  SourceText name;
  SourceText condition;
  SourceText output;
  RuleInfo info;  // all but `events`
};

struct Definitions {
  std::map<std::string, ListDefinition, std::less<>> lists;
  std::map<std::string, MacroDefinition, std::less<>> macros;
  std::vector<RuleDefinition> rules;  // in the order of their first definition
};

// Adds what `file` defines; a name that is known already is replaced, and noted.
void read_definitions(const std::filesystem::path& file, Definitions& definitions,
                      LoadReport& report);
void read_definitions(std::string name, std::string text, Definitions& definitions,
                      LoadReport& report);

Diagnostic diagnostic(const SourceText& text, size_t offset, std::string message);

}  // namespace picket::rule
