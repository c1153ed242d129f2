// Plain HTTP for probes and scrapers: /livez, /readyz, /metrics. Own thread; the readiness text is
// swapped in from any thread. Errors: start() says which address could not be bound and why.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/metrics.h"

namespace picket {

class HealthServer {
 public:
  explicit HealthServer(const MetricRegistry& registry);  // outlives it
  ~HealthServer();

  absl::Status start(const std::string& address);  // HOST:PORT; port 0 picks one, see port()
  int port() const { return port_; }
  void stop();

  // Empty: ready. Otherwise /readyz answers 503 with this text.
  void set_not_ready(std::string reason);

  struct Page {
    unsigned code;
    const char* type;
    std::string text;
  };
  Page page(std::string_view path) const;  // what it answers

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  const MetricRegistry& registry_;
  mutable std::mutex mutex_;
  std::string not_ready_ = "starting";
  int port_ = 0;
};

}  // namespace picket
