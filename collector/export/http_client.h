// POSTs to one URL, over a connection that is kept for the next one. Owner: one thread. Errors: a
// status when there was no answer; what was asked may have arrived all the same.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/export/output.h"
#include "collector/export/output_config.h"

namespace picket {

struct HttpAnswer {
  unsigned code = 0;
  std::string body;
};

class HttpClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  HttpClient(Url url, ClientTls tls, std::string version);
  ~HttpClient();

  absl::StatusOr<HttpAnswer> post(const std::string& body, const Headers& headers,
                                  const std::stop_token& stop);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// What an answer says of the `alerts` that were asked: taken, refused for good because of what they
// are, or, as an error, to be tried again.
absl::StatusOr<Taken> judge(const HttpAnswer& answer, size_t alerts);

// The header for a bearer token, if there is one.
absl::Status add_token(const std::filesystem::path& file, HttpClient::Headers& headers);

}  // namespace picket
