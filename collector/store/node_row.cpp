#include "collector/store/node_row.h"

namespace picket {

std::string kept_labels(const v1::Hello& hello) {
  v1::Node node;
  *node.mutable_labels() = hello.labels();
  return node.SerializeAsString();
}

absl::Status add_labels(std::string_view kept, v1::Node& node) {
  if (node.MergeFromString(std::string(kept))) return absl::OkStatus();
  return absl::DataLossError("read the stored labels of a node: they are damaged");
}

absl::StatusOr<Greeting> greeting(uint64_t last_sequence, std::string_view kept_rules) {
  Greeting known{last_sequence, {}};
  if (known.rules.ParseFromString(std::string(kept_rules))) return known;
  return absl::DataLossError("read the stored state of rules of a node: it is damaged");
}

}  // namespace picket
