#include "collector/cli/context.h"

#include "common/config_reader.h"

namespace picket {

absl::StatusOr<CliContext> load_context(const std::filesystem::path& file) {
  auto reader = ConfigReader::open(file);
  if (!reader.ok()) return reader.status();
  CliContext context;
  reader->read("collector", context.collector);
  reader->read("ca", context.tls.ca);
  reader->read("cert", context.tls.cert);
  reader->read("key", context.tls.key);
  reader->read("server_id", context.server_id);
  if (context.collector.empty()) reader->fail("collector", "expected HOST:PORT of the collector");
  if (context.tls.ca.empty()) reader->fail("ca", "expected the file of the certificate authority");
  if (context.tls.cert.empty()) reader->fail("cert", "expected the file of your certificate");
  if (context.tls.key.empty()) reader->fail("key", "expected the file of your private key");
  if (context.server_id.empty()) {
    reader->fail("server_id", "expected the collector's SPIFFE id");
  }
  if (absl::Status status = reader->finish(); !status.ok()) return status;
  return context;
}

}  // namespace picket
