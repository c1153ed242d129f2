// An agent without a sensor, to be killed: real spool and uplink, and alerts on order. It reads
// numbers from standard input, publishes so many alerts for each, and says on standard output what
// the spool has committed ("S SEQUENCE ID"), one write a line, so that nothing said is lost with
// it. At the end of its input it delivers the rest and ends well.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include "agent/uplink/uplink.h"
#include "common/log.h"
#include "common/tls.h"

namespace picket {
namespace {

// A line is shorter than PIPE_BUF: it arrives whole or not at all.
void say(const std::string& line) {
  if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    std::_Exit(3);
}

// Alerts of every severity, and now and then a command's result: results are stored one row each,
// so that one delivered twice would show.
v1::Envelope envelope(const std::string& id, bool result, std::mt19937& random) {
  v1::Envelope envelope;
  if (result) {
    envelope.mutable_result()->set_command_id(id);
    envelope.mutable_result()->set_workspace_id("w");
    return envelope;
  }
  v1::Alert& alert = *envelope.mutable_alert();
  alert.set_id(id);
  alert.set_rule("chaos");
  alert.set_priority(static_cast<v1::Priority>(1 + random() % 8));
  alert.set_count(1);
  alert.set_output(std::string(random() % 2000, 'x'));
  alert.mutable_workspace()->set_id("w");
  return envelope;
}

std::string id_of(const v1::Envelope& envelope) {
  return envelope.has_result() ? envelope.result().command_id() : envelope.alert().id();
}

class TellingStream final : public Stream {
 public:
  explicit TellingStream(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  void write(const v1::ConnectRequest& request) override {
    if (request.batch().envelopes_size() > 0)
      say(fmt::format("W {}\n", request.batch().envelopes(0).sequence()));
    stream_->write(request);
  }
  void cancel() override { stream_->cancel(); }
  void release() override { stream_->release(); }

 private:
  std::unique_ptr<Stream> stream_;
};

class TellingStreams final : public StreamFactory {
 public:
  explicit TellingStreams(std::unique_ptr<StreamFactory> streams) : streams_(std::move(streams)) {}
  std::unique_ptr<Stream> connect(Outbox& outbox) override {
    return std::make_unique<TellingStream>(streams_->connect(outbox));
  }

 private:
  std::unique_ptr<StreamFactory> streams_;
};

int run(const std::string& spool_file, const std::string& address, const TlsFiles& files,
        const std::string& life) {
  auto spool = Spool::open(spool_file, {});
  if (!spool.ok()) {
    std::cerr << spool.status() << '\n';
    return 2;
  }
  Uplink::Options options;
  options.batch_items = 20;  // many batches: many points to die at
  options.first_backoff = std::chrono::milliseconds(20);
  options.last_backoff = std::chrono::milliseconds(200);
  Uplink::Callbacks callbacks;
  callbacks.on_spooled = [](uint64_t sequence, const v1::Envelope& envelope) {
    say(fmt::format("S {} {}\n", sequence, id_of(envelope)));
  };
  callbacks.on_loss = [](const UplinkLoss& loss) {
    say(fmt::format("L {} {}\n", loss.count, loss.where));
  };
  MetricRegistry registry;
  Uplink uplink(std::move(*spool),
                std::make_unique<TellingStreams>(
                    grpc_stream_factory(address, files, "spiffe://picket/collector/collector")),
                options, callbacks, registry);
  uplink.start();
  std::mt19937 random(std::random_device{}());
  uint64_t published = 0;
  for (size_t ordered = 0; std::cin >> ordered;) {
    for (size_t i = 0; i < ordered; ++i) {
      const std::string id = fmt::format("{}-{}", life, ++published);
      const v1::Envelope next = envelope(id, published % 7 == 0, random);
      while (!uplink.publish(next, static_cast<uint8_t>(next.alert().priority())))
        std::this_thread::yield();
    }
  }
  uplink.stop(std::chrono::seconds(60));
  return 0;
}

}  // namespace
}  // namespace picket

int main(int argc, char** argv) {
  if (argc != 7) {
    std::cerr << "usage: chaos_agent SPOOL ADDRESS CA CERT KEY LIFE\n";
    return 2;
  }
  picket::set_up_log("warning", picket::LogFormat::text);  // on standard error
  picket::require_tls13();
  return picket::run(argv[1], argv[2], {argv[3], argv[4], argv[5]}, argv[6]);
}
