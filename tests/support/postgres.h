// A PostgreSQL server of the test's own: made in a temporary folder, reachable by a unix socket
// there and in no other way, gone with the test. As root it runs as the user postgres, which
// refuses to be root. Owner: the thread that started it. Errors: a Status with the server's last
// words; Unimplemented where it is not installed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/support/subprocess.h"

namespace picket::test {

class PostgresServer {
 public:
  // It outlives no crash of the machine, but one of its own: it does not wait for the disk.
  static absl::StatusOr<std::unique_ptr<PostgresServer>> start();
  ~PostgresServer();

  // The connection string of a new and empty one.
  absl::StatusOr<std::string> create_database();

  // As a crash: connections and open transactions are lost. The two halves of it are apart.
  absl::Status restart();
  absl::Status stop();
  absl::Status launch();

 private:
  explicit PostgresServer(std::filesystem::path folder) : folder_(std::move(folder)) {}
  absl::Status make();
  std::string connection(const std::string& database) const;

  const std::filesystem::path folder_;
  std::unique_ptr<Subprocess> server_;
  int databases_ = 0;
};

}  // namespace picket::test
