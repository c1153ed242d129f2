#include "tests/support/ocsf.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace picket::test {
namespace {

using nlohmann::json;

class Check {
 public:
  explicit Check(json objects) : objects_(std::move(objects)) {}

  void object(const std::string& type, const json& value, const std::string& where) {
    if (!objects_.contains(type)) return add(where, "nothing is known of " + type);
    if (!value.is_object()) return add(where, "no object");
    const json& known = objects_[type];
    for (const auto& [name, kind] : known["attributes"].items())
      if (kind.get<std::string>().ends_with("!") && !value.contains(name)) add(where, "no " + name);
    const json choice = known.value("at_least_one", json::array());
    const bool has_one = std::any_of(choice.begin(), choice.end(), [&](const json& name) {
      return value.contains(name.get<std::string>());
    });
    if (!choice.empty() && !has_one) add(where, "none of " + choice.dump());
    for (const auto& [name, part] : value.items()) attribute(type, name, part, where + "." + name);
  }
  std::vector<std::string> take() { return std::move(problems_); }

 private:
  void add(const std::string& where, const std::string& what) {
    problems_.push_back(where + ": " + what);
  }

  void attribute(const std::string& type, const std::string& name, const json& value,
                 const std::string& where) {
    const json& known = objects_[type];
    if (!known["attributes"].contains(name)) return add(where, "no attribute of " + type);
    std::string kind = known["attributes"][name];
    if (kind.ends_with("!")) kind.pop_back();
    if (kind.ends_with("[]")) {
      if (!value.is_array()) return add(where, "no list");
      kind.resize(kind.size() - 2);
      for (size_t i = 0; i < value.size(); ++i)
        of_kind(kind, value[i], fmt::format("{}[{}]", where, i));
      return;
    }
    of_kind(kind, value, where);
    const json numbers = known.value("enums", json::object()).value(name, json::array());
    if (!numbers.empty() && std::find(numbers.begin(), numbers.end(), value) == numbers.end())
      add(where, value.dump());
  }

  void of_kind(const std::string& kind, const json& value, const std::string& where) {
    if (kind == "string" && !value.is_string()) return add(where, "no text");
    if ((kind == "integer" || kind == "long") && !value.is_number_integer())
      return add(where, "no integer");
    if (kind == "boolean" && !value.is_boolean()) return add(where, "neither true nor false");
    if ((kind == "object" || kind == "json") && !value.is_object()) return add(where, "no object");
    static const std::vector<std::string> kSimple{"string",  "integer", "long",
                                                  "boolean", "object",  "json"};
    if (std::find(kSimple.begin(), kSimple.end(), kind) == kSimple.end())
      object(kind, value, where);
  }

  const json objects_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> ocsf_problems(const json& finding) {
  std::ifstream in(PICKET_SOURCE_DIR "/tests/golden/outputs/ocsf-1.4.0.json");
  Check check(json::parse(in));
  check.object("detection_finding", finding, "finding");
  return check.take();
}

}  // namespace picket::test
