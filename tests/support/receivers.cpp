#include "tests/support/receivers.h"

#include <utility>  // which Boost 1.74 needs and does not include

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>
#include <thread>

namespace picket::test {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using TlsStream = ssl::stream<tcp::socket>;

// Accepts, and hands each connection to `serve`. What blocks the thread is shut down at the end.
class Server {
 public:
  using Serve = std::function<void(TlsStream&, bool tls)>;

  Server(std::optional<ReceiverTls> tls, Serve serve)
      : has_tls_(tls.has_value()), serve_(std::move(serve)) {
    if (tls) {
      tls_.use_certificate_chain_file(tls->files.cert.string());
      tls_.use_private_key_file(tls->files.key.string(), ssl::context::pem);
      tls_.load_verify_file(tls->files.ca.string());
      tls_.set_verify_mode(tls->wants_client_certificate
                               ? ssl::verify_peer | ssl::verify_fail_if_no_peer_cert
                               : ssl::verify_none);
    }
    thread_ = std::thread([this] { loop(); });
  }
  Server(const Server&) = delete;
  ~Server() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
      ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
      if (current_ >= 0) ::shutdown(current_, SHUT_RDWR);
    }
    thread_.join();
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void loop() {
    while (begin([this] { return acceptor_.accept(error_); })) {
      error_code error;
      if (has_tls_) stream_->handshake(ssl::stream_base::server, error);
      if (!error) serve_(*stream_, has_tls_);
      const std::lock_guard lock(mutex_);
      current_ = -1;
      stream_.reset();
    }
  }
  // false: the end has come.
  template <class Accept>
  bool begin(Accept accept) {
    tcp::socket socket = accept();
    const std::lock_guard lock(mutex_);
    if (is_over_ || error_) return false;
    current_ = socket.native_handle();
    stream_.emplace(std::move(socket), tls_);
    return true;
  }

  const bool has_tls_;
  const Serve serve_;
  ssl::context tls_{ssl::context::tls_server};
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
  std::mutex mutex_;
  bool is_over_ = false;
  int current_ = -1;
  error_code error_;
  std::optional<TlsStream> stream_;
  std::thread thread_;
};

Request request_of(const http::request<http::string_body>& from) {
  Request request{std::string(from.method_string()), std::string(from.target()), from.body(), {}};
  for (const auto& field : from) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.headers[name] = std::string(field.value());
  }
  return request;
}

}  // namespace

struct HttpReceiver::Impl {
  Impl(std::optional<ReceiverTls> tls, Decide with)
      : decide(std::move(with)), server(std::move(tls), [this](TlsStream& stream, bool has_tls) {
          has_tls ? serve(stream) : serve(stream.next_layer());
        }) {}
  template <class Stream>
  void serve(Stream& stream) {
    boost::beast::flat_buffer buffer;
    for (;;) {
      http::request<http::string_body> from;
      error_code error;
      http::read(stream, buffer, from, error);
      if (error) return;
      const Request request = request_of(from);
      const Answer decided = decide ? decide(request) : Answer{};
      requests.put(request);
      if (decided.hang_up) return;
      http::response<http::string_body> answer(http::int_to_status(decided.code), 11);
      answer.keep_alive(from.keep_alive());
      answer.body() = decided.body;
      answer.prepare_payload();
      http::write(stream, answer, error);
      if (error) return;
    }
  }

  const Decide decide;
  Mailbox<Request> requests;
  Server server;
};

HttpReceiver::HttpReceiver(std::optional<ReceiverTls> tls, Decide decide)
    : impl_(std::make_unique<Impl>(std::move(tls), std::move(decide))) {}
HttpReceiver::~HttpReceiver() = default;
uint16_t HttpReceiver::port() const { return impl_->server.port(); }
Mailbox<Request>& HttpReceiver::requests() { return impl_->requests; }

struct SyslogReceiver::Impl {
  Impl(const ReceiverTls& tls, size_t times)
      : hang_ups(times), server(tls, [this](TlsStream& stream, bool) { serve(stream); }) {}
  void serve(TlsStream& stream) {
    if (hang_ups > 0) {
      --hang_ups;
      return;
    }
    asio::streambuf buffer;
    error_code error;
    for (;;) {
      const size_t size = asio::read_until(stream, buffer, ' ', error);
      if (error) break;
      std::istream in(&buffer);
      size_t length = 0;
      in >> length;
      buffer.consume(1);
      if (std::to_string(length).size() + 1 != size) return;  // no frame
      if (buffer.size() < length)
        asio::read(stream, buffer, asio::transfer_exactly(length - buffer.size()), error);
      if (error) break;
      std::string message(length, '\0');
      in.read(message.data(), static_cast<std::streamsize>(length));
      messages.put(std::move(message));
    }
    stream.shutdown(error);
  }

  size_t hang_ups;
  Mailbox<std::string> messages;
  Server server;
};

SyslogReceiver::SyslogReceiver(const ReceiverTls& tls, size_t hang_ups)
    : impl_(std::make_unique<Impl>(tls, hang_ups)) {}
SyslogReceiver::~SyslogReceiver() = default;
uint16_t SyslogReceiver::port() const { return impl_->server.port(); }
Mailbox<std::string>& SyslogReceiver::messages() { return impl_->messages; }

}  // namespace picket::test
