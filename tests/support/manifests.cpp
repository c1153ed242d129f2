#include "tests/support/manifests.h"

namespace picket::test {
namespace {

// A plain word may be a number or a truth value; what stands in quotes is text.
Manifest scalar(const YAML::Node& node) {
  if (node.Tag() == "!") return node.Scalar();
  if (node.IsNull()) return nullptr;
  bool truth = false;
  int64_t number = 0;
  const std::string& text = node.Scalar();
  if ((text == "true" || text == "false") && YAML::convert<bool>::decode(node, truth)) return truth;
  if (text.find_first_not_of("-0123456789") == text.npos &&
      YAML::convert<int64_t>::decode(node, number))
    return number;
  return text;
}

Manifest value(const YAML::Node& node) {
  if (node.IsMap()) {
    Manifest map = Manifest::object();
    for (const auto& pair : node) map[pair.first.Scalar()] = value(pair.second);
    return map;
  }
  if (node.IsSequence()) {
    Manifest list = Manifest::array();
    for (const auto& one : node) list.push_back(value(one));
    return list;
  }
  return scalar(node);
}

}  // namespace

absl::StatusOr<std::vector<Manifest>> read_manifests(const std::string& text) {
  std::vector<Manifest> all;
  try {
    for (const YAML::Node& document : YAML::LoadAll(text))
      if (document.IsMap()) all.push_back(value(document));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(std::string("read manifests: ") + error.what());
  }
  return all;
}

const Manifest* find_manifest(const std::vector<Manifest>& all, std::string_view kind,
                              std::string_view name) {
  for (const Manifest& one : all)
    if (one.value("kind", "") == kind && one["metadata"].value("name", "") == name) return &one;
  return nullptr;
}

Manifest entry(const Manifest& list, std::string_view name) {
  for (const Manifest& one : list)
    if (one.value("name", "") == name) return one;
  return nullptr;
}

}  // namespace picket::test
