// The operators' side of the collector's gRPC server. A caller's role is in its certificate; every
// call is checked here, first thing. Called by gRPC's threads; queries run on the workers. Errors:
// refusals are counted, refused commands are audited as well.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "collector/query/query_context.h"

namespace picket {

// `context` outlives the service.
std::unique_ptr<grpc::Service> operator_service(QueryContext& context);

}  // namespace picket
