// Reads one mapping that begins with `rule`: a whole definition, or what a later one changes of an
// earlier one (`override`, `append: true`, `enabled` alone). Lives for one file, one thread.
// Errors: added to the report; what could be read is kept, so that its other errors are found too.
#pragma once

#include "agent/detect/rule/definitions.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket::rule {

class RuleReader {
 public:
  RuleReader(Definitions& definitions, LoadReport& report)
      : definitions_(definitions), report_(report) {}

  void read(YamlItem& item);
  void read_egress_policy(YamlItem& item);
  void read_agent_files_policy(YamlItem& item);

 private:
  struct Given;

  std::optional<RuleDefinition> read_policy(YamlItem& item, std::string_view kind,
                                            std::string_view why);
  bool read_keys(YamlItem& item, Given& given);
  void read_priority(YamlItem& item, RuleInfo& info);
  void read_respond(YamlItem& item, RuleInfo& info);
  void read_merge(YamlItem& item, RuleInfo& info);
  void define(YamlItem& item, Given given);
  void override_keys(YamlItem& item, Given given);
  void append(YamlItem& item, Given given);
  void switch_on_or_off(YamlItem& item, const Given& given);
  bool takes_condition(YamlItem& item, const RuleDefinition& rule);
  RuleDefinition* earlier(YamlItem& item, const Given& given);
  void keep(RuleDefinition rule);

  Definitions& definitions_;
  LoadReport& report_;
};

}  // namespace picket::rule
