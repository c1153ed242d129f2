// The three PEM files of one end of mutual TLS, and whether they are usable. Any thread. Errors:
// InvalidArgument, one sentence that names the file and what to do about it.
#pragma once

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket {

struct TlsFiles {
  std::filesystem::path ca;    // who may have issued the peer's certificate; one or more
  std::filesystem::path cert;  // own certificate, followed by its intermediates if it has any
  std::filesystem::path key;   // its private key, without a passphrase
};

struct TlsTexts {
  std::string ca, cert, key;
};

// Readable, PEM, belong together, and valid now.
absl::Status check_files(const TlsFiles& files);
// The same, and what is in them.
absl::StatusOr<TlsTexts> read_files(const TlsFiles& files);

}  // namespace picket
