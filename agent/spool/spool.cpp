#include "agent/spool/spool.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "agent/spool/spool_sql.h"

namespace picket {

using spool_sql::bind;
using spool_sql::column;
using spool_sql::Reset;
using spool_sql::Transaction;

void merge_loss(SpoolLoss& into, const SpoolLoss& loss) {
  if (loss.count == 0) return;
  if (into.count == 0) {
    into = loss;
    return;
  }
  into.first_sequence = std::min(into.first_sequence, loss.first_sequence);
  into.last_sequence = std::max(into.last_sequence, loss.last_sequence);
  into.count += loss.count;
}

absl::Status Spool::error(const char* what) const {
  const int code = sqlite3_errcode(db_);
  const std::string message = fmt::format("spool: {}: {}", what, sqlite3_errmsg(db_));
  switch (code) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(message + "; does another agent use it?");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // The file was opened for writing, so this is what its header says.
    case SQLITE_READONLY:
    // Our statements are right, so these say that the file's tables are not ours.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return absl::DataLossError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status Spool::execute(const char* sql) const {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error("execute");
  return absl::OkStatus();
}

absl::StatusOr<Spool::Statement> Spool::compile(const char* sql) const {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    return error("prepare");
  }
  return Statement(statement);
}

absl::Status Spool::prepare() {
  for (const auto& [statement, sql] : std::initializer_list<std::pair<Statement*, const char*>>{
           {&insert_, "INSERT INTO item (sequence, priority, bytes) VALUES (?, ?, ?)"},
           {&select_,
            "SELECT sequence, priority, bytes FROM item WHERE sequence >= ? ORDER BY sequence "
            "LIMIT ?"},
           {&delete_up_to_, "DELETE FROM item WHERE sequence <= ?"},
           {&sum_up_to_,
            "SELECT count(*), coalesce(sum(length(bytes)), 0) FROM item WHERE sequence <= ?"},
           {&oldest_least_,
            "SELECT sequence, length(bytes) FROM item ORDER BY priority DESC, sequence LIMIT 1"},
           {&delete_one_, "DELETE FROM item WHERE sequence = ?"},
           {&first_left_, "SELECT coalesce(min(sequence), 0) FROM item"},
           {&set_head_,
            "UPDATE spool SET last_sequence = ?, fresh_first = ?, fresh_last = ?, fresh_count = ?, "
            "reported_first = ?, reported_last = ?, reported_count = ?, reported_at = ?"}}) {
    auto compiled = compile(sql);
    if (!compiled.ok()) return compiled.status();
    *statement = std::move(*compiled);
  }
  return absl::OkStatus();
}

Spool::~Spool() {
  for (Statement* statement : {&insert_, &select_, &delete_up_to_, &sum_up_to_, &oldest_least_,
                               &delete_one_, &first_left_, &set_head_}) {
    statement->reset();
  }
  sqlite3_close_v2(db_);
}

absl::Status Spool::refresh_first() {
  const Reset reset(first_left_.get());
  if (sqlite3_step(first_left_.get()) != SQLITE_ROW) return error("find the first item");
  first_ = column(first_left_.get(), 0);
  return absl::OkStatus();
}

absl::Status Spool::write_head(uint64_t last) const {
  const Reset reset(set_head_.get());
  int index = 0;
  for (const uint64_t value :
       {last, state_.fresh.first_sequence, state_.fresh.last_sequence, state_.fresh.count,
        state_.reported.first_sequence, state_.reported.last_sequence, state_.reported.count,
        state_.reported_at}) {
    bind(set_head_.get(), ++index, value);
  }
  if (sqlite3_step(set_head_.get()) != SQLITE_DONE) return error("write the head");
  return absl::OkStatus();
}

absl::Status Spool::insert(std::vector<SpoolItem>& items, uint64_t& sequence) {
  for (SpoolItem& item : items) {
    item.sequence = ++sequence;
    if (item.bytes.size() > kMaxItemBytes) {
      merge_loss(state_.fresh, {sequence, sequence, 1});
      continue;
    }
    const Reset reset(insert_.get());
    bind(insert_.get(), 1, sequence);
    sqlite3_bind_int(insert_.get(), 2, item.priority);
    sqlite3_bind_blob64(insert_.get(), 3, item.bytes.data(), item.bytes.size(), SQLITE_STATIC);
    if (sqlite3_step(insert_.get()) != SQLITE_DONE) return error("append");
    state_.bytes += item.bytes.size();
    ++state_.count;
  }
  return absl::OkStatus();
}

absl::Status Spool::make_room() {
  while (state_.count > 0 && state_.bytes > options_.max_bytes) {
    const Reset reset(oldest_least_.get());
    if (sqlite3_step(oldest_least_.get()) != SQLITE_ROW) return error("find what to drop");
    const uint64_t sequence = column(oldest_least_.get(), 0);
    const uint64_t size = column(oldest_least_.get(), 1);
    sqlite3_reset(oldest_least_.get());  // a cursor must not stand on the row that goes
    const Reset reset_delete(delete_one_.get());
    bind(delete_one_.get(), 1, sequence);
    if (sqlite3_step(delete_one_.get()) != SQLITE_DONE) return error("drop an item");
    if (sqlite3_changes(db_) != 1)
      return absl::DataLossError("spool: the index names an item that is not there");
    state_.bytes -= std::min(size, state_.bytes);
    --state_.count;
    merge_loss(state_.fresh, {sequence, sequence, 1});
  }
  return absl::OkStatus();
}

absl::Status Spool::append(std::vector<SpoolItem>& items) {
  if (items.empty()) return absl::OkStatus();
  const State before = state_;
  const auto work = [&]() -> absl::Status {
    Transaction transaction(db_);
    if (!transaction.begin()) return error("begin");
    uint64_t sequence = last_;
    if (absl::Status status = insert(items, sequence); !status.ok()) return status;
    if (absl::Status status = make_room(); !status.ok()) return status;
    if (absl::Status status = write_head(sequence); !status.ok()) return status;
    if (!transaction.commit()) return error("commit");
    last_ = sequence;
    return absl::OkStatus();
  };
  if (absl::Status status = work(); !status.ok()) {
    state_ = before;
    return status;
  }
  // Committed: what follows must not report the append as failed. A stale first_ corrects itself.
  if (first_ == 0 || state_.fresh.count != before.fresh.count) (void)refresh_first();
  return absl::OkStatus();
}

absl::StatusOr<SpoolLoss> Spool::skip(uint64_t count) {
  const SpoolLoss skipped{last_ + 1, last_ + count, count};
  if (absl::Status status = write_head(skipped.last_sequence); !status.ok()) return status;
  last_ = skipped.last_sequence;
  return skipped;
}

absl::StatusOr<std::vector<SpoolItem>> Spool::read_from(uint64_t sequence, size_t limit,
                                                        size_t max_bytes) const {
  std::vector<SpoolItem> items;
  const Reset reset(select_.get());
  bind(select_.get(), 1, sequence);
  bind(select_.get(), 2, limit);
  size_t total = 0;
  for (;;) {
    const int code = sqlite3_step(select_.get());
    if (code == SQLITE_DONE) return items;
    if (code != SQLITE_ROW) return error("read");
    SpoolItem item;
    item.sequence = column(select_.get(), 0);
    item.priority = static_cast<uint8_t>(sqlite3_column_int(select_.get(), 1));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(select_.get(), 2));
    if (!items.empty() && total + size > max_bytes) return items;
    const void* data = sqlite3_column_blob(select_.get(), 2);
    if (data != nullptr) item.bytes.assign(static_cast<const char*>(data), size);
    total += size;
    items.push_back(std::move(item));
  }
}

absl::Status Spool::acknowledge(uint64_t sequence) {
  const bool loss_arrived = state_.reported.count > 0 && sequence > state_.reported_at;
  if ((first_ == 0 || sequence < first_) && !loss_arrived) return absl::OkStatus();
  const State before = state_;
  const auto work = [&]() -> absl::Status {
    Transaction transaction(db_);
    if (!transaction.begin()) return error("begin");
    {
      const Reset reset(sum_up_to_.get());
      bind(sum_up_to_.get(), 1, sequence);
      if (sqlite3_step(sum_up_to_.get()) != SQLITE_ROW) return error("sum what is acknowledged");
      state_.count -= std::min(state_.count, column(sum_up_to_.get(), 0));
      state_.bytes -= std::min(state_.bytes, column(sum_up_to_.get(), 1));
    }
    {
      const Reset reset(delete_up_to_.get());
      bind(delete_up_to_.get(), 1, sequence);
      if (sqlite3_step(delete_up_to_.get()) != SQLITE_DONE)
        return error("forget what is acknowledged");
    }
    if (loss_arrived) {
      state_.reported = {};
      if (absl::Status status = write_head(last_); !status.ok()) return status;
    }
    return transaction.commit() ? absl::OkStatus() : error("commit");
  };
  if (absl::Status status = work(); !status.ok()) {
    state_ = before;
    return status;
  }
  return refresh_first();
}

absl::StatusOr<SpoolLoss> Spool::take_loss() {
  if (state_.fresh.count == 0) return SpoolLoss{};
  const State before = state_;
  const SpoolLoss loss = state_.fresh;
  merge_loss(state_.reported, loss);
  state_.reported_at = last_;
  state_.fresh = {};
  if (absl::Status status = write_head(last_); !status.ok()) {
    state_ = before;
    return status;
  }
  return loss;
}

}  // namespace picket
