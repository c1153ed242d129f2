// The audit log's hash chain: every entry's hash covers the entry and the hash before it, so that
// an altered, inserted or removed entry breaks the chain at its place. Each hash is signed: a chain
// that was made anew behind a change shows at that change. Pure functions over entries, any thread.
// Nothing fails: a chain that does not hold is an answer, not an error. Removed *last* entries
// leave a valid chain: compare the count with one known from elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "collector/audit/signer.h"
#include "picket/v1/operator.pb.h"

namespace picket {

constexpr size_t kAuditHashBytes = 32;

// The hash before the first entry.
std::string audit_genesis();

// Over previous_hash and every other field except `hash` and `signature`; each text with its length
// in front, so that no two different entries have the same bytes.
std::string audit_hash(const v1::AuditEntry& entry);

// Sets sequence, previous_hash and hash so that `entry` follows `sequence` and `hash`.
void seal_audit_entry(v1::AuditEntry& entry, uint64_t previous_sequence,
                      const std::string& previous_hash);

struct AuditBreak {
  uint64_t sequence = 0;  // the first entry that does not fit
  std::string reason;
};

// Fed with entries in ascending order, from the first one.
class AuditVerifier {
 public:
  // Without a key signatures are not looked at. Entries from before the log was signed have none;
  // behind the first signed one each has to be.
  explicit AuditVerifier(std::optional<AuditKey> key = std::nullopt) : key_(std::move(key)) {}

  // nullopt: the chain holds up to and including `entry`. After a break the answer stays the same.
  const std::optional<AuditBreak>& next(const v1::AuditEntry& entry);
  uint64_t entries() const { return sequence_; }
  uint64_t signed_entries() const { return signed_; }
  const std::string& last_hash() const { return hash_; }

 private:
  const char* wrong_signature(const v1::AuditEntry& entry) const;  // nullptr: it is right

  const std::optional<AuditKey> key_;
  uint64_t sequence_ = 0, signed_ = 0;
  std::string hash_ = audit_genesis();
  std::optional<AuditBreak> break_;
};

}  // namespace picket
