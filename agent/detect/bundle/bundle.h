// A signature over a folder of rules: `rules.sig` in it has a serial, which orders it among all
// that are signed, and lists every rule file with its SHA-256, signed with Ed25519. What was read
// is what is verified, so nothing can change in between. Pure but for reading keys; any thread.
// Errors: as Status, naming the file that is not as it was signed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/detect/rule/rule_files.h"

struct evp_pkey_st;

namespace picket {

inline constexpr const char* kSignatureFile = "rules.sig";

// An Ed25519 key from a PEM file.
class BundleKey {
 public:
  static absl::StatusOr<BundleKey> read_private(const std::filesystem::path& file);
  static absl::StatusOr<BundleKey> read_public(const std::filesystem::path& file);

  absl::StatusOr<std::string> sign(std::string_view text) const;
  bool verifies(std::string_view text, std::string_view signature) const;
  std::string fingerprint() const;  // SHA-256 of its public half, in hexadecimal digits

 private:
  explicit BundleKey(evp_pkey_st* key) : key_(key, free_key) {}
  static absl::StatusOr<BundleKey> read(const std::filesystem::path& file, bool is_private);
  static void free_key(evp_pkey_st* key);
  std::unique_ptr<evp_pkey_st, void (*)(evp_pkey_st*)> key_;
};

// The text of `rules.sig` for the files, which lie below `folder`.
absl::StatusOr<std::string> sign_rules(const std::filesystem::path& folder,
                                       std::span<const RuleFile> files, uint64_t serial,
                                       const BundleKey& key);

// Whether `signature`, the text of a `rules.sig`, is of exactly these files; answers its serial.
absl::StatusOr<uint64_t> verify_rules(const std::filesystem::path& folder,
                                      std::span<const RuleFile> files, std::string_view signature,
                                      const BundleKey& key);

// What the text says of itself, without a key: the serial, and that its list is of these files.
absl::StatusOr<uint64_t> read_signature(const std::filesystem::path& folder,
                                        std::span<const RuleFile> files,
                                        std::string_view signature);

// The text of the folder's `rules.sig`; PermissionDenied: there is none.
absl::StatusOr<std::string> read_signature_file(const std::filesystem::path& folder);

struct SignedRules {
  std::vector<RuleFile> files;
  uint64_t serial = 0;  // of several folders the highest
};

// Reads and verifies: every path must be a folder with its `rules.sig`.
absl::StatusOr<SignedRules> read_signed_rules(std::span<const std::filesystem::path> folders,
                                              const BundleKey& key);

}  // namespace picket
