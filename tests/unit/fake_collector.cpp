#include "tests/unit/fake_collector.h"

#include <chrono>

namespace picket {

FakeCollector::FakeCollector(TlsFiles files) : files_(std::move(files)) {}
FakeCollector::~FakeCollector() { stop(); }

void FakeCollector::start() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address(), server_credentials(files_), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  if (!server_) std::abort();
}

void FakeCollector::stop() {
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

void FakeCollector::set(Knobs knobs) {
  const std::lock_guard lock(mutex_);
  state_.knobs = knobs;
}

FakeCollector::State FakeCollector::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

bool FakeCollector::wait_until(const std::function<bool(const State&)>& happened) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return happened(state_); });
}

bool FakeCollector::send(const v1::Command& command) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(60), [&] { return stream_ != nullptr; }))
    return false;
  v1::ConnectResponse response;
  *response.mutable_command() = command;
  return stream_->Write(response);
}

void FakeCollector::acknowledge(AgentStream& stream, uint64_t sequence) {
  v1::ConnectResponse response;
  response.mutable_ack()->set_sequence(sequence);
  const std::lock_guard lock(mutex_);  // send() writes too
  stream.Write(response);
}

bool FakeCollector::greet(grpc::ServerContext& context, AgentStream& stream, std::string& epoch) {
  const auto peer = peer_identity(context, "picket");
  v1::ConnectRequest request;
  if (!peer || peer->kind != PeerIdentity::Kind::node) return false;
  if (!stream.Read(&request) || !request.has_hello()) return false;
  epoch = request.hello().epoch();
  uint64_t last = 0;
  {
    const std::lock_guard lock(mutex_);
    state_.hellos.push_back(request.hello());
    state_.peers.push_back(peer->uri);
    last = state_.last[epoch];
    if (state_.knobs.lie_in_greeting != 0) last = std::exchange(state_.knobs.lie_in_greeting, 0);
  }
  acknowledge(stream, last);
  return true;
}

// false: this is the moment to drop the stream.
bool FakeCollector::take_in(const v1::Batch& batch, const std::string& epoch, size_t& taken) {
  const std::lock_guard lock(mutex_);
  for (const v1::Envelope& envelope : batch.envelopes()) {
    state_.received.push_back(envelope);
    if (state_.knobs.commit && envelope.sequence() > state_.last[epoch]) {
      state_.last[epoch] = envelope.sequence();
      state_.committed[epoch].push_back(envelope);
    }
    if (++taken == state_.knobs.drop_after) {
      state_.knobs.drop_after = 0;
      return false;
    }
  }
  return true;
}

grpc::Status FakeCollector::Connect(grpc::ServerContext* context, AgentStream* stream) {
  std::string epoch;
  if (!greet(*context, *stream, epoch)) return {grpc::StatusCode::PERMISSION_DENIED, "not a node"};
  {
    const std::lock_guard lock(mutex_);
    stream_ = stream;
  }
  changed_.notify_all();
  bool stay = true;
  size_t taken = 0;
  for (v1::ConnectRequest request; stay && stream->Read(&request);) {
    stay = take_in(request.batch(), epoch, taken);
    const State now = state();
    if (stay && now.knobs.lie != 0) {
      acknowledge(*stream, now.knobs.lie);
    } else if (stay && now.knobs.acknowledge && now.last.contains(epoch)) {
      acknowledge(*stream, now.last.at(epoch));
    }
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  if (stream_ == stream) stream_ = nullptr;
  return {grpc::StatusCode::UNAVAILABLE, "dropped"};
}

}  // namespace picket
