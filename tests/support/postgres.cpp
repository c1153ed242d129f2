#include "tests/support/postgres.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <system_error>
#include <vector>

namespace picket::test {
namespace {

constexpr const char* kBinaries = PICKET_POSTGRES_BINARIES;

// The command, as a user who may run a server.
std::vector<std::string> as_user(std::vector<std::string> argv) {
  if (geteuid() != 0) return argv;
  argv.insert(argv.begin(), {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                             "--pdeathsig=QUIT", "--"});
  return argv;
}

std::string binary(const char* name) { return fmt::format("{}/{}", kBinaries, name); }

absl::Status execute(const std::string& where, const std::string& sql) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(where.c_str()),
                                                                PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()),
                                                             PQclear);
  if (PQresultStatus(result.get()) == PGRES_COMMAND_OK) return absl::OkStatus();
  return absl::InternalError(fmt::format("{}: {}", sql, PQerrorMessage(connection.get())));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresServer>> PostgresServer::start() {
  if (access(binary("initdb").c_str(), X_OK) != 0)
    return absl::UnimplementedError(fmt::format("no PostgreSQL server in {}", kBinaries));
  std::string pattern = (std::filesystem::temp_directory_path() / "picket-pg-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return absl::InternalError("make a folder for a server");
  std::unique_ptr<PostgresServer> server(new PostgresServer(pattern));
  absl::Status status = server->make();
  if (status.ok()) status = server->launch();
  if (!status.ok()) return status;
  return server;
}

PostgresServer::~PostgresServer() {
  stop().IgnoreError();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

std::string PostgresServer::connection(const std::string& database) const {
  return fmt::format("host={} user=postgres dbname={}", folder_.string(), database);
}

absl::Status PostgresServer::make() {
  if (geteuid() == 0) {
    const passwd* user = getpwnam("postgres");
    if (user == nullptr) return absl::UnimplementedError("there is no user postgres");
    if (chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0)
      return absl::InternalError("give a folder to the user postgres");
  }
  return output_of(
             as_user({binary("initdb"), "--pgdata", folder_ / "data", "--username", "postgres",
                      "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"}))
      .status();
}

absl::Status PostgresServer::launch() {
  const std::filesystem::path log = folder_ / "log";
  const Fd sink(open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  auto server = Subprocess::start(
      {.argv = as_user({binary("postgres"), "-D", folder_ / "data", "-k", folder_, "-c",
                        "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off", "-c",
                        "jit=off", "-c", "shared_buffers=16MB"}),
       .out = sink.get(),
       .err = sink.get()});
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (PQping(connection("postgres").c_str()) != PQPING_OK) {
    // Ready or dead, whichever comes first.
    if (!server_->running_after(std::chrono::milliseconds(20)) ||
        std::chrono::steady_clock::now() > deadline)
      return absl::InternalError(
          fmt::format("PostgreSQL did not start: {}", read_file(log).value_or("(no log)")));
  }
  return absl::OkStatus();
}

absl::Status PostgresServer::stop() {
  if (!server_) return absl::OkStatus();
  server_->signal(SIGQUIT);  // at once; its children go first, and take their shared memory along
  const absl::Status ended = server_->wait().status();
  server_.reset();
  return ended;
}

absl::Status PostgresServer::restart() {
  if (absl::Status stopped = stop(); !stopped.ok()) return stopped;
  return launch();
}

absl::StatusOr<std::string> PostgresServer::create_database() {
  const std::string name = fmt::format("picket{}", ++databases_);
  absl::Status made = execute(connection("postgres"), fmt::format("CREATE DATABASE {}", name));
  if (!made.ok()) return made;
  return connection(name);
}

}  // namespace picket::test
