#include "common/health_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <prometheus/text_serializer.h>

#include <charconv>
#include <thread>

namespace picket {

struct HealthServer::Impl {
  httplib::Server server;
  std::thread thread;
};

HealthServer::HealthServer(std::shared_ptr<prometheus::Registry> registry)
    : impl_(std::make_unique<Impl>()), registry_(std::move(registry)) {}

HealthServer::~HealthServer() { stop(); }

void HealthServer::set_not_ready(std::string reason) {
  const std::lock_guard lock(mutex_);
  not_ready_ = std::move(reason);
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
  const std::string host = address.substr(0, colon);
  httplib::Server& server = impl_->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(2); };
  server.Get("/livez", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain");
  });
  server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    const std::lock_guard lock(mutex_);
    if (!not_ready_.empty()) response.status = 503;
    response.set_content(not_ready_.empty() ? "ok\n" : not_ready_ + "\n", "text/plain");
  });
  server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content(prometheus::TextSerializer().Serialize(registry_->Collect()),
                         "text/plain; version=0.0.4");
  });
  port_ = port == 0 ? server.bind_to_any_port(host.c_str())
                    : (server.bind_to_port(host.c_str(), port) ? port : -1);
  if (port_ < 0) {
    return absl::UnavailableError(
        fmt::format("listen on {} for HTTP: the address is taken or not ours", address));
  }
  impl_->thread = std::thread([this] { impl_->server.listen_after_bind(); });
  // stop() has no effect before the listener runs: without this a stop right after start would join
  // for ever.
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return absl::OkStatus();
}

void HealthServer::stop() {
  impl_->server.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace picket
