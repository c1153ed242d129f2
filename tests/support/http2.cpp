#include "tests/support/http2.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace picket::test {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kMostRead = 64U << 10;

absl::StatusOr<Fd> dial(uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{kDeadline.count(), 0};
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return absl::UnavailableError(fmt::format("connect to {}: {}", port, std::strerror(errno)));
  return fd;
}

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

uint32_t number(std::string_view bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size && at + i < bytes.size(); ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

std::string big_endian(uint32_t value, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i)
    bytes[size - 1 - i] = static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

// HPACK, as far as a server's status needs it.
class Decoder {
 public:
  explicit Decoder(std::string_view block) : block_(block) {}
  void into(Http2Answer& answer) {
    while (at_ < block_.size()) {
      const auto first = static_cast<uint8_t>(block_[at_]);
      if ((first & 0x80U) != 0) {
        if (integer(7) == 8) answer.http = 200;  // of the static table
      } else if ((first & 0xe0U) == 0x20) {
        integer(5);  // the table's size
      } else {
        const uint32_t index = integer((first & 0x40U) != 0 ? 6 : 4);
        const std::string name = index == 0 ? text() : index >= 8 && index <= 14 ? ":status" : "";
        const std::string value = text();
        if (name == ":status") answer.http = to_int(value);
        if (name == "grpc-status") answer.grpc = to_int(value);
      }
    }
  }

 private:
  static std::optional<int> to_int(const std::string& text) {
    int value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc()) return std::nullopt;
    return value;
  }
  uint32_t integer(unsigned bits) {
    const uint32_t most = (1U << bits) - 1;
    uint32_t value = static_cast<uint8_t>(block_[at_++]) & most;
    if (value < most) return value;
    for (unsigned shift = 0; at_ < block_.size() && shift < 28; shift += 7) {
      const auto byte = static_cast<uint8_t>(block_[at_++]);
      value += (byte & 0x7fU) << shift;
      if ((byte & 0x80U) == 0) break;
    }
    return value;
  }
  std::string text() {
    if (at_ >= block_.size()) return "";
    const size_t size = std::min<size_t>(integer(7), block_.size() - at_);
    const std::string text(block_.substr(at_, size));
    at_ += size;
    return text;
  }

  const std::string_view block_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<RawConnection> RawConnection::plain(uint16_t port) {
  auto fd = dial(port);
  if (!fd.ok()) return fd.status();
  RawConnection connection;
  connection.fd_ = *std::move(fd);
  return connection;
}

absl::StatusOr<RawConnection> RawConnection::tls(uint16_t port,
                                                 const std::optional<TlsFiles>& files, int version,
                                                 const std::string& protocol) {
  auto connection = plain(port);
  if (!connection.ok()) return connection;
  const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  if (files &&
      (SSL_CTX_use_certificate_chain_file(context.get(), files->cert.c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(context.get(), files->key.c_str(), SSL_FILETYPE_PEM) != 1))
    return absl::InternalError("use the certificate");
  connection->ssl_.reset(SSL_new(context.get()));
  const std::string name = static_cast<char>(protocol.size()) + protocol;
  SSL_set_alpn_protos(connection->ssl_.get(), reinterpret_cast<const uint8_t*>(name.data()),
                      static_cast<unsigned>(name.size()));
  SSL_clear_mode(connection->ssl_.get(), SSL_MODE_AUTO_RETRY);
  SSL_set_fd(connection->ssl_.get(), connection->fd());
  ERR_clear_error();
  if (SSL_connect(connection->ssl_.get()) != 1) return absl::UnavailableError("no TLS handshake");
  return connection;
}

bool RawConnection::write(std::string_view bytes) {
  while (!closed_ && !bytes.empty()) {
    const auto most = static_cast<int>(std::min<size_t>(bytes.size(), kMostRead));
    ERR_clear_error();
    const ssize_t written = ssl_
                                ? SSL_write(ssl_.get(), bytes.data(), most)
                                : send(fd(), bytes.data(), static_cast<size_t>(most), MSG_NOSIGNAL);
    if (written <= 0) closed_ = true;
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  return !closed_;
}

std::string RawConnection::read(SteadyClock::time_point deadline) {
  std::string bytes(kMostRead, '\0');
  while (!closed_) {
    if (!ssl_ || SSL_pending(ssl_.get()) == 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
      pollfd waiting{fd(), POLLIN, 0};
      if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) return "";
    }
    ERR_clear_error();
    const ssize_t got = ssl_ ? SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                             : recv(fd(), bytes.data(), bytes.size(), 0);
    if (got > 0) {
      bytes.resize(static_cast<size_t>(got));
      return bytes;
    }
    // Else it was a ticket, say.
    closed_ = !ssl_ || SSL_get_error(ssl_.get(), static_cast<int>(got)) != SSL_ERROR_WANT_READ;
  }
  return "";
}

namespace http2 {

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  return big_endian(static_cast<uint32_t>(payload.size()), 3) + static_cast<char>(type) +
         static_cast<char>(flags) + big_endian(stream, 4) + std::string(payload);
}

std::string header_block(const Headers& headers) {
  std::string block;
  const auto add = [&](const std::string& text) {
    const auto size = static_cast<uint32_t>(text.size());
    if (size < 127) {
      block += static_cast<char>(size);
    } else {
      block += '\x7f';
      uint32_t rest = size - 127;
      for (; rest >= 128; rest >>= 7) block += static_cast<char>(rest % 128 + 128);
      block += static_cast<char>(rest);
    }
    block += text;
  };
  for (const auto& [name, value] : headers) {
    block += '\0';
    add(name);
    add(value);
  }
  return block;
}

Headers request_headers(const std::string& path) {
  return {{":method", "POST"},         {":scheme", "https"}, {":path", path},
          {":authority", "collector"}, {"te", "trailers"},   {"content-type", "application/grpc"}};
}

std::string message(std::string_view bytes, bool compressed) {
  return std::string(1, compressed ? '\1' : '\0') +
         big_endian(static_cast<uint32_t>(bytes.size()), 4) + std::string(bytes);
}

std::string hello() {
  // HEADER_TABLE_SIZE 0.
  return std::string(kPreface) + frame(kSettings, 0, 0, std::string("\0\1\0\0\0\0", 6));
}

}  // namespace http2

namespace {

constexpr int64_t kFirstWindow = 65535;
constexpr size_t kMostInAFrame = 16384;
constexpr uint32_t kInitialWindow = 4;  // the setting

// The body of one stream, within what the server takes.
class Sender {
 public:
  Sender(RawConnection& connection, const Http2Ask& ask) : connection_(connection), ask_(ask) {}

  void send() {
    while (!ask_.body.empty() && std::min(of_connection_, of_stream_) > 0) {
      const size_t size = std::min({ask_.body.size(), kMostInAFrame,
                                    static_cast<size_t>(std::min(of_connection_, of_stream_))});
      const uint8_t flags = size == ask_.body.size() ? http2::kEndStream : 0;
      if (!connection_.write(
              http2::frame(http2::kData, flags, ask_.stream, ask_.body.substr(0, size))))
        return;
      ask_.body.remove_prefix(size);
      of_connection_ -= static_cast<int64_t>(size);
      of_stream_ -= static_cast<int64_t>(size);
    }
  }
  void on_window(uint32_t stream, std::string_view payload) {
    (stream == 0 ? of_connection_ : of_stream_) += number(payload, 0, 4);
  }
  void on_settings(std::string_view payload) {
    for (; payload.size() >= 6; payload.remove_prefix(6)) {
      if (number(payload, 0, 2) != kInitialWindow) continue;
      of_stream_ += static_cast<int64_t>(number(payload, 2, 4)) - initial_;
      initial_ = number(payload, 2, 4);
    }
  }

 private:
  RawConnection& connection_;
  Http2Ask ask_;
  int64_t of_connection_ = kFirstWindow, of_stream_ = kFirstWindow, initial_ = kFirstWindow;
};

}  // namespace

Http2Answer http2_answer(RawConnection& connection, const Http2Ask& ask,
                         SteadyClock::time_point deadline) {
  using namespace http2;
  Http2Answer answer;
  Sender sender(connection, ask);
  std::string& bytes = connection.unread();
  while (true) {
    sender.send();
    while (bytes.size() < 9 || bytes.size() < 9 + number(bytes, 0, 3)) {
      const std::string more = connection.read(deadline);
      answer.closed = connection.closed();
      if (more.empty()) return answer;
      bytes += more;
    }
    const size_t size = number(bytes, 0, 3);
    const auto type = static_cast<uint8_t>(bytes[3]), flags = static_cast<uint8_t>(bytes[4]);
    const uint32_t of = number(bytes, 5, 4);
    const std::string payload = bytes.substr(9, size);
    bytes.erase(0, 9 + size);
    if (type == kSettings && flags == 0) {
      sender.on_settings(payload);
      connection.write(frame(kSettings, 1, 0, ""));
      if (ask.until_settings) return answer;
    }
    if (type == kPing && flags == 0) connection.write(frame(kPing, 1, 0, payload));
    if (type == kWindow) sender.on_window(of, payload);
    if (type == kGoAway && number(payload, 4, 4) != 0) answer.away = number(payload, 4, 4);
    if (of != ask.stream || of == 0) continue;
    if (type == kHeaders) Decoder(payload).into(answer);
    if (type == kReset) answer.reset = number(payload, 0, 4);
    const bool speaks = type == kHeaders || type == kData;
    if (type == kReset || (speaks && (flags & kEndStream) != 0) ||
        (type == kHeaders && ask.until_headers))
      return answer;
  }
}

}  // namespace picket::test
