#include "tests/support/http.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>
#include <sstream>

#include "tests/support/subprocess.h"

namespace picket::test {

absl::StatusOr<HttpAnswer> http_get(uint16_t port, const std::string& path) {
  const auto failed = [&](const char* what) {
    return absl::UnavailableError(
        fmt::format("GET 127.0.0.1:{}{}: {}: {}", port, path, what, strerror(errno)));
  };
  Fd connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO})
    setsockopt(connection.get(), SOL_SOCKET, direction, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return failed("connect");
  const std::string request = fmt::format("GET {} HTTP/1.0\r\n\r\n", path);
  if (send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    return failed("send");
  std::string text;
  char buffer[16384];
  ssize_t size = 0;
  while ((size = recv(connection.get(), buffer, sizeof buffer, 0)) > 0)
    text.append(buffer, static_cast<size_t>(size));
  if (size < 0) return failed("receive");
  HttpAnswer answer;
  const size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos || sscanf(text.c_str(), "HTTP/1.%*c %d ", &answer.code) != 1)
    return absl::UnavailableError(fmt::format("GET 127.0.0.1:{}{}: no answer", port, path));
  answer.body = text.substr(end + 4);
  return answer;
}

absl::StatusOr<double> metric(uint16_t port, const std::string& name, const std::string& label) {
  auto page = http_get(port, "/metrics");
  if (!page.ok()) return page.status();
  double sum = 0;
  std::istringstream lines(page->body);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    char behind = line.size() > name.size() ? line[name.size()] : '\0';
    if ((behind != '{' && behind != ' ') || line.find(label) == std::string::npos) continue;
    sum += std::stod(line.substr(line.rfind(' ')));
  }
  return sum;
}

absl::StatusOr<uint16_t> free_port() {
  // Below the range of which the kernel takes ports for outgoing connections: one of those would
  // have it before whoever asked here does.
  constexpr uint16_t kFirst = 15'000, kLast = 32'000;
  static std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<uint16_t> any(kFirst, kLast);
  for (int tries = 0; tries < 100; ++tries) {
    Fd taken(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(any(random));
    if (bind(taken.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
      return ntohs(address.sin_port);
  }
  return absl::InternalError("find a free port of 127.0.0.1");
}

}  // namespace picket::test
