#include "collector/audit/chain.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <memory>

namespace picket {
namespace {

void append_number(std::string& bytes, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(number >> shift));
}

void append_text(std::string& bytes, const std::string& text) {
  append_number(bytes, text.size());
  bytes += text;
}

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

std::string sha256(const std::string& bytes) {
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  // Fails only without memory or without SHA-256 in the library: no audit, no collector.
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) {
    std::abort();
  }
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

}  // namespace

std::string audit_genesis() { return std::string(kAuditHashBytes, '\0'); }

std::string audit_hash(const v1::AuditEntry& entry) {
  std::string bytes;
  append_text(bytes, entry.previous_hash());
  append_number(bytes, entry.sequence());
  append_number(bytes, static_cast<uint64_t>(entry.time().seconds()));
  append_number(bytes, static_cast<uint64_t>(entry.time().nanos()));
  append_text(bytes, entry.actor());
  append_text(bytes, entry.action());
  append_text(bytes, entry.object());
  append_text(bytes, entry.reason());
  append_text(bytes, entry.outcome());
  if (!entry.source().empty()) append_text(bytes, entry.source());  // older entries have none
  return sha256(bytes);
}

void seal_audit_entry(v1::AuditEntry& entry, uint64_t previous_sequence,
                      const std::string& previous_hash) {
  entry.set_sequence(previous_sequence + 1);
  entry.set_previous_hash(previous_hash);
  entry.set_hash(audit_hash(entry));
}

const char* AuditVerifier::wrong_signature(const v1::AuditEntry& entry) const {
  if (!key_) return nullptr;
  if (entry.signature().empty()) return signed_ > 0 ? "it is not signed" : nullptr;
  return key_->signed_by(entry.signature(), entry.hash())
             ? nullptr
             : "its signature is not that of the audit log's key";
}

const std::optional<AuditBreak>& AuditVerifier::next(const v1::AuditEntry& entry) {
  if (break_) return break_;
  if (entry.sequence() != sequence_ + 1) {
    break_ = AuditBreak{sequence_ + 1, fmt::format("entry {} is missing: {} follows {}",
                                                   sequence_ + 1, entry.sequence(), sequence_)};
  } else if (entry.previous_hash() != hash_) {
    break_ = AuditBreak{entry.sequence(), "it does not continue the entry before it"};
  } else if (entry.hash() != audit_hash(entry)) {
    break_ = AuditBreak{entry.sequence(), "its content does not match its hash"};
  } else if (const char* wrong = wrong_signature(entry)) {
    break_ = AuditBreak{entry.sequence(), wrong};
  } else {
    sequence_ = entry.sequence();
    hash_ = entry.hash();
    signed_ += !entry.signature().empty();
  }
  return break_;
}

}  // namespace picket
