#include "common/rule_signature.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <charconv>

#include "absl/strings/escaping.h"

namespace picket {
namespace {

constexpr std::string_view kHead = "picket-rules 2\nserial ";

}  // namespace

std::string rule_signature_head(uint64_t serial) { return fmt::format("{}{}\n", kHead, serial); }

absl::StatusOr<uint64_t> rule_signature_serial(std::string_view signature) {
  uint64_t serial = 0;
  if (signature.starts_with(kHead)) {
    const char* const last = signature.data() + signature.size();
    const auto [end, error] = std::from_chars(signature.data() + kHead.size(), last, serial);
    if (error == std::errc() && end != last && *end == '\n') return serial;
  }
  return absl::InvalidArgumentError("rules.sig is no signature");
}

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace picket
