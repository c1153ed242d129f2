#include "common/tls.h"

#include <fmt/format.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <cstdlib>
#include <vector>

namespace picket {
namespace {

constexpr unsigned kRefreshSeconds = 10;  // each look reads all three files

std::shared_ptr<grpc::experimental::CertificateProviderInterface> watch(const TlsFiles& files) {
  return std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key.string(), files.cert.string(), files.ca.string(), kRefreshSeconds);
}

// The chain was verified by the TLS library; what is left is whose certificate it is.
class ServerIdVerifier final : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit ServerIdVerifier(std::string id) : id_(std::move(id)) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*done*/, grpc::Status* status) override {
    const std::vector<grpc::string_ref> uris = request->uri_names();
    const bool matches =
        uris.size() == 1 && std::string_view(uris[0].data(), uris[0].size()) == id_;
    *status = matches ? grpc::Status::OK
                      : grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                     fmt::format("the server is not {}", id_));
    return true;  // decided at once
  }
  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::string id_;
};

}  // namespace

void require_tls13() {
  // The suites of TLS 1.3 are configured apart from this list, and a pre-shared-key suite needs a
  // callback that nobody installs.
  setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES256-GCM-SHA384", 1);
}

std::shared_ptr<grpc::ServerCredentials> server_credentials(const TlsFiles& files) {
  grpc::experimental::TlsServerCredentialsOptions options(watch(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const TlsFiles& files,
                                                              std::string server_id) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(watch(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(true);
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<ServerIdVerifier>(
          std::move(server_id)));
  return grpc::experimental::TlsCredentials(options);
}

std::optional<PeerIdentity> peer_identity(const grpc::ServerContextBase& context,
                                          std::string_view trust_domain) {
  const auto auth = context.auth_context();
  if (!auth || !auth->IsPeerAuthenticated()) return std::nullopt;
  std::vector<std::string> uri_names;
  for (const grpc::string_ref& name : auth->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    uri_names.emplace_back(name.data(), name.size());
  }
  return peer_identity(uri_names, trust_domain);
}

}  // namespace picket
