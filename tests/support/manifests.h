// Kubernetes manifests as text: documents, found by kind and name, compared as what they say. The
// test's thread. Errors: a Status with the parser's words; a missing document fails the test.
#pragma once

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace picket::test {

using Manifest = nlohmann::json;

// Every document that is not empty.
absl::StatusOr<std::vector<Manifest>> read_manifests(const std::string& text);

// nullptr: there is none.
const Manifest* find_manifest(const std::vector<Manifest>& all, std::string_view kind,
                              std::string_view name);

// The entry of a list whose `name` it is; null: there is none.
Manifest entry(const Manifest& list, std::string_view name);

}  // namespace picket::test
