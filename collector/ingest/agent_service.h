// The agents' side of the collector's gRPC server. Nodes only: the caller's certificate decides who
// a stream belongs to. Called by gRPC's threads. Errors: other callers are refused and counted.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "collector/ingest/agent_stream.h"

namespace picket {

// `context` outlives the service.
std::unique_ptr<grpc::Service> agent_service(IngestContext& context, std::string trust_domain);

}  // namespace picket
