#include "common/tls_files.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace picket {
namespace {

template <auto release>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
using Bio = std::unique_ptr<BIO, Releaser<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Releaser<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;

absl::StatusOr<Bio> open(const std::filesystem::path& file, const char* what) {
  if (file.empty()) return absl::InvalidArgumentError(fmt::format("no file is set for {}", what));
  errno = 0;
  Bio bio(BIO_new_file(file.c_str(), "r"));
  if (!bio) {
    return absl::InvalidArgumentError(fmt::format("cannot read {} {}: {}", what, file.string(),
                                                  std::strerror(errno != 0 ? errno : EIO)));
  }
  return bio;
}

// Never asks on the terminal for the passphrase of an encrypted key.
int no_passphrase(char*, int, int, void*) { return 0; }

absl::Status valid_now(const Certificate& certificate, const std::filesystem::path& file,
                       const char* what) {
  const auto text = [](const ASN1_TIME* time) {
    Bio memory(BIO_new(BIO_s_mem()));
    ASN1_TIME_print(memory.get(), time);
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &data);
    return std::string(data, static_cast<size_t>(size));
  };
  const ASN1_TIME* from = X509_get0_notBefore(certificate.get());
  const ASN1_TIME* until = X509_get0_notAfter(certificate.get());
  if (X509_cmp_current_time(until) < 0) {
    return absl::InvalidArgumentError(
        fmt::format("{} {} expired on {}; issue a new one", what, file.string(), text(until)));
  }
  if (X509_cmp_current_time(from) > 0) {
    return absl::InvalidArgumentError(
        fmt::format("{} {} is not valid before {}; is this machine's clock right?", what,
                    file.string(), text(from)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Certificate> read_certificate(const std::filesystem::path& file, const char* what) {
  absl::StatusOr<Bio> bio = open(file, what);
  if (!bio.ok()) return bio.status();
  Certificate certificate(PEM_read_bio_X509(bio->get(), nullptr, no_passphrase, nullptr));
  if (!certificate) {
    return absl::InvalidArgumentError(fmt::format(
        "{} {} holds no PEM certificate (-----BEGIN CERTIFICATE-----)", what, file.string()));
  }
  if (const absl::Status status = valid_now(certificate, file, what); !status.ok()) return status;
  return certificate;
}

absl::StatusOr<Key> read_key(const std::filesystem::path& file) {
  absl::StatusOr<Bio> bio = open(file, "the private key");
  if (!bio.ok()) return bio.status();
  Key key(PEM_read_bio_PrivateKey(bio->get(), nullptr, no_passphrase, nullptr));
  if (!key) {
    return absl::InvalidArgumentError(fmt::format(
        "the private key {} is not an unencrypted PEM key (-----BEGIN PRIVATE KEY-----)",
        file.string()));
  }
  return key;
}

}  // namespace

absl::Status check_authorities(const std::filesystem::path& ca) {
  const absl::Status status = read_certificate(ca, "the CA certificate").status();
  ERR_clear_error();  // what was examined here must not show up in the next TLS error
  return status;
}

absl::Status check_pair(const std::filesystem::path& cert, const std::filesystem::path& key_file) {
  const auto certificate = read_certificate(cert, "the certificate");
  const auto key = read_key(key_file);
  absl::Status status = certificate.status();
  status.Update(key.status());
  if (status.ok() && X509_check_private_key(certificate->get(), key->get()) != 1) {
    status = absl::InvalidArgumentError(
        fmt::format("the private key {} does not belong to the certificate {}; they must be issued "
                    "together",
                    key_file.string(), cert.string()));
  }
  ERR_clear_error();
  return status;
}

absl::Status check_files(const TlsFiles& files) {
  absl::Status status = check_authorities(files.ca);
  status.Update(check_pair(files.cert, files.key));
  return status;
}

}  // namespace picket
