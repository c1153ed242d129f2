// What rule files say, before it is compiled: lists, macros and rules, each with where its parts
// stand. Read by the loader, consumed by the compiler, on one thread. Errors: read_definitions()
// adds every problem to the report and goes on with the next definition.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/detect/rule/file_classes.h"
#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/detect/rule/sequence_reader.h"
#include "agent/detect/rule/source_text.h"
#include "agent/detect/rule/waiver_reader.h"
#include "agent/enrich/origins.h"

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

// What a rule does not mean: combinations of values, each compared by its field's operator.
struct ExceptionDefinition {
  struct Value {
    std::vector<SourceText> items;
    bool list = false;  // written as one
  };
  struct Tuple {
    SourceText at;
    std::vector<Value> values;
    bool alone = false;  // a value, not a list of one
  };
  SourceText name;
  bool scalar = false;  // one field: its values are a flat list
  std::vector<SourceText> fields;
  std::vector<SourceText> comps;  // empty: "in" where scalar, else "=" for each
  std::vector<Tuple> tuples;
};

struct RuleDefinition {
  SourceText name;
  SourceText condition;
  SourceText output;
  std::optional<SequenceDefinition> sequence;  // in place of a condition
  std::vector<ExceptionDefinition> exceptions;
  ScopeDefinition scope;
  bool warn_event_types = true;  // say so when it is asked of every event
  bool skip_unknown = false;     // leave it out when it names a field that does not exist
  RuleInfo info;                 // all but `events`
};

struct Definitions {
  std::map<std::string, ListDefinition, std::less<>> lists;
  std::map<std::string, MacroDefinition, std::less<>> macros;
  std::vector<RuleDefinition> rules;                      // in the order of their first definition
  std::map<std::string, size_t, std::less<>> rule_index;  // by name, where in `rules`
  std::vector<WaiverDefinition> waivers;
  std::map<std::string, size_t, std::less<>> waiver_index;  // by name, where in `waivers`
  std::set<std::string, std::less<>> foreign_rules;  // left out: of sources that are not read
  std::map<std::string, OriginDefinition, std::less<>> lineages;
  std::map<std::string, FileClass, std::less<>> file_classes;
};

// Adds what `file` defines; a name that is known already is replaced, and noted.
void read_definitions(std::string name, std::string text, Definitions& definitions,
                      LoadReport& report);

Diagnostic diagnostic(const SourceText& text, size_t offset, std::string message);
// Of a later definition of the same name.
Diagnostic replaced(std::string_view what, const SourceText& old, const SourceText& later);

}  // namespace picket::rule
