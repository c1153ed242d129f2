#include "collector/export/webhook_signature.h"

#include <fmt/format.h>
#include <openssl/hmac.h>

#include <array>

#include "absl/strings/escaping.h"

namespace picket {

absl::StatusOr<std::string> webhook_signature(const std::string& secret, const std::string& id,
                                              uint64_t time_s, const std::string& body) {
  constexpr std::string_view kPrefix = "whsec_";
  const std::string encoded = secret.starts_with(kPrefix) ? secret.substr(kPrefix.size()) : secret;
  std::string key;
  if (!absl::Base64Unescape(encoded, &key) || key.empty())
    return absl::InvalidArgumentError("the secret for signatures is no Base64");
  const std::string text = fmt::format("{}.{}.{}", id, time_s, body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return "v1," + absl::Base64Escape({reinterpret_cast<const char*>(digest.data()), size_t{size}});
}

}  // namespace picket
