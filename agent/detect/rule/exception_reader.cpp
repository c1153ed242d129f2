#include "agent/detect/rule/exception_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "agent/detect/rule/load_limits.h"
#include "agent/detect/rule/parser.h"

namespace picket::rule {
namespace {

constexpr size_t kValuesMax = 100'000;  // of one rule: YAML's aliases multiply

std::string too_many() {
  return fmt::format("more than {} exceptions of one rule; one with many 'values' says the same",
                     kExceptionsMax);
}

class ExceptionReader {
 public:
  ExceptionReader(YamlItem& item, LoadReport& report) : item_(item), report_(report) {}

  std::vector<ExceptionDefinition> read() {
    std::vector<ExceptionDefinition> exceptions;
    std::set<std::string> names;
    const YAML::Node list = item_.value("exceptions");
    if (!list.IsDefined() || list.IsNull()) return exceptions;
    if (!list.IsSequence()) {
      item_.fail(list.Mark(), "a list of exceptions expected: '- name: NAME'");
      return exceptions;
    }
    for (const YAML::Node& node : list) {
      if (exceptions.size() == kExceptionsMax) {
        item_.fail(node.Mark(), too_many());
        break;
      }
      auto exception = read_one(node);
      if (!exception.has_value()) continue;
      if (!names.insert(exception->name.value).second) {
        item_.note(exception->name,
                   fmt::format("exception '{}' stands twice in this rule: both hold, and what is "
                               "appended to it goes to the first",
                               exception->name.value));
      }
      exceptions.push_back(*std::move(exception));
    }
    return exceptions;
  }

 private:
  std::optional<ExceptionDefinition> read_one(const YAML::Node& node) {
    if (!node.IsMap()) {
      item_.fail(node.Mark(), "a mapping expected that starts with 'name'");
      return std::nullopt;
    }
    YamlItem one(node, item_.file(), report_);
    ExceptionDefinition exception;
    bool valid = one.allow({"name", "fields", "comps", "values"}, YamlItem::kLeftAside);
    valid &= one.read_name("name", exception.name);
    valid &= read_words(one, "fields", exception.scalar, exception.fields);
    bool scalar_comps = exception.scalar;
    valid &= read_words(one, "comps", scalar_comps, exception.comps);
    valid = valid && check_comps(one, exception, scalar_comps);
    valid = valid && read_values(one, exception);
    if (!valid) return std::nullopt;
    return exception;
  }

  // One word, or a list of them.
  bool read_words(YamlItem& one, std::string_view key, bool& scalar,
                  std::vector<SourceText>& words) {
    const YAML::Node value = one.value(key);
    if (!value.IsDefined()) return true;
    scalar = value.IsScalar();
    if (!scalar) {
      return one.read_items(key, [&](SourceText text, bool) { words.push_back(std::move(text)); });
    }
    return one.read(key, words.emplace_back());
  }

  static bool check_comps(YamlItem& one, const ExceptionDefinition& exception, bool scalar_comps) {
    const std::vector<SourceText>& comps = exception.comps;
    if (exception.fields.empty() || comps.empty()) return true;
    if (scalar_comps != exception.scalar) {
      return one.fail(comps.front(),
                      exception.scalar ? "one operator expected, as 'fields' is one field"
                                       : "a list of operators expected, one for each of 'fields'");
    }
    if (comps.size() != exception.fields.size()) {
      return one.fail(comps.front(), fmt::format("{} operators expected, one for each of 'fields'",
                                                 exception.fields.size()));
    }
    const std::string& op = comps.front().value;
    const bool sets = op == "in" || op == "pmatch" || op == "intersects";
    if (!exception.scalar || sets) return true;
    return one.fail(comps.front(), fmt::format("'{}' does not take the values of one field; in, "
                                               "pmatch or intersects expected",
                                               op));
  }

  bool read_values(YamlItem& one, ExceptionDefinition& exception) {
    const YAML::Node values = one.value("values");
    if (!values.IsDefined() || values.IsNull()) return true;
    if (!values.IsSequence()) return one.fail(values.Mark(), "a list expected for 'values'");
    bool valid = true;
    for (const YAML::Node& value : values) {
      ExceptionDefinition::Tuple tuple{one.text_of(value), {}};
      valid &= read_tuple(one, value, tuple);
      if (count_ > kValuesMax) {
        return one.fail(value.Mark(), fmt::format("more than {} values", kValuesMax));
      }
      exception.tuples.push_back(std::move(tuple));
    }
    return valid;
  }

  bool read_tuple(YamlItem& one, const YAML::Node& value, ExceptionDefinition::Tuple& tuple) {
    if (value.IsScalar()) {
      tuple.alone = true;
      tuple.values.push_back({{one.text_of(value)}, false});
      return ++count_ > 0;
    }
    if (!value.IsSequence()) return one.fail(value.Mark(), "a value or a list of values expected");
    for (const YAML::Node& part : value) {
      ExceptionDefinition::Value& inner = tuple.values.emplace_back();
      inner.list = part.IsSequence();
      if (!inner.list && !part.IsScalar()) {
        return one.fail(part.Mark(), "a value or a list of values expected");
      }
      if (!inner.list) inner.items.push_back(one.text_of(part));
      for (const YAML::Node& item : part) {
        if (!item.IsScalar()) return one.fail(item.Mark(), "a value expected");
        inner.items.push_back(one.text_of(item));
        if (++count_ > kValuesMax) return true;
      }
      if (++count_ > kValuesMax) return true;
    }
    return true;
  }

  YamlItem& item_;
  LoadReport& report_;
  size_t count_ = 0;
};

}  // namespace

std::vector<ExceptionDefinition> read_exceptions(YamlItem& item, LoadReport& report) {
  return ExceptionReader(item, report).read();
}

void append_exceptions(YamlItem& item, std::vector<ExceptionDefinition> more,
                       std::vector<ExceptionDefinition>& exceptions) {
  for (ExceptionDefinition& one : more) {
    const auto known = std::ranges::find_if(exceptions, [&](const ExceptionDefinition& other) {
      return other.name.value == one.name.value;
    });
    if (known == exceptions.end() && exceptions.size() == kExceptionsMax) {
      item.fail(one.name, too_many());
      return;
    }
    if (known == exceptions.end()) {
      exceptions.push_back(std::move(one));
    } else if (!one.fields.empty() || !one.comps.empty()) {
      item.fail(one.fields.empty() ? one.comps.front() : one.fields.front(),
                fmt::format("exception '{}' has its fields and operators already; only 'values' "
                            "expected",
                            one.name.value));
    } else {
      std::ranges::move(one.tuples, std::back_inserter(known->tuples));
    }
  }
}

}  // namespace picket::rule
