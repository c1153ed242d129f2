// A TCP connection to a destination, with TLS or without: blocks its caller, for as long as the
// patience allows, and lets go when somebody asks to stop. Owner: one thread. Errors: a status that
// names the peer and the step; the connection is closed then. Includes Boost's headers, which are
// slow to compile.
#pragma once

#include <utility>  // which Boost 1.74 needs and does not include

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "collector/export/output_config.h"

namespace picket {

class Connection {
 public:
  using Error = boost::system::error_code;
  using Socket = boost::asio::ip::tcp::socket;
  using TlsStream = boost::asio::ssl::stream<Socket>;

  // `tls`: the peer has to prove that it is `host`.
  Connection(std::string host, uint16_t port, bool encrypted, ClientTls tls,
             std::chrono::milliseconds patience = std::chrono::seconds(20));
  ~Connection() { close(); }

  // Certificates and authorities are read anew each time.
  absl::Status open(const std::stop_token& stop);
  bool is_open() const { return stream_ && stream_->next_layer().is_open(); }
  void close();

  // Begins one asynchronous operation on the stream and waits for its end: start(stream, done) with
  // done(Error, ...). What was attempted is `what`.
  template <class Start>
  absl::Status run(const std::stop_token& stop, const char* what, Start start);
  // Sends everything, says that this was all, and waits until the peer has said so as well: it has
  // read every byte then. Closes. With TLS only.
  absl::Status write_and_finish(const std::string& bytes, const std::stop_token& stop);

 private:
  absl::Status prepare_tls(boost::asio::ssl::context& context) const;
  absl::Status failed(const char* what, const std::string& why) const;
  template <class Begin>
  Error wait_for(const std::stop_token& stop, Begin begin);

  const std::string host_;
  const uint16_t port_;
  const bool encrypted_;
  const ClientTls tls_;
  const std::chrono::milliseconds patience_;
  boost::asio::io_context context_{1};
  boost::asio::ip::tcp::resolver resolver_{context_};
  boost::asio::steady_timer timer_{context_};
  std::optional<boost::asio::ssl::context> tls_context_;
  std::optional<TlsStream> stream_;
  int last_alert_ = -1;  // of TLS, from the peer; -1: none
};

template <class Begin>
Connection::Error Connection::wait_for(const std::stop_token& stop, Begin begin) {
  std::optional<Error> ended;
  bool is_late = false, is_timer_over = false;
  const auto abort = [this] {
    Error ignored;
    resolver_.cancel();
    if (stream_) stream_->next_layer().close(ignored);
  };
  context_.restart();
  timer_.expires_after(patience_);
  timer_.async_wait([&](Error error) {
    is_timer_over = true;
    if (error) return;
    is_late = true;
    abort();
  });
  begin([&](Error error, auto&&...) {
    ended = error;
    timer_.cancel();
  });
  {
    const std::stop_callback stopped(stop, [&] { boost::asio::post(context_, abort); });
    while (!ended) context_.run_one();
  }
  while (!is_timer_over) context_.run_one();
  if (is_late) return boost::asio::error::timed_out;
  return *ended;
}

template <class Start>
absl::Status Connection::run(const std::stop_token& stop, const char* what, Start start) {
  const Error error = wait_for(stop, [&](auto done) {
    encrypted_ ? start(*stream_, done) : start(stream_->next_layer(), done);
  });
  if (!error) return absl::OkStatus();
  close();
  return failed(what, error.message());
}

}  // namespace picket
