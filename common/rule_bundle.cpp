#include "common/rule_bundle.h"

#include <fmt/format.h>

#include <utility>

namespace picket {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr size_t kMaxIdBytes = 128;

}  // namespace

v1::RuleBundleChunk rule_bundle_chunk(const std::string& bundle_id, std::string_view bundle,
                                      size_t offset) {
  v1::RuleBundleChunk chunk;
  chunk.set_bundle_id(bundle_id);
  chunk.set_size(bundle.size());
  chunk.set_offset(offset);
  chunk.set_data(std::string(bundle.substr(offset, kChunkBytes)));
  return chunk;
}

absl::Status RuleBundleAssembly::begin(const v1::RuleBundleChunk& chunk) {
  bytes_.clear();
  size_ = 0;
  id_ = chunk.bundle_id();
  if (id_.empty() || id_.size() > kMaxIdBytes || chunk.size() == 0)
    return absl::InvalidArgumentError("receive a bundle of rules: it has no id or no size");
  if (chunk.size() > kMaxRuleBundleBytes)
    return absl::InvalidArgumentError(fmt::format(
        "receive a bundle of rules: it is larger than {} MiB", kMaxRuleBundleBytes >> 20));
  size_ = chunk.size();
  return absl::OkStatus();
}

absl::StatusOr<bool> RuleBundleAssembly::add(const v1::RuleBundleChunk& chunk) {
  if (chunk.offset() == 0) {
    if (absl::Status status = begin(chunk); !status.ok()) return status;
  }
  const bool follows = size_ != 0 && chunk.bundle_id() == id_ && chunk.size() == size_ &&
                       chunk.offset() == bytes_.size() && !chunk.data().empty() &&
                       chunk.data().size() <= size_ - bytes_.size();
  if (!follows) {
    size_ = 0;
    return absl::InvalidArgumentError(
        "receive a bundle of rules: a part does not follow the one before");
  }
  bytes_ += chunk.data();
  return bytes_.size() == size_;
}

std::string RuleBundleAssembly::take() {
  size_ = 0;
  return std::exchange(bytes_, {});
}

}  // namespace picket
