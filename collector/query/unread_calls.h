// Operators' calls whose request is no message: no handler hears of them. Here they are answered
// with INVALID_ARGUMENT, counted, and written to the audit log like what is refused; of a flood not
// each has an entry: one waits for a worker at a time. Called by gRPC's threads. Nothing fails.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "collector/query/query_context.h"

namespace picket {

// `context` outlives the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> unread_calls(
    QueryContext& context);

}  // namespace picket
