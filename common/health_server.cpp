#include "common/health_server.h"

#include <fmt/format.h>

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <charconv>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

namespace picket {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::beast::error_code;

constexpr std::chrono::seconds kPatience{5};  // for a whole request, and for its answer
constexpr uint32_t kMaxHeader = 8192;
constexpr int kMaxSessions = 64, kBacklog = 64;
constexpr std::chrono::milliseconds kPause{100};

using Request = http::request<http::empty_body>;
using Answer = http::response<http::string_body>;

// One request of one connection; ends itself.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Respond = std::function<void(const Request&, Answer&)>;
  Session(tcp::socket socket, const Respond& respond, int& sessions)
      : stream_(std::move(socket)), respond_(respond), sessions_(sessions) {
    ++sessions_;
    parser_.header_limit(kMaxHeader);
  }
  Session(const Session&) = delete;
  ~Session() { --sessions_; }

  void start() {
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, parser_,
                     [self = shared_from_this()](error_code error, size_t) {
                       if (!error) return self->answer();
                       if (is_no_request(error)) self->refuse();
                     });
  }

 private:
  // Of bytes that came; who went away is told nothing.
  static bool is_no_request(error_code error) {
    return error.category() == http::make_error_code(http::error::bad_method).category() &&
           error != http::error::end_of_stream && error != http::error::partial_message;
  }
  void refuse() {  // TLS, say: that this is HTTP tells its client what is wrong
    answer_.result(http::status::bad_request);
    answer_.prepare_payload();
    send();
  }
  void answer() {
    const Request& request = parser_.get();
    answer_.version(request.version());
    respond_(request, answer_);
    answer_.prepare_payload();
    if (request.method() == http::verb::head) answer_.body().clear();
    send();
  }
  void send() {
    answer_.keep_alive(false);
    stream_.expires_after(kPatience);
    http::async_write(stream_, answer_, [self = shared_from_this()](error_code, size_t) {
      error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  Answer answer_;
  const Respond& respond_;
  int& sessions_;
};

}  // namespace

struct HealthServer::Impl {
  void accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      if (error) return pause();
      if (sessions < kMaxSessions)
        std::make_shared<Session>(std::move(socket), respond, sessions)->start();
      accept();
    });
  }
  void pause() {  // no descriptor is free: the connection stays waiting
    again.expires_after(kPause);
    again.async_wait([this](error_code) { accept(); });
  }
  error_code listen(const std::string& host, uint16_t port) {
    error_code error;
    const auto found = tcp::resolver(context).resolve(
        host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (error) return error;
    const tcp::endpoint address = found.begin()->endpoint();
    acceptor.open(address.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(address, error);
    if (!error) acceptor.listen(kBacklog, error);
    return error;
  }

  int sessions = 0;
  Session::Respond respond;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer again{context};
  std::thread thread;
};

HealthServer::HealthServer(const MetricRegistry& registry)
    : impl_(std::make_unique<Impl>()), registry_(registry) {}

HealthServer::~HealthServer() { stop(); }

void HealthServer::set_not_ready(std::string reason) {
  const std::lock_guard lock(mutex_);
  not_ready_ = std::move(reason);
}

HealthServer::Page HealthServer::page(std::string_view path) const {
  if (path == "/livez") return {200, "text/plain", "ok\n"};
  if (path == "/metrics") return {200, "text/plain; version=0.0.4", registry_.text()};
  if (path != "/readyz") return {404, "text/plain", "not found\n"};
  const std::lock_guard lock(mutex_);
  if (not_ready_.empty()) return {200, "text/plain", "ok\n"};
  return {503, "text/plain", not_ready_ + "\n"};
}

absl::Status HealthServer::start(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos) {
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  }
  if (port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        fmt::format("http address \"{}\": expected HOST:PORT", address));
  }
  impl_->respond = [this](const Request& request, Answer& answer) {
    Page page{405, "text/plain", "only GET\n"};
    if (request.method() == http::verb::get || request.method() == http::verb::head) {
      const std::string_view target(request.target().data(), request.target().size());
      page = this->page(target.substr(0, target.find('?')));
    }
    answer.result(page.code);
    answer.set(http::field::content_type, page.type);
    answer.body() = std::move(page.text);
  };
  if (const auto error = impl_->listen(address.substr(0, colon), static_cast<uint16_t>(port))) {
    return absl::UnavailableError(
        fmt::format("listen on {} for HTTP: {}", address, error.message()));
  }
  port_ = impl_->acceptor.local_endpoint().port();
  impl_->accept();
  impl_->thread = std::thread([this] { impl_->context.run(); });
  return absl::OkStatus();
}

void HealthServer::stop() {
  impl_->context.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace picket
