// What PostgresStore does as one of several collectors on its database. A command is "issued" by
// one of them, "offered" to the others when another has the node's stream, and "taken" by that one.
#include <utility>

#include "collector/store/postgres_news.h"
#include "collector/store/postgres_store.h"
#include "collector/store/postgres_turn.h"

namespace picket {
namespace {

using postgres::Result;
using postgres::Values;

// Whoever issued a command closes it when its time is over; if it does not, it is gone.
constexpr uint64_t kGraceNs = 5'000'000'000U;

absl::StatusOr<std::vector<OpenCommand>> commands_of(const absl::StatusOr<Result>& rows) {
  if (!rows.ok()) return rows.status();
  std::vector<OpenCommand> commands(static_cast<size_t>(rows->rows()));
  for (int row = 0; row < rows->rows(); ++row) {
    OpenCommand& open = commands[static_cast<size_t>(row)];
    open.node = rows->text(row, 0);
    if (!open.command.ParseFromString(rows->text(row, 1)))
      return absl::DataLossError("read an open command: its stored form is damaged");
  }
  return commands;
}

}  // namespace

absl::StatusOr<std::vector<OpenCommand>> PostgresStore::open_commands() {
  return commands_of(pool_->query(
      "SELECT node, command FROM commands WHERE state IN ('issued', 'offered', 'taken') AND "
      "not_after_ns < $1 AND replica NOT IN (SELECT replica FROM live_replicas) ORDER BY issued_ns",
      Values().add(clock_.wall_ns() - kGraceNs)));
}

absl::StatusOr<bool> PostgresStore::pass_on(const std::string& command) {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  const auto offered = connection_->run(
      "UPDATE commands c SET state = 'offered' FROM nodes n WHERE c.id = $1 AND c.state = 'issued' "
      "AND n.node = c.node AND n.replica <> $2 AND n.replica IN (SELECT replica FROM "
      "live_replicas) RETURNING c.id",
      Values().add(command).add(number_));
  if (!offered.ok()) return offered.status();
  transaction->tell("commands");
  if (absl::Status status = transaction->commit(); !status.ok()) return status;
  return offered->rows() != 0;
}

absl::StatusOr<std::vector<OpenCommand>> PostgresStore::take() {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  auto taken = commands_of(connection_->run(
      "UPDATE commands c SET state = 'taken' FROM nodes n WHERE c.state = 'offered' AND n.node = "
      "c.node AND n.replica = $1 RETURNING c.node, c.command",
      Values().add(number_)));
  if (!taken.ok()) return taken;
  if (absl::Status status = transaction->commit(); !status.ok()) return status;
  return taken;
}

absl::Status PostgresStore::give_back(const std::string& command) {
  auto transaction = begin();
  if (!transaction.ok()) return transaction.status();
  const auto given =
      connection_->run("UPDATE commands SET state = 'offered' WHERE id = $1 AND state = 'taken'",
                       Values().add(command));
  return given.ok() ? transaction->commit() : given.status();
}

absl::StatusOr<std::vector<std::string>> PostgresStore::moved(
    const std::vector<std::string>& nodes) {
  const auto rows = pool_->query(
      "SELECT k.i FROM unnest($1) WITH ORDINALITY AS k(node, i) JOIN nodes n ON n.node = k.node "
      "WHERE n.replica <> $2 AND n.replica IN (SELECT replica FROM live_replicas)",
      Values().add(nodes).add(number_));
  if (!rows.ok()) return rows.status();
  std::vector<std::string> moved;
  for (int row = 0; row < rows->rows(); ++row) moved.push_back(nodes[rows->number(row, 0) - 1]);
  return moved;
}

std::unique_ptr<OutputTurn> PostgresStore::output_turn(const std::string& output) {
  return std::make_unique<postgres::SessionTurn>(options_.where, output);
}

absl::StatusOr<std::unique_ptr<NewsWire>> PostgresStore::wire() const {
  return std::make_unique<postgres::Wire>(options_.where, number_);
}

}  // namespace picket
