// Strict reading of one mapping of a rule file: duplicate keys and values of a wrong type are
// errors with file, line and column, unknown keys as well or, in what Falco has too, notes. Lives
// while the mapping is read; throws YAML::Exception as the library does, caught by
// read_definitions(). Errors: added to the report; every function answers whether its key was fine.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "agent/detect/rule/load_report.h"
#include "agent/detect/rule/source_text.h"

namespace picket::rule {

class YamlItem {
 public:
  enum Presence { kOptional, kRequired };
  enum Unknown { kRefused, kLeftAside };  // keys

  YamlItem(YAML::Node map, std::shared_ptr<const SourceFile> file, LoadReport& report);

  bool has(std::string_view key) const;
  bool require(std::string_view key);            // reports a key that is not there
  YAML::Node value(std::string_view key) const;  // undefined when absent
  YAML::Mark mark() const { return map_.Mark(); }
  // Reports duplicate and unknown keys.
  bool allow(std::initializer_list<std::string_view> keys, Unknown unknown = kRefused);

  // An absent optional key leaves `text` as it is, and answers true; so does a present one of the
  // right type.
  bool read(std::string_view key, SourceText& text, Presence presence = kOptional);
  bool read(std::string_view key, bool& value);
  bool read_name(std::string_view key, SourceText& name);  // not empty
  bool read_items(std::string_view key, const std::function<void(SourceText, bool quoted)>& each,
                  Presence presence = kRequired);

  bool fail(const SourceText& at, std::string message);  // answers false
  bool fail(const YAML::Mark& mark, std::string message);
  void note(const SourceText& at, std::string message);
  void note(const YAML::Mark& mark, std::string message);

  const std::shared_ptr<const SourceFile>& file() const { return file_; }
  SourceText text_of(const YAML::Node& node) const;  // of a list or mapping: where it stands

 private:
  bool missing(std::string_view key, Presence presence);

  YAML::Node map_;
  std::shared_ptr<const SourceFile> file_;
  LoadReport& report_;
};

}  // namespace picket::rule
