#include "agent/detect/rule/egress_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/detect/rule/matcher.h"

namespace picket::rule {
namespace {

constexpr std::string_view kOutput =
    "Egress outside of the policy: %proc.cmdline to %fd.rip port %fd.rport %fd.l4proto (asked for "
    "as %fd.rip.name; program %proc.exepath, parent %proc.pcmdline, user %user.uid) in "
    "%workspace.name of %workspace.owner";

using Values = std::vector<std::string>;

bool is_name(std::string_view text, bool wildcard) {
  const auto fits = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
           (wildcard && c == '*');
  };
  return !text.empty() && std::ranges::all_of(text, fits);
}

std::string in(std::string_view field, const Values& values) {
  return fmt::format("{} in ({})", field, fmt::join(values, ", "));
}

// One entry of `allow`: some of its destinations, by some of its ports and protocols.
class Entry {
 public:
  explicit Entry(YamlItem& item) : item_(item) {}

  bool read() {
    bool valid = item_.allow({"names", "addresses", "lists", "ports", "protocols", "desc"});
    valid &= each("names", &Entry::add_name);  // each is read, so that every mistake is told
    valid &= each("addresses", &Entry::add_address);
    valid &= each("lists", &Entry::add_list);
    valid &= each("ports", &Entry::add_port);
    valid &= each("protocols", &Entry::add_protocol);
    valid &= says_where();
    return valid;
  }

  std::string condition() const {
    std::vector<std::string> where = patterns_;
    if (!names_.empty()) where.push_back(in("fd.rip.names", names_));
    if (!networks_.empty()) where.push_back(in("fd.rnet", networks_));
    for (const std::string& list : lists_)
      where.push_back(fmt::format("fd.rip.names in ({})", list));
    std::vector<std::string> all;
    if (!where.empty()) all.push_back(fmt::format("({})", fmt::join(where, " or ")));
    if (!ports_.empty()) all.push_back(in("fd.rport", ports_));
    if (!protocols_.empty()) all.push_back(in("fd.l4proto", protocols_));
    return fmt::format("({})", fmt::join(all, " and "));
  }

 private:
  bool each(std::string_view key, bool (Entry::*add)(const SourceText&)) {
    bool valid = true;
    const bool read = item_.read_items(
        key, [&](SourceText text, bool) { valid &= (this->*add)(text); }, YamlItem::kOptional);
    return read && valid;
  }

  bool add_name(const SourceText& text) {
    const bool wildcard = text.value.find('*') != std::string::npos;
    if (!is_name(text.value, true))
      return item_.fail(text, fmt::format("'{}' is no host name in lower case; example.org or "
                                          "*.example.org expected",
                                          text.value));
    if (wildcard)
      patterns_.push_back(fmt::format("fd.rip.names glob \"{}\"", text.value));
    else
      names_.push_back(fmt::format("\"{}\"", text.value));
    return true;
  }

  bool add_address(const SourceText& text) {
    const auto parsed = parse_network(text.value, false);
    if (const auto* wrong = std::get_if<std::string>(&parsed)) return item_.fail(text, *wrong);
    networks_.push_back(text.value.find('/') != std::string::npos
                            ? fmt::format("\"{}\"", text.value)
                            : fmt::format("\"{}/{}\"", text.value,
                                          text.value.find(':') != std::string::npos ? 128 : 32));
    return true;
  }

  bool add_list(const SourceText& text) {
    if (!is_name(text.value, false))
      return item_.fail(text, fmt::format("'{}' is no name of a list of host names", text.value));
    lists_.push_back(text.value);
    return true;
  }

  bool add_port(const SourceText& text) {
    unsigned port = 0;
    const char* last = text.value.data() + text.value.size();
    const auto [end, error] = std::from_chars(text.value.data(), last, port);
    if (error != std::errc() || end != last || port > 65535)
      return item_.fail(text, fmt::format("'{}' is no port; 0 to 65535 expected", text.value));
    ports_.push_back(text.value);
    return true;
  }

  bool add_protocol(const SourceText& text) {
    if (text.value != "tcp" && text.value != "udp")
      return item_.fail(text, fmt::format("'{}' is no protocol; tcp or udp expected", text.value));
    protocols_.push_back(text.value);
    return true;
  }

  bool says_where() {
    if (!names_.empty() || !patterns_.empty() || !networks_.empty() || !lists_.empty() ||
        !ports_.empty())
      return true;
    return item_.fail(item_.mark(), "allows everything; names, addresses, lists or ports expected");
  }

  YamlItem& item_;
  Values names_, patterns_, networks_, lists_, ports_, protocols_;
};

}  // namespace

bool read_egress(YamlItem& item, LoadReport& report, RuleDefinition& rule) {
  if (!item.require("allow")) return false;
  const YAML::Node allow = item.value("allow");
  if (!allow.IsSequence())
    return item.fail(allow.Mark(),
                     "a list of what is allowed expected: '- names: [example.org]'; an empty one "
                     "denies everything");
  std::vector<std::string> allowed;
  bool valid = true;
  for (const YAML::Node& node : allow) {
    if (!node.IsMap()) {
      valid = item.fail(node.Mark(), "a mapping expected: names, addresses, lists, ports");
      continue;
    }
    YamlItem one(node, item.file(), report);
    Entry entry(one);
    if (entry.read())
      allowed.push_back(entry.condition());
    else
      valid = false;
  }
  if (!valid) return false;
  rule.condition = rule.output = rule.name;
  rule.condition.value =
      "evt.type = connect and fd.rip exists and not fd.rnet in (\"127.0.0.0/8\", \"::1/128\")";
  if (!allowed.empty())
    rule.condition.value += fmt::format(" and not ({})", fmt::join(allowed, " or "));
  rule.output.value = kOutput;
  return true;
}

}  // namespace picket::rule
