#include "collector/audit/signer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/rule_signature.h"

namespace picket {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPointer = std::unique_ptr<BIO, FreeBio>;
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using ContextPointer = std::unique_ptr<EVP_MD_CTX, FreeContext>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

BioPointer reading(std::string_view text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string content(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

bool is_ed25519(const EVP_PKEY* key) { return EVP_PKEY_id(key) == EVP_PKEY_ED25519; }

// 0600, and never over a file that somebody made meanwhile.
absl::Status write_private(const std::filesystem::path& file, std::string_view text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (written) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("make the audit log's key {}: {}", file.string(), std::strerror(error)));
}

absl::Status make_key(const std::filesystem::path& file) {
  const KeyPointer key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const BioPointer bio(BIO_new(BIO_s_mem()));
  if (!key || !bio ||
      PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return absl::InternalError("make the audit log's key: OpenSSL cannot");
  return write_private(file, content(*bio));
}

}  // namespace

absl::StatusOr<AuditKey> AuditKey::parse(std::string_view pem) {
  KeyPointer key(PEM_read_bio_PUBKEY(reading(pem).get(), nullptr, nullptr, nullptr));
  if (!key || !is_ed25519(key.get()))
    return absl::InvalidArgumentError("read the audit log's public key: it is no Ed25519 key");
  return AuditKey(std::move(key));
}

bool AuditKey::signed_by(std::string_view signature, std::string_view hash) const {
  const ContextPointer context(EVP_MD_CTX_new());
  return context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(hash),
                          hash.size()) == 1;
}

std::string AuditKey::fingerprint() const {
  std::array<unsigned char, 32> raw{};
  size_t size = raw.size();
  EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &size);
  return "SHA256:" + sha256_hex({reinterpret_cast<const char*>(raw.data()), size});
}

absl::StatusOr<AuditSigner> AuditSigner::open(const std::filesystem::path& file, bool may_make) {
  std::error_code error;
  if (!std::filesystem::exists(file, error) && may_make) {
    if (absl::Status made = make_key(file); !made.ok()) return made;
  }
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  KeyPointer key(PEM_read_bio_PrivateKey(reading(text.view()).get(), nullptr, nullptr, nullptr));
  const BioPointer bio(BIO_new(BIO_s_mem()));
  if (!in || !key || !is_ed25519(key.get()) || PEM_write_bio_PUBKEY(bio.get(), key.get()) != 1)
    return absl::FailedPreconditionError(
        fmt::format("read the audit log's key {}: there is no Ed25519 key in PEM; the log is "
                    "signed with it, restore it",
                    file.string()));
  return AuditSigner(std::move(key), content(*bio));
}

std::string AuditSigner::sign(std::string_view hash) const {
  std::array<unsigned char, 64> signature{};
  size_t size = signature.size();
  const ContextPointer context(EVP_MD_CTX_new());
  // Fails only without memory: no audit, no collector.
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, bytes(hash), hash.size()) != 1)
    std::abort();
  return std::string(reinterpret_cast<const char*>(signature.data()), size);
}

}  // namespace picket
