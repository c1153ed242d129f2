// Signed sets of rules in parts, for streams whose messages are bounded. Pure functions, any
// thread; an assembly belongs to one. Errors: InvalidArgument, in words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "picket/v1/rules.pb.h"

namespace picket {

constexpr size_t kMaxRuleBundleBytes = 16 << 20;

// The part that begins at `offset`, of a size that any stream takes.
v1::RuleBundleChunk rule_bundle_chunk(const std::string& bundle_id, std::string_view bundle,
                                      size_t offset);

// Puts parts together again.
class RuleBundleAssembly {
 public:
  // Whether the bundle is whole. After an error the next bundle may begin.
  absl::StatusOr<bool> add(const v1::RuleBundleChunk& chunk);
  const std::string& id() const { return id_; }
  std::string take();  // the serialized bundle, once it is whole

 private:
  absl::Status begin(const v1::RuleBundleChunk& chunk);

  std::string id_, bytes_;
  uint64_t size_ = 0;  // 0: none has begun
};

}  // namespace picket
