#include "collector/export/http_client.h"

#include <fmt/format.h>

#include <boost/beast.hpp>

#include "collector/export/connection.h"
#include "common/printable.h"

namespace picket {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr uint64_t kMaxAnswer = 1U << 20;
constexpr size_t kQuoted = 200;

using Request = http::request<http::string_body>;
using Parser = http::response_parser<http::string_body>;

beast::string_view view(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct HttpClient::Impl {
  absl::StatusOr<HttpAnswer> exchange(const Request& request, const std::stop_token& stop) {
    Parser parser;
    parser.body_limit(kMaxAnswer);
    absl::Status status = connection.run(stop, "send to", [&](auto& stream, auto done) {
      http::async_write(stream, request, done);
    });
    if (!status.ok()) return status;
    status = connection.run(stop, "read the answer of", [&](auto& stream, auto done) {
      http::async_read(stream, buffer, parser, done);
    });
    if (!status.ok()) return status;
    if (!parser.get().keep_alive()) connection.close();
    return HttpAnswer{parser.get().result_int(), std::move(parser.get().body())};
  }
  absl::Status open(const std::stop_token& stop) {
    buffer.clear();
    return connection.open(stop);
  }

  const Url url;
  const std::string version;
  Connection connection;
  beast::flat_buffer buffer;
};

HttpClient::HttpClient(Url url, ClientTls tls, std::string version)
    : impl_(new Impl{url, std::move(version), {url.host, url.port, url.tls, std::move(tls)}, {}}) {}

HttpClient::~HttpClient() = default;

absl::StatusOr<HttpAnswer> HttpClient::post(const std::string& body, const Headers& headers,
                                            const std::stop_token& stop) {
  Request request(http::verb::post, view(impl_->url.path), 11);
  request.set(http::field::host, view(impl_->url.authority()));
  request.set(http::field::user_agent, view("Picket/" + impl_->version));
  request.set(http::field::content_type, "application/json");
  for (const auto& [name, value] : headers) request.set(view(name), view(value));
  request.body() = body;
  request.prepare_payload();
  const bool is_old = impl_->connection.is_open();
  if (!is_old) {
    if (absl::Status status = impl_->open(stop); !status.ok()) return status;
  }
  auto answer = impl_->exchange(request, stop);
  if (answer.ok() || !is_old || stop.stop_requested()) return answer;
  // A kept connection may have been closed by the other side while nothing was said.
  if (absl::Status status = impl_->open(stop); !status.ok()) return status;
  return impl_->exchange(request, stop);
}

absl::StatusOr<Taken> judge(const HttpAnswer& answer, size_t alerts) {
  if (answer.code >= 200 && answer.code < 300) return Taken{alerts};
  const std::string quoted = printable(answer.body.substr(0, kQuoted));
  std::string said = fmt::format("HTTP {}{}{}", answer.code, quoted.empty() ? "" : ": ", quoted);
  switch (answer.code) {
    case 400:  // bad request
    case 413:  // content too large
    case 415:  // unsupported media type
    case 422:  // unprocessable content
      return Taken{alerts, alerts, std::move(said)};
    default:
      return absl::UnavailableError(said);
  }
}

absl::Status add_token(const std::filesystem::path& file, HttpClient::Headers& headers) {
  if (file.empty()) return absl::OkStatus();
  auto token = read_secret(file);
  if (!token.ok()) return token.status();
  headers.emplace_back("Authorization", "Bearer " + *token);
  return absl::OkStatus();
}

}  // namespace picket
