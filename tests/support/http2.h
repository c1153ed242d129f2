// HTTP/2 by hand, over TLS or not: what no client library would send. It says frames and hears how
// the server takes them. Owner: one thread. Errors: connect() says what failed; a server that has
// closed answers false or a shorter text; nothing waits longer than its deadline.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tls_files.h"
#include "tests/support/subprocess.h"

namespace picket::test {

// A connection to 127.0.0.1.
class RawConnection {
 public:
  static absl::StatusOr<RawConnection> plain(uint16_t port);
  // With no files: without a certificate. `version`: OpenSSL's number, the only one spoken.
  static absl::StatusOr<RawConnection> tls(uint16_t port, const std::optional<TlsFiles>& files,
                                           int version = TLS1_3_VERSION,
                                           const std::string& protocol = "h2");

  bool write(std::string_view bytes);
  // What comes next, at most 64 KiB; empty: it has closed, or the deadline has passed.
  std::string read(std::chrono::steady_clock::time_point deadline);
  bool closed() const { return closed_; }
  std::string& unread() { return unread_; }  // of HTTP/2: behind the last frame that was taken
  int fd() const { return fd_.get(); }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  Fd fd_;
  std::unique_ptr<SSL, Free> ssl_;
  bool closed_ = false;
  std::string unread_;
};

namespace http2 {

enum FrameType : uint8_t {
  kData,
  kHeaders,
  kPriority,
  kReset,
  kSettings,
  kPush,
  kPing,
  kGoAway,
  kWindow,
  kContinuation
};
inline constexpr uint8_t kEndStream = 1, kEndHeaders = 4, kPadded = 8;
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);
std::string header_block(const Headers& headers);  // literals, never indexed
Headers request_headers(const std::string& path);  // of gRPC
// gRPC's: a message with its length before it.
std::string message(std::string_view bytes, bool compressed = false);
// Preface and settings, with a table of no size: the server's headers stay readable.
std::string hello();

}  // namespace http2

// How a server took what a connection said.
struct Http2Answer {
  std::optional<int> http, grpc;  // of the stream that was asked about
  std::optional<uint32_t> reset;  // its RST_STREAM
  std::optional<uint32_t> away;   // GOAWAY with an error
  bool closed = false;            // the connection
};

struct Http2Ask {
  uint32_t stream = 1;
  std::string_view body = {};  // sent as far as the server's windows allow, on a new connection
  bool until_headers = false;  // of an answer that goes on
  bool until_settings = false;
};

// Reads until the stream or the connection has ended, and answers settings and pings.
Http2Answer http2_answer(RawConnection& connection, const Http2Ask& ask,
                         std::chrono::steady_clock::time_point deadline);

}  // namespace picket::test
