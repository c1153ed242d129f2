// A message of an agent's stream out of the bytes that gRPC received. gRPC would unpack whatever a
// message claims to be before it looks at the size, so the collector's server leaves that to us
// (collector.cpp), and it ends at the bound. Pure, any thread. Errors: InvalidArgument: no message;
// ResourceExhausted: larger than one may be.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>

#include "absl/status/status.h"
#include "picket/v1/agent.pb.h"

namespace picket {

// Packed or not, as gRPC's own bound for what is not packed.
inline constexpr size_t kMaxAgentMessage = 4U << 20;

absl::Status read_agent_message(grpc::ByteBuffer& bytes, v1::ConnectRequest& message);

}  // namespace picket
