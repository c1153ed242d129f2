// Mutual TLS 1.3 for both ends of every connection: credentials that follow replaced certificate
// files. Call require_tls13() first in main; the rest is safe from every thread. Errors: check the
// files at start with check_files() (tls_files.h); a later unusable file keeps the last good one.
#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_context.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/peer_identity.h"
#include "common/tls_files.h"

namespace picket {

// Leaves TLS 1.2 and below without a usable cipher, for the whole process: gRPC 1.51 has no setter
// for the lowest version. Before the first gRPC call and before other threads start.
void require_tls13();

// The files are looked at every second: a replaced certificate is used from the next connection on.
std::shared_ptr<grpc::ServerCredentials> server_credentials(const TlsFiles& files);

// Accepts only a server whose certificate names exactly `server_id`; host names do not matter.
std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const TlsFiles& files,
                                                              std::string server_id);

// Of the caller of an RPC. nullopt: its certificate has not exactly one URI name, or that is no id
// of ours.
std::optional<PeerIdentity> peer_identity(const grpc::ServerContextBase& context,
                                          std::string_view trust_domain);

}  // namespace picket
