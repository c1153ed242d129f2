#include "collector/export/connection.h"

#include <fmt/format.h>

namespace picket {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

bool is_address(const std::string& host) {
  Connection::Error error;
  asio::ip::make_address(host, error);
  return !error;
}

// Called by OpenSSL with each message of the protocol; an alert is its level and what it says.
void note_alert(int is_ours, int, int type, const void* bytes, size_t size, SSL*, void* last) {
  if (is_ours == 0 && type == SSL3_RT_ALERT && size == 2)
    *static_cast<int*>(last) = static_cast<const unsigned char*>(bytes)[1];
}

}  // namespace

Connection::Connection(std::string host, uint16_t port, bool encrypted, ClientTls tls,
                       std::chrono::milliseconds patience)
    : host_(std::move(host)),
      port_(port),
      encrypted_(encrypted),
      tls_(std::move(tls)),
      patience_(patience) {}

absl::Status Connection::failed(const char* what, const std::string& why) const {
  return absl::UnavailableError(fmt::format("{} {}:{}: {}", what, host_, port_, why));
}

void Connection::close() {
  if (!stream_) return;
  Error ignored;
  stream_->next_layer().close(ignored);
  context_.restart();
  context_.poll();  // what was still waiting on the stream ends before it
  stream_.reset();
}

absl::Status Connection::prepare_tls(ssl::context& context) const {
  Error error;
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  context.set_verify_mode(ssl::verify_peer, error);
  if (tls_.ca.empty())
    context.set_default_verify_paths(error);
  else
    context.load_verify_file(tls_.ca.string(), error);
  if (error) return failed("read the authorities for", error.message());
  if (tls_.cert.empty()) return absl::OkStatus();
  context.use_certificate_chain_file(tls_.cert.string(), error);
  if (!error) context.use_private_key_file(tls_.key.string(), ssl::context::pem, error);
  if (error) return failed("read the certificate for", error.message());
  return absl::OkStatus();
}

absl::Status Connection::open(const std::stop_token& stop) {
  close();
  tls_context_.emplace(ssl::context::tls_client);
  if (encrypted_) {
    if (absl::Status status = prepare_tls(*tls_context_); !status.ok()) return status;
  }
  stream_.emplace(context_, *tls_context_);
  asio::ip::tcp::resolver::results_type found;
  Error error = wait_for(stop, [&](auto done) {
    resolver_.async_resolve(host_, std::to_string(port_), asio::ip::tcp::resolver::numeric_service,
                            [&found, done](Error failure, auto results) {
                              found = std::move(results);
                              done(failure);
                            });
  });
  if (!error) {
    error =
        wait_for(stop, [&](auto done) { asio::async_connect(stream_->next_layer(), found, done); });
  }
  if (error) {
    close();
    return failed("connect to", error.message());
  }
  stream_->next_layer().set_option(asio::ip::tcp::no_delay(true), error);
  if (!encrypted_) return absl::OkStatus();
  if (!is_address(host_)) SSL_set_tlsext_host_name(stream_->native_handle(), host_.c_str());
  stream_->set_verify_callback(ssl::host_name_verification(host_));
  last_alert_ = -1;
  SSL_set_msg_callback(stream_->native_handle(), note_alert);
  SSL_set_msg_callback_arg(stream_->native_handle(), &last_alert_);
  error =
      wait_for(stop, [&](auto done) { stream_->async_handshake(ssl::stream_base::client, done); });
  if (!error) return absl::OkStatus();
  const long verified = SSL_get_verify_result(stream_->native_handle());
  const std::string why =
      verified == X509_V_OK ? error.message() : X509_verify_cert_error_string(verified);
  close();
  return failed("TLS with", why);
}

absl::Status Connection::write_and_finish(const std::string& bytes, const std::stop_token& stop) {
  absl::Status status = run(stop, "send to", [&](auto& stream, auto done) {
    asio::async_write(stream, asio::buffer(bytes), done);
  });
  if (!status.ok()) return status;
  const Error error = wait_for(stop, [&](auto done) { stream_->async_shutdown(done); });
  close();
  // Only TLS's own word for the end counts: a connection may also end because the peer died.
  // OpenSSL takes every fatal alert for that word, as that of a peer of TLS 1.3 that refuses our
  // certificate, of which we hear only now.
  if (error) return failed("wait for the end of", error.message());
  if (last_alert_ == SSL_AD_CLOSE_NOTIFY) return absl::OkStatus();
  return failed("wait for the end of", SSL_alert_desc_string_long(last_alert_));
}

}  // namespace picket
