// Delivers envelopes to the collector, each exactly once: spool first, send, forget after the
// collector's acknowledgement, resend from the last acknowledged one after every reconnect
// (docs/protocol.md). Own thread, which owns the spool and the stream. publish() may be called by
// any thread. Errors: a collector that is away costs nothing but the spool's room; losses are
// reported through Callbacks::on_loss, from the uplink thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "agent/spool/spool.h"
#include "agent/uplink/outbox.h"
#include "agent/uplink/stream.h"
#include "common/metrics.h"

namespace picket {

// Told at most once a second, summed up.
struct UplinkLoss {
  uint64_t count = 0;  // 0: not known, of a damaged spool
  std::string where;   // "outbox", "spool", or "damaged spool FILE", which is kept
  uint64_t first_sequence = 0, last_sequence = 0;  // the bounds; 0: of a damaged spool
};

class Uplink {
 public:
  struct Options {
    std::string agent_version, boot_id, kernel;
    size_t outbox_capacity = 8192;
    size_t window = 8192;  // sequences sent and not yet acknowledged
    size_t batch_items = 100;
    size_t batch_bytes = 512 << 10;
    std::chrono::milliseconds first_backoff{100}, last_backoff{5000};
    std::function<double()> random;  // 0..1, for jitter
  };
  // All on the uplink thread; they must not wait.
  struct Callbacks {
    std::function<void(const v1::Command&)> on_command;
    std::function<void(const UplinkLoss&)> on_loss;
    std::function<void(OfferedRules)> on_rules;  // may be empty, as the next two
    std::function<void(v1::WaiverSet)> on_waivers;
    std::function<void(v1::Hello&)> on_hello;  // adds what the uplink does not know
    std::function<void(uint64_t sequence, const v1::Envelope&)>
        on_spooled;  // after the commit; may be empty
    // What was published before checkpoint(value) is committed, or told as lost; may be empty.
    std::function<void(uint64_t value)> on_settled;
  };

  Uplink(std::unique_ptr<Spool> spool, std::unique_ptr<StreamFactory> streams, Options options,
         Callbacks callbacks, MetricRegistry& registry);
  ~Uplink();

  void start();
  // `priority`: the wire's, 0 to 8, smaller is more severe. false: refused, because the outbox was
  // full of what is at least as severe, or after stop().
  bool publish(v1::Envelope envelope, uint8_t priority);
  // Any thread. Later values replace earlier ones that were not settled yet.
  void checkpoint(uint64_t value) { outbox_.checkpoint(value); }
  bool connected() const { return connected_.load(std::memory_order_relaxed); }
  // Sends what is there for at most `drain`, then ends the thread. What could not be sent is in the
  // spool.
  void stop(std::chrono::milliseconds drain);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Metrics;

  void run();
  void say_goodbye();
  void spool(std::vector<Outgoing> items);
  void tell_spooled();
  void settle(std::optional<uint64_t> checkpoint);
  void tell_losses(Time now);
  void tell_outbox_loss(Time now);
  void handle(StreamReport report);
  void on_greeting(uint64_t sequence);
  void on_ack(uint64_t sequence);
  void on_done(const std::string& reason);
  void on_spool_error(const absl::Status& status);
  void connect_when_due(Time now);
  void drop_stream(const std::string& reason);
  void send();
  bool drained() const;
  void update_gauges();
  std::chrono::milliseconds patience(Time now) const;

  std::unique_ptr<Spool> spool_;
  std::unique_ptr<StreamFactory> streams_;
  const Options options_;
  const Callbacks callbacks_;
  std::unique_ptr<Metrics> metrics_;
  Outbox outbox_;
  std::thread thread_;
  std::atomic<bool> connected_{false};
  std::atomic<bool> stopping_{false};
  std::chrono::milliseconds drain_{0};

  // Of the uplink thread.
  std::vector<SpoolItem> unspooled_;  // taken from the outbox, not appended yet
  bool spool_failing_ = false;
  std::optional<uint64_t> checkpoint_;  // taken from the outbox, not settled yet
  std::unique_ptr<Stream> stream_;
  bool greeted_ = false;  // the collector told where it stands
  bool writing_ = false;
  bool broken_ = false;  // nothing more is written to this stream
  uint64_t next_ = 1;    // to send
  uint64_t acknowledged_ = 0;
  uint64_t lost_in_outbox_ = 0;  // of it, already told
  uint64_t commands_refused_ = 0;
  Time losses_told_{};
  unsigned failures_ = 0;
  Time retry_{};
};

}  // namespace picket
