#include "agent/detect/bundle/bundle.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "common/rule_signature.h"

namespace picket {
namespace {

constexpr std::string_view kSignature = "signature ";
constexpr size_t kSignatureBytes = 64, kKeyBytes = 32;
constexpr size_t kFileMax = 1 << 20;

using Context = std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)>;
Context make_context() { return {EVP_MD_CTX_new(), EVP_MD_CTX_free}; }

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string relative_name(const std::filesystem::path& folder, const RuleFile& file) {
  return std::filesystem::path(file.name).lexically_relative(folder).string();
}

// The lines that are signed. A name with a line end could pretend to be two lines.
absl::StatusOr<std::string> list_of(const std::filesystem::path& folder,
                                    std::span<const RuleFile> files, uint64_t serial) {
  std::map<std::string, std::string> lines;
  for (const RuleFile& file : files) {
    std::string name = relative_name(folder, file);
    if (name.empty() || name == ".." || name.starts_with("../") || name.find('\n') != name.npos)
      return absl::InvalidArgumentError(
          fmt::format("rules in {}: {} cannot be signed", folder.string(), file.name));
    lines[std::move(name)] = sha256_hex(file.text);
  }
  std::string text = rule_signature_head(serial);
  for (const auto& [name, digest] : lines) text += fmt::format("{} {}\n", digest, name);
  return text;
}

// The text of a rules.sig, taken apart; nothing of it is verified.
struct SignatureText {
  std::string_view list;  // what is signed
  std::string_view encoded;
  uint64_t serial = 0;
};

absl::StatusOr<SignatureText> parts_of(const std::string& what, std::string_view text) {
  const auto serial = rule_signature_serial(text);
  const size_t last = text.rfind(kSignature);
  if (!serial.ok() || last == text.npos || text[last - 1] != '\n')
    return absl::PermissionDeniedError(what + "rules.sig is no signature");
  SignatureText parts{text.substr(0, last), text.substr(last + kSignature.size()), *serial};
  if (parts.encoded.ends_with('\n')) parts.encoded.remove_suffix(1);
  return parts;
}

std::string attempt(const std::filesystem::path& folder) {
  return fmt::format("verify the rules in {}: ", folder.string());
}

// Which file is not as it was signed, in words.
std::string difference(std::string_view was, std::string_view is) {
  const auto lines = [](std::string_view text) {
    std::map<std::string, std::string> digests;
    while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      if (const size_t blank = line.find(' '); blank != line.npos)
        digests[std::string(line.substr(blank + 1))] = line.substr(0, blank);
    }
    return digests;
  };
  const auto before = lines(was), now = lines(is);
  for (const auto& [name, digest] : now) {
    const auto known = before.find(name);
    if (known == before.end()) return fmt::format("{} was added", name);
    if (known->second != digest) return fmt::format("{} was altered", name);
  }
  for (const auto& [name, digest] : before)
    if (!now.contains(name)) return fmt::format("{} is missing", name);
  return "the list of files was altered";
}

}  // namespace

void BundleKey::free_key(evp_pkey_st* key) { EVP_PKEY_free(key); }

absl::StatusOr<BundleKey> BundleKey::read(const std::filesystem::path& file, bool is_private) {
  std::unique_ptr<FILE, int (*)(FILE*)> stream(fopen(file.c_str(), "re"), fclose);
  if (!stream)
    return absl::NotFoundError(
        fmt::format("read the key of the rules {}: cannot be opened", file.string()));
  EVP_PKEY* key = is_private ? PEM_read_PrivateKey(stream.get(), nullptr, nullptr, nullptr)
                             : PEM_read_PUBKEY(stream.get(), nullptr, nullptr, nullptr);
  BundleKey result(key);
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519)
    return absl::InvalidArgumentError(
        fmt::format("read the key of the rules {}: no {} Ed25519 key "
                    "in PEM form",
                    file.string(), is_private ? "private" : "public"));
  return result;
}

absl::StatusOr<BundleKey> BundleKey::read_private(const std::filesystem::path& file) {
  return read(file, true);
}
absl::StatusOr<BundleKey> BundleKey::read_public(const std::filesystem::path& file) {
  return read(file, false);
}

absl::StatusOr<std::string> BundleKey::sign(std::string_view text) const {
  const Context context = make_context();
  std::string signature(kSignatureBytes, '\0');
  size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes(text), text.size()) != 1)
    return absl::InternalError("sign the rules: OpenSSL refused");
  signature.resize(size);
  return signature;
}

bool BundleKey::verifies(std::string_view text, std::string_view signature) const {
  const Context context = make_context();
  return context && signature.size() == kSignatureBytes &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(text),
                          text.size()) == 1;
}

std::string BundleKey::fingerprint() const {
  std::string raw(kKeyBytes, '\0');
  size_t size = raw.size();
  auto* const out = reinterpret_cast<unsigned char*>(raw.data());
  const bool read = EVP_PKEY_get_raw_public_key(key_.get(), out, &size) == 1;
  return sha256_hex(read ? raw : "");
}

absl::StatusOr<std::string> sign_rules(const std::filesystem::path& folder,
                                       std::span<const RuleFile> files, uint64_t serial,
                                       const BundleKey& key) {
  auto text = list_of(folder, files, serial);
  if (!text.ok()) return text;
  const auto signature = key.sign(*text);
  if (!signature.ok()) return signature;
  return fmt::format("{}{}{}\n", *text, kSignature, absl::Base64Escape(*signature));
}

absl::StatusOr<uint64_t> read_signature(const std::filesystem::path& folder,
                                        std::span<const RuleFile> files,
                                        std::string_view signature) {
  const auto parts = parts_of(attempt(folder), signature);
  if (!parts.ok()) return parts.status();
  const auto now = list_of(folder, files, parts->serial);
  if (!now.ok()) return now.status();
  if (*now != parts->list)
    return absl::PermissionDeniedError(attempt(folder) + difference(parts->list, *now));
  return parts->serial;
}

absl::StatusOr<uint64_t> verify_rules(const std::filesystem::path& folder,
                                      std::span<const RuleFile> files, std::string_view signature,
                                      const BundleKey& key) {
  const auto parts = parts_of(attempt(folder), signature);
  if (!parts.ok()) return parts.status();
  std::string decoded;
  if (!absl::Base64Unescape(std::string(parts->encoded), &decoded) ||
      !key.verifies(parts->list, decoded))
    return absl::PermissionDeniedError(attempt(folder) +
                                       "rules.sig was not made with the configured key");
  return read_signature(folder, files, signature);
}

absl::StatusOr<std::string> read_signature_file(const std::filesystem::path& folder) {
  std::ifstream stream(folder / kSignatureFile, std::ios::binary);
  if (!stream.is_open())
    return absl::PermissionDeniedError(attempt(folder) + "there is no rules.sig");
  std::string signature(kFileMax, '\0');
  stream.read(signature.data(), static_cast<std::streamsize>(signature.size()));
  signature.resize(static_cast<size_t>(stream.gcount()));
  return signature;
}

absl::StatusOr<SignedRules> read_signed_rules(std::span<const std::filesystem::path> folders,
                                              const BundleKey& key) {
  SignedRules all;
  for (const std::filesystem::path& folder : folders) {
    const auto signature = read_signature_file(folder);
    if (!signature.ok()) return signature.status();
    LoadReport report;
    std::vector<RuleFile> files = read_rule_files({&folder, 1}, report);
    if (!report.errors.empty()) return absl::InvalidArgumentError(report.error_text());
    const auto serial = verify_rules(folder, files, *signature, key);
    if (!serial.ok()) return serial.status();
    all.serial = std::max(all.serial, *serial);
    std::ranges::move(files, std::back_inserter(all.files));
  }
  return all;
}

}  // namespace picket
