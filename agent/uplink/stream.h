// One gRPC stream to the collector. Reports everything that happens into the Outbox; after
// StreamDone it may be destroyed. Owner: the uplink thread; gRPC's threads run the reactions.
// Errors: arrive as StreamDone with the reason.
#pragma once

#include <memory>
#include <string>

#include "agent/uplink/outbox.h"
#include "common/tls_files.h"

namespace picket {

class Stream {
 public:
  virtual ~Stream() = default;
  // One at a time: wait for StreamWritten.
  virtual void write(const v1::ConnectRequest& request) = 0;
  virtual void cancel() = 0;   // StreamBroken follows soon
  virtual void release() = 0;  // once, after StreamBroken: lets StreamDone come
};

// The door to the network, so that tests can stand in for the collector.
class StreamFactory {
 public:
  virtual ~StreamFactory() = default;
  virtual std::unique_ptr<Stream> connect(Outbox& outbox) = 0;
};

// The collector must allow pings every 10 s on a silent stream
// (GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS): they find a peer that is gone.
std::unique_ptr<StreamFactory> grpc_stream_factory(const std::string& address,
                                                   const TlsFiles& files,
                                                   const std::string& server_id);

}  // namespace picket
