// Operators' calls whose request is no message. gRPC answers them itself, with INTERNAL, and no
// handler hears of them: here they are counted and written to the audit log like what is refused.
// Called by gRPC's threads; the entry waits for a worker. Errors: an entry that finds no room is
// counted.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "collector/query/query_context.h"

namespace picket {

// `context` outlives the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> unread_calls(
    QueryContext& context);

}  // namespace picket
