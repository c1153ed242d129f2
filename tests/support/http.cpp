#include "tests/support/http.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sstream>

#include "tests/support/subprocess.h"

namespace picket::test {

absl::StatusOr<HttpAnswer> http_get(uint16_t port, const std::string& path) {
  httplib::Client client("127.0.0.1", port);
  client.set_connection_timeout(5);
  client.set_read_timeout(10);
  auto answer = client.Get(path.c_str());
  if (!answer)
    return absl::UnavailableError(
        fmt::format("GET 127.0.0.1:{}{}: {}", port, path, httplib::to_string(answer.error())));
  return HttpAnswer{answer->status, answer->body};
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
  Fd any(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(any.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      getsockname(any.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return absl::InternalError("find a free port of 127.0.0.1");
  return ntohs(address.sin_port);
}

}  // namespace picket::test
