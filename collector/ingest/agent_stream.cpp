#include "collector/ingest/agent_stream.h"

#include <fmt/format.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "collector/ingest/agent_message.h"
#include "common/rule_bundle.h"

namespace picket {
namespace {

// Batches of one stream between network and disk: enough to keep the disk busy.
constexpr size_t kMaxUncommitted = 4;
constexpr size_t kMaxCommands = 64;
constexpr std::chrono::seconds kHelloWithin{10};
constexpr size_t kMaxText = 256, kMaxLabels = 64U << 10;
// Sequences are stored as signed 64 bit numbers.
constexpr uint64_t kMaxSequence = INT64_MAX;

// It is logged, and kept for as long as the node is.
bool is_short(const v1::Hello& hello) {
  for (const std::string* text : {&hello.epoch(), &hello.agent_version(), &hello.kernel(),
                                  &hello.boot_id(), &hello.rules_bundle(), &hello.waivers()})
    if (text->size() > kMaxText) return false;
  size_t labels = 0;
  for (const auto& [key, value] : hello.labels()) labels += key.size() + value.size();
  return labels <= kMaxLabels;
}

std::string words(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

AgentStream* AgentStream::begin(IngestContext& context, std::string node) {
  std::shared_ptr<AgentStream> stream(new AgentStream(context, std::move(node)));
  const std::lock_guard lock(stream->mutex_);
  stream->self_ = stream;
  stream->hello_due_.Set(std::chrono::system_clock::now() + kHelloWithin,
                         [late = std::weak_ptr(stream)](bool expired) {
                           if (const auto self = late.lock(); self && expired) self->on_silence();
                         });
  stream->read_on();
  return stream.get();
}

void AgentStream::read_on() {
  if (finished_ || ending_ || reading_ || uncommitted_ >= kMaxUncommitted) return;
  reading_ = true;
  in_.Clear();
  StartRead(&in_);
}

void AgentStream::OnReadDone(bool ok) {
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (finished_ || ending_) return;
  if (!ok) return finish(grpc::Status::OK);  // the agent has closed, or the connection is lost
  v1::ConnectRequest message;
  if (const absl::Status status = read_agent_message(in_, message); !status.ok()) {
    const bool too_large = absl::IsResourceExhausted(status);
    return refuse(
        too_large ? "too_large" : "garbage",
        too_large ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::INVALID_ARGUMENT,
        words(status));
  }
  in_.Clear();
  on_message(std::move(message));
  read_on();
}

void AgentStream::on_message(v1::ConnectRequest message) {
  switch (message.message_case()) {
    case v1::ConnectRequest::kHello:
      return on_hello(std::move(*message.mutable_hello()));
    case v1::ConnectRequest::kBatch:
      return on_batch(std::move(*message.mutable_batch()));
    case v1::ConnectRequest::MESSAGE_NOT_SET:
      return refuse("empty_message", grpc::StatusCode::INVALID_ARGUMENT,
                    "the message has no content that this collector knows");
  }
}

void AgentStream::on_silence() {
  const std::lock_guard lock(mutex_);
  if (hello_) return;
  refuse("no_hello", grpc::StatusCode::DEADLINE_EXCEEDED, "hello was not said in time");
}

void AgentStream::on_hello(v1::Hello hello) {
  if (hello_) {
    return refuse("second_hello", grpc::StatusCode::INVALID_ARGUMENT, "hello was said before");
  }
  if (hello.epoch().empty()) {
    return refuse("no_epoch", grpc::StatusCode::INVALID_ARGUMENT, "hello names no spool epoch");
  }
  if (!is_short(hello)) {
    return refuse("oversized", grpc::StatusCode::INVALID_ARGUMENT,
                  fmt::format("hello has a text of more than {} bytes, or labels of more than {}",
                              kMaxText, kMaxLabels));
  }
  hello_ = std::move(hello);
  hello_due_.Cancel();
  spdlog::info("{} connected: agent {}, kernel {}, spool {}", node_, hello_->agent_version(),
               hello_->kernel(), hello_->epoch());
  // In the writer's order: batches of an earlier stream that are still under way count as committed
  // in the answer.
  const auto greet = [self = self_, hello = NodeHello{node_, *hello_}](Store& store) {
    const auto known = store.greet(hello);
    const std::lock_guard lock(self->mutex_);
    self->on_greeted(known);
  };
  if (!context_.writer.run(greet)) {
    refuse("busy", grpc::StatusCode::RESOURCE_EXHAUSTED, "too many writes are waiting");
  }
}

void AgentStream::on_greeted(const absl::StatusOr<Greeting>& known) {
  if (!known.ok()) {
    return refuse("not_stored", grpc::StatusCode::UNAVAILABLE, words(known.status()));
  }
  if (finished_ || ending_) return;
  greeted_ = true;
  // On the writer's thread, so no two streams replace each other at once.
  context_.nodes.connect(node_, self_);
  ack_ = known->last_sequence;
  // Asked after this stream is known: what changes meanwhile comes by one way or both.
  PolicyDistribution::Offer offer = context_.policy.on_hello(node_, *hello_, known->rules);
  if (offer.bundle) send_rules(std::move(offer.bundle), offer.shadow);
  waivers_ = std::move(offer.waivers);
  write_on();
}

void AgentStream::on_batch(v1::Batch batch) {
  if (!hello_) {
    return refuse("batch_before_hello", grpc::StatusCode::INVALID_ARGUMENT, "say hello first");
  }
  for (const v1::Envelope& envelope : batch.envelopes()) {
    if (envelope.sequence() <= last_received_ || envelope.sequence() > kMaxSequence) {
      return refuse("out_of_order", grpc::StatusCode::INVALID_ARGUMENT,
                    fmt::format("sequence {} follows {}: sequences must ascend",
                                envelope.sequence(), last_received_));
    }
    last_received_ = envelope.sequence();
  }
  if (batch.envelopes().empty()) return;
  std::optional<v1::NodeRules> rules;  // the newest that it tells
  for (const v1::Envelope& envelope : batch.envelopes())
    if (envelope.has_rules()) rules = envelope.rules();
  const auto committed = [self = self_, rules](const absl::StatusOr<uint64_t>& last) {
    if (last.ok() && rules) self->context_.policy.told(self->node_, *rules);
    const std::lock_guard lock(self->mutex_);
    self->on_committed(last);
  };
  ++uncommitted_;
  if (!context_.writer.submit({node_, hello_->epoch(), std::move(batch)}, committed)) {
    --uncommitted_;
    refuse("busy", grpc::StatusCode::RESOURCE_EXHAUSTED, "too many writes are waiting");
  }
}

void AgentStream::on_committed(const absl::StatusOr<uint64_t>& last) {
  --uncommitted_;
  if (!last.ok()) {
    return refuse("not_stored", grpc::StatusCode::UNAVAILABLE, words(last.status()));
  }
  if (finished_ || ending_) return;
  ack_ = *last;
  write_on();
  read_on();
}

bool AgentStream::deliver(const v1::Command& command) {
  const std::lock_guard lock(mutex_);
  if (finished_ || ending_ || commands_.size() >= kMaxCommands) return false;
  commands_.push_back(command);
  write_on();
  return true;
}

void AgentStream::offer(std::shared_ptr<const RuleBundle> bundle, bool shadow) {
  const std::lock_guard lock(mutex_);
  send_rules(std::move(bundle), shadow);
  write_on();
}

void AgentStream::offer(std::shared_ptr<const v1::WaiverSet> waivers) {
  const std::lock_guard lock(mutex_);
  waivers_ = std::move(waivers);
  write_on();
}

void AgentStream::send_rules(std::shared_ptr<const RuleBundle> bundle, bool shadow) {
  const bool on_its_way = bundle_ && bundle_->info.bundle_id() == bundle->info.bundle_id();
  if (on_its_way && bundle_shadow_ == shadow) return;
  bundle_ = std::move(bundle);
  bundle_shadow_ = shadow;
  bundle_sent_ = 0;
}

bool AgentStream::next_message(v1::ConnectResponse& message) {
  if (ack_) {
    message.mutable_ack()->set_sequence(*ack_);
    ack_.reset();
  } else if (!commands_.empty()) {
    *message.mutable_command() = std::move(commands_.front());
    commands_.pop_front();
  } else if (waivers_) {
    *message.mutable_waivers() = *std::exchange(waivers_, nullptr);
  } else if (bundle_) {
    *message.mutable_rules() =
        rule_bundle_chunk(bundle_->info.bundle_id(), bundle_->bytes, bundle_sent_);
    message.mutable_rules()->set_shadow(bundle_shadow_);
    bundle_sent_ += message.rules().data().size();
    if (bundle_sent_ >= bundle_->bytes.size()) bundle_.reset();
  } else {
    return false;
  }
  return true;
}

void AgentStream::write_on() {
  // The answer to hello is the first thing an agent hears.
  if (finished_ || ending_ || writing_ || !greeted_) return;
  v1::ConnectResponse message;
  if (!next_message(message)) return;
  bool own = false;
  out_.Clear();
  const grpc::Status status =
      grpc::SerializationTraits<v1::ConnectResponse>::Serialize(message, &out_, &own);
  if (!status.ok()) return finish(status);
  writing_ = true;
  StartWrite(&out_);
}

void AgentStream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (finished_) return;
  if (ending_) {
    finished_ = true;
    return Finish(*ending_);
  }
  if (!ok) return finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the connection is lost"));
  write_on();
}

void AgentStream::refuse(std::string_view reason, grpc::StatusCode code, const std::string& words) {
  if (finished_ || ending_) return;
  context_.refusals.add(reason);
  spdlog::warn("{} refused ({}): {}", node_, reason, words);
  finish(grpc::Status(code, words));
}

void AgentStream::finish(grpc::Status status) {
  if (finished_ || ending_) return;
  if (writing_) {
    ending_ = std::move(status);
    return;
  }
  finished_ = true;
  Finish(std::move(status));
}

void AgentStream::close(std::string_view why) {
  const std::lock_guard lock(mutex_);
  finish(grpc::Status(grpc::StatusCode::ABORTED, std::string(why)));
}

void AgentStream::OnCancel() {
  const std::lock_guard lock(mutex_);
  finish(grpc::Status::CANCELLED);
}

void AgentStream::OnDone() {
  context_.nodes.disconnect(node_, this);
  context_.writer.run([node = node_, &nodes = context_.nodes](Store& store) {
    if (nodes.find(node)) return;  // streams begin on this thread: a newer one is there already
    if (absl::Status status = store.node_left(node); !status.ok()) {
      spdlog::warn("the end of {}'s stream could not be recorded: {}", node, words(status));
    }
  });
  spdlog::info("{} disconnected", node_);
  std::shared_ptr<AgentStream> self;  // the last share may go only after the lock has
  const std::lock_guard lock(mutex_);
  self.swap(self_);
}

}  // namespace picket
