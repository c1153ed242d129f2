#include "collector/ingest/agent_message.h"

#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <cstdint>

namespace picket {
namespace {

using google::protobuf::io::GzipInputStream;
using google::protobuf::io::LimitingInputStream;

// Of gzip. No message begins so: it would be a field 3 of a kind that does not exist.
constexpr uint8_t kGzip = 0x1f;

bool is_packed(grpc::ProtoBufferReader& reader) {
  const void* data = nullptr;
  for (int size = 0; reader.Next(&data, &size);) {
    if (size == 0) continue;
    reader.BackUp(size);
    return *static_cast<const uint8_t*>(data) == kGzip;
  }
  return false;
}

absl::Status no_message() {
  return absl::InvalidArgumentError("the message is not a ConnectRequest");
}

}  // namespace

absl::Status read_agent_message(grpc::ByteBuffer& bytes, v1::ConnectRequest& message) {
  grpc::ProtoBufferReader reader(&bytes);
  if (!reader.status().ok()) return no_message();
  if (!is_packed(reader))
    return message.ParseFromZeroCopyStream(&reader) ? absl::OkStatus() : no_message();
  GzipInputStream unpacked(&reader, GzipInputStream::GZIP);
  LimitingInputStream bounded(&unpacked, kMaxAgentMessage + 1);
  const bool parsed = message.ParseFromZeroCopyStream(&bounded);
  if (static_cast<size_t>(bounded.ByteCount()) > kMaxAgentMessage)
    return absl::ResourceExhaustedError("the message is too large once it is unpacked");
  if (!parsed || unpacked.ZlibErrorCode() != Z_STREAM_END) return no_message();
  return absl::OkStatus();
}

}  // namespace picket
