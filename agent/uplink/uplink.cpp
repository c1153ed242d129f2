#include "agent/uplink/uplink.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/secrets.h"
#include "common/utf8.h"

namespace picket {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

}  // namespace

struct Uplink::Metrics {
  explicit Metrics(MetricRegistry& registry)
      : spooled(
            registry.counter("picket_spool_appended_total", "Envelopes committed to the spool")),
        spool_errors(registry.counter("picket_spool_errors_total", "Failed spool operations")),
        spool_lost(registry.counter("picket_spool_lost_total",
                                    "Envelopes dropped because the spool was full")),
        outbox_lost(
            registry.counter("picket_uplink_lost_total", "Envelopes dropped before the spool")),
        sent(registry.counter("picket_uplink_sent_total", "Envelopes sent, resends included")),
        connects(registry.counter("picket_uplink_connects_total", "Streams the collector greeted")),
        failures(registry.counter("picket_uplink_failures_total",
                                  "Streams that ended or never came up")),
        commands_refused(registry.counter("picket_uplink_commands_refused_total",
                                          "Commands dropped because too many were waiting")),
        depth(registry.gauge("picket_uplink_outbox_depth", "Envelopes waiting for the spool")),
        lag(registry.gauge("picket_uplink_lag", "Envelopes in the spool, not acknowledged yet")),
        bytes(registry.gauge("picket_spool_bytes", "Payload in the spool")),
        connected(registry.gauge("picket_uplink_connected", "1 while the collector acknowledges")) {
  }
  Counter &spooled, &spool_errors, &spool_lost, &outbox_lost, &sent, &connects, &failures,
      &commands_refused;
  Gauge &depth, &lag, &bytes, &connected;
};

Uplink::Uplink(std::unique_ptr<Spool> spool, std::unique_ptr<StreamFactory> streams,
               Options options, Callbacks callbacks, MetricRegistry& registry)
    : spool_(std::move(spool)),
      streams_(std::move(streams)),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      metrics_(std::make_unique<Metrics>(registry)),
      outbox_(options_.outbox_capacity) {}

Uplink::~Uplink() { stop(milliseconds(0)); }

void Uplink::start() {
  thread_ = std::thread([this] { run(); });
}

bool Uplink::publish(v1::Envelope envelope, uint8_t priority) {
  return outbox_.publish({std::move(envelope), priority});
}

void Uplink::stop(milliseconds drain) {
  if (!thread_.joinable()) return;
  drain_ = drain;
  stopping_.store(true, std::memory_order_release);
  outbox_.wake();
  thread_.join();
}

void Uplink::run() {
  if (!spool_->damaged_file().empty() && callbacks_.on_loss)
    callbacks_.on_loss({0, "damaged spool " + spool_->damaged_file().string(), 0, 0});
  std::optional<Time> deadline;
  for (;;) {
    const Time now = Clock::now();
    if (stopping_.load(std::memory_order_acquire) && !deadline) deadline = now + drain_;
    if (deadline && (now >= *deadline || drained())) break;
    connect_when_due(now);
    // While the spool takes nothing the outbox keeps the most severe; here they would only pile up.
    const size_t limit = unspooled_.empty() ? options_.batch_items : 0;
    Outbox::Taken taken = outbox_.take(patience(now), limit);
    for (StreamReport& report : taken.reports) handle(std::move(report));
    spool(std::move(taken.items));
    tell_losses(Clock::now());
    settle(taken.checkpoint);
    send();
    update_gauges();
  }
  say_goodbye();
}

void Uplink::say_goodbye() {
  outbox_.close();
  // What publishers still handed over is durable even when it cannot be sent now.
  for (;;) {
    Outbox::Taken rest = outbox_.take(milliseconds(0), options_.batch_items);
    for (StreamReport& report : rest.reports) handle(std::move(report));
    const bool empty = rest.items.empty();
    spool(std::move(rest.items));
    settle(rest.checkpoint);
    if (empty || !unspooled_.empty()) break;
  }
  tell_outbox_loss(Clock::now());
  if (const size_t left = unspooled_.size() + outbox_.depth(); left > 0) {
    metrics_->outbox_lost.add(left);
    SPDLOG_ERROR("{} envelopes are lost: the spool did not take them", left);
  }
  if (!stream_) return;
  if (!broken_) stream_->cancel();
  broken_ = true;
  while (stream_) {
    for (StreamReport& report : outbox_.take(milliseconds(1000), 0).reports)
      handle(std::move(report));
  }
}

bool Uplink::drained() const {
  return outbox_.depth() == 0 && unspooled_.empty() && spool_->first_sequence() == 0;
}

milliseconds Uplink::patience(Time now) const {
  constexpr milliseconds kLongest{1000};
  if (stopping_.load(std::memory_order_relaxed)) return milliseconds(20);
  if (!unspooled_.empty()) return milliseconds(200);
  if (stream_) return kLongest;
  return std::clamp(std::chrono::ceil<milliseconds>(retry_ - now), milliseconds(0), kLongest);
}

void Uplink::spool(std::vector<Outgoing> items) {
  for (Outgoing& item : items) {
    // One bad byte in a command line would make the collector refuse the whole batch, for ever.
    make_utf8(item.envelope);
    mask_secrets(item.envelope);  // here nothing is judged any more, and nothing has left
    unspooled_.push_back({0, item.priority, item.envelope.SerializeAsString()});
  }
  if (unspooled_.empty()) return;
  if (const absl::Status status = spool_->append(unspooled_); !status.ok()) {
    on_spool_error(status);
    return;
  }
  spool_failing_ = false;
  metrics_->spooled.add(unspooled_.size());
  tell_spooled();
  unspooled_.clear();
}

void Uplink::tell_spooled() {
  if (!callbacks_.on_spooled) return;
  for (const SpoolItem& item : unspooled_) {
    v1::Envelope envelope;
    if (envelope.ParseFromString(item.bytes)) callbacks_.on_spooled(item.sequence, envelope);
  }
}

void Uplink::settle(std::optional<uint64_t> checkpoint) {
  if (checkpoint) checkpoint_ = checkpoint;
  if (!checkpoint_ || !unspooled_.empty() || outbox_.lost() > lost_in_outbox_) return;
  if (callbacks_.on_settled) callbacks_.on_settled(*checkpoint_);
  checkpoint_.reset();
}

// Summed up over a second: a loss becomes an alert itself, and a flood of them would displace more.
void Uplink::tell_losses(Time now) {
  constexpr milliseconds kInterval{1000};
  if (now - losses_told_ < kInterval) return;
  tell_outbox_loss(now);
  const absl::StatusOr<SpoolLoss> loss = spool_->take_loss();
  if (!loss.ok()) {
    on_spool_error(loss.status());
  } else if (loss->count > 0) {
    losses_told_ = now;
    metrics_->spool_lost.add(loss->count);
    if (callbacks_.on_loss)
      callbacks_.on_loss({loss->count, "spool", loss->first_sequence, loss->last_sequence});
  }
  if (const uint64_t refused = outbox_.commands_refused(); refused > commands_refused_) {
    metrics_->commands_refused.add(refused - commands_refused_);
    commands_refused_ = refused;
  }
}

// What never reached the spool takes sequences there all the same: the collector then names them as
// missing. Not before the spool can keep that.
void Uplink::tell_outbox_loss(Time now) {
  const uint64_t lost = outbox_.lost();
  if (lost == lost_in_outbox_) return;
  losses_told_ = now;
  const absl::StatusOr<SpoolLoss> loss = spool_->skip(lost - lost_in_outbox_);
  if (!loss.ok()) return on_spool_error(loss.status());
  lost_in_outbox_ = lost;
  metrics_->outbox_lost.add(loss->count);
  if (callbacks_.on_loss)
    callbacks_.on_loss({loss->count, "outbox", loss->first_sequence, loss->last_sequence});
}

void Uplink::on_spool_error(const absl::Status& status) {
  metrics_->spool_errors.add();
  if (!spool_failing_) SPDLOG_ERROR("{}", std::string(status.message()));
  spool_failing_ = true;
  if (!absl::IsDataLoss(status)) return;
  if (const absl::Status replaced = Spool::replace(spool_); !replaced.ok()) {
    SPDLOG_ERROR("{}", std::string(replaced.message()));  // the next use of the spool tries again
    return;
  }
  SPDLOG_ERROR("the damaged spool is now {}; a new one begins", spool_->damaged_file().string());
  if (callbacks_.on_loss)
    callbacks_.on_loss({0, "damaged spool " + spool_->damaged_file().string(), 0, 0});
  drop_stream("the spool was replaced");  // its epoch is not this spool's
}

void Uplink::connect_when_due(Time now) {
  if (stream_ || now < retry_) return;
  greeted_ = false;
  broken_ = false;
  writing_ = true;  // until StreamWritten for the hello
  stream_ = streams_->connect(outbox_);
  v1::ConnectRequest request;
  v1::Hello& hello = *request.mutable_hello();
  hello.set_agent_version(options_.agent_version);
  hello.set_epoch(spool_->epoch());
  hello.set_boot_id(options_.boot_id);
  hello.set_kernel(options_.kernel);
  hello.set_first_sequence(spool_->first_sequence());
  if (callbacks_.on_hello) callbacks_.on_hello(hello);
  stream_->write(request);
}

void Uplink::drop_stream(const std::string& reason) {
  if (!stream_ || broken_) return;
  SPDLOG_ERROR("the connection to the collector is given up: {}", reason);
  broken_ = true;
  stream_->cancel();
}

void Uplink::handle(StreamReport report) {
  if (std::holds_alternative<StreamWritten>(report)) {
    writing_ = false;
  } else if (const auto* ack = std::get_if<v1::Ack>(&report)) {
    if (!broken_) on_ack(ack->sequence());
  } else if (const auto* command = std::get_if<v1::Command>(&report)) {
    if (callbacks_.on_command) callbacks_.on_command(*command);
  } else if (auto* rules = std::get_if<OfferedRules>(&report)) {
    if (callbacks_.on_rules) callbacks_.on_rules(std::move(*rules));
  } else if (auto* waivers = std::get_if<v1::WaiverSet>(&report)) {
    if (callbacks_.on_waivers) callbacks_.on_waivers(std::move(*waivers));
  } else if (std::holds_alternative<StreamBroken>(report)) {
    broken_ = true;
    if (stream_) stream_->release();
  } else if (const auto* done = std::get_if<StreamDone>(&report)) {
    on_done(done->reason);
  }
}

void Uplink::on_greeting(uint64_t sequence) {
  if (sequence > spool_->last_sequence()) {
    if (const absl::Status status = spool_->renew_epoch(); !status.ok()) on_spool_error(status);
    drop_stream("the spool is older than what the collector has; it goes on in a new epoch");
    return;
  }
  greeted_ = true;
  failures_ = 0;
  next_ = sequence + 1;
  acknowledged_ = sequence;
  connected_.store(true, std::memory_order_relaxed);
  metrics_->connects.add();
  metrics_->connected.set(1);
  SPDLOG_INFO("connected to the collector; it has everything up to sequence {}", sequence);
}

void Uplink::on_ack(uint64_t sequence) {
  if (!greeted_) {
    on_greeting(sequence);
    if (!greeted_) return;
  } else if (sequence >= next_) {
    drop_stream("it acknowledged what was never sent");
    return;
  }
  acknowledged_ = std::max(acknowledged_, sequence);
  if (const absl::Status status = spool_->acknowledge(sequence); !status.ok())
    on_spool_error(status);
}

void Uplink::on_done(const std::string& reason) {
  stream_.reset();
  connected_.store(false, std::memory_order_relaxed);
  metrics_->connected.set(0);
  if (stopping_.load(std::memory_order_relaxed)) return;
  metrics_->failures.add();
  // Doubling from the first to the last back-off, with a random half so that a fleet does not come
  // back as one.
  const unsigned doublings = std::min(failures_, 16U);
  const auto full = std::min(options_.last_backoff, options_.first_backoff * (1 << doublings));
  const double jitter = options_.random ? options_.random() : 0.0;
  const auto wait =
      milliseconds(static_cast<int64_t>(static_cast<double>(full.count()) * (1.0 - jitter / 2)));
  retry_ = Clock::now() + wait;
  if (failures_++ == 0) {
    SPDLOG_WARN("no connection to the collector: {}", reason);
  } else {
    SPDLOG_DEBUG("no connection to the collector: {}; next try in {} ms", reason, wait.count());
  }
}

void Uplink::send() {
  if (!stream_ || !greeted_ || writing_ || broken_) return;
  if (spool_->last_sequence() < next_ || next_ > acknowledged_ + options_.window) return;
  const auto items = spool_->read_from(next_, options_.batch_items, options_.batch_bytes);
  if (!items.ok()) {
    on_spool_error(items.status());
    return;
  }
  if (items->empty()) return;
  v1::ConnectRequest request;
  for (const SpoolItem& item : *items) {
    v1::Envelope& envelope = *request.mutable_batch()->add_envelopes();
    if (!envelope.ParseFromString(item.bytes)) {
      // Its sequence still goes out: the collector sees an empty envelope, not a gap.
      envelope.Clear();
      metrics_->spool_errors.add();
    }
    envelope.set_sequence(item.sequence);
  }
  next_ = items->back().sequence + 1;
  metrics_->sent.add(items->size());
  writing_ = true;
  stream_->write(request);
}

void Uplink::update_gauges() {
  metrics_->depth.set(outbox_.depth());
  metrics_->lag.set(spool_->count());
  metrics_->bytes.set(spool_->bytes());
}

}  // namespace picket
