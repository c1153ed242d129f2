// The three PEM files of one end of mutual TLS, and whether they are usable. Read at start by main;
// later changes are followed by the credentials themselves (tls.h). Errors: InvalidArgument, one
// sentence that names the file and what to do about it.
#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace picket {

struct TlsFiles {
  std::filesystem::path ca;    // who may have issued the peer's certificate; one or more
  std::filesystem::path cert;  // own certificate, followed by its intermediates if it has any
  std::filesystem::path key;   // its private key, without a passphrase
};

// Readable, PEM, belong together, and valid now.
absl::Status check_files(const TlsFiles& files);
// Parts of it.
absl::Status check_authorities(const std::filesystem::path& ca);
absl::Status check_pair(const std::filesystem::path& cert, const std::filesystem::path& key);

}  // namespace picket
