// The key behind the audit log: Ed25519 over each entry's hash, so that whoever can write the
// database but has no key can neither change an entry nor chain the log anew behind a change.
// Plain values, any thread. Errors: as Status, with the file.
#pragma once

#include <openssl/evp.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace picket {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using KeyPointer = std::unique_ptr<EVP_PKEY, FreeKey>;

// What an auditor has.
class AuditKey {
 public:
  static absl::StatusOr<AuditKey> parse(std::string_view pem);
  bool signed_by(std::string_view signature, std::string_view hash) const;
  // "SHA256:" and the digest of the public key in hexadecimal digits.
  std::string fingerprint() const;

 private:
  explicit AuditKey(KeyPointer key) : key_(std::move(key)) {}
  KeyPointer key_;
};

// What the collector has.
class AuditSigner {
 public:
  // Makes the key, readable by its owner only, where there is no file and `may_make`.
  static absl::StatusOr<AuditSigner> open(const std::filesystem::path& file, bool may_make);
  std::string sign(std::string_view hash) const;
  const std::string& public_key() const { return public_key_; }  // PEM

 private:
  AuditSigner(KeyPointer key, std::string public_key)
      : key_(std::move(key)), public_key_(std::move(public_key)) {}
  KeyPointer key_;
  std::string public_key_;
};

}  // namespace picket
