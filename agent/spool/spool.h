// The agent's durable outbox: envelopes with sequence numbers, kept until the collector has
// committed them. SQLite in WAL mode. Owner: the uplink thread; one process at a time. When
// append() returns, the items survive a kill of the agent at any moment; with Options::power_safe
// also a power cut, without it a power cut takes what the kernel had not written back, at most the
// last four megabytes. Sequences start at 1, ascend, and never repeat within an epoch. Errors: a
// damaged file is moved aside, never deleted, and a new epoch begins (damaged_file() names it); a
// full disk makes append() fail and leaves the spool as it was. DataLoss from any call: give the
// spool to replace().
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket {

struct SpoolItem {
  uint64_t sequence = 0;  // given by append()
  uint8_t priority = 0;   // 0 is the most severe; the highest number is dropped first
  std::string bytes;      // opaque here
};

// What was dropped because the spool was full: `count` items between the two sequences.
struct SpoolLoss {
  uint64_t first_sequence = 0, last_sequence = 0;
  uint64_t count = 0;
};
// Widens `into` to cover `loss` as well.
void merge_loss(SpoolLoss& into, const SpoolLoss& loss);

class Spool {
 public:
  struct Options {
    uint64_t max_bytes = 256ULL << 20;  // of payload
    bool power_safe = false;            // fsync each append
    std::string boot_id = {};           // of this machine; empty: the kernel's
  };
  // What is larger is not kept but counted as lost: the collector would refuse it.
  static constexpr size_t kMaxItemBytes = 1 << 20;

  static absl::StatusOr<std::unique_ptr<Spool>> open(const std::filesystem::path& file,
                                                     Options options);
  // Moves the damaged file aside and begins a new one in its place. When that fails, `spool` stays
  // as it was, for another try.
  static absl::Status replace(std::unique_ptr<Spool>& spool);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  ~Spool();

  const std::string& epoch() const { return epoch_; }
  const std::filesystem::path& damaged_file() const { return damaged_file_; }

  // All or none. Fills in the sequences. When the spool is then too large, the oldest of the least
  // severe items go, which may be the new ones.
  absl::Status append(std::vector<SpoolItem>& items);
  // Takes `count` sequences for items that were lost on their way here, so that whoever receives
  // the next one sees which are missing. They are not in take_loss(): the caller knows of them.
  absl::StatusOr<SpoolLoss> skip(uint64_t count);
  // Ascending, from the first sequence >= `sequence`; at least one item whatever `max_bytes` says.
  absl::StatusOr<std::vector<SpoolItem>> read_from(uint64_t sequence, size_t limit,
                                                   size_t max_bytes) const;
  // Forgets everything up to `sequence`.
  absl::Status acknowledge(uint64_t sequence);

  // Keeps the items, under a new epoch and numbered from 1. For when the collector knows sequences
  // that this file never gave out: the file is older than its epoch (restored from a copy). open()
  // does it by itself when the machine has booted since.
  absl::Status renew_epoch();

  // What was dropped since the last call (count 0: nothing). Survives a crash: a loss is told again
  // after the next open() unless something appended after this call was acknowledged.
  absl::StatusOr<SpoolLoss> take_loss();

  uint64_t first_sequence() const { return first_; }  // 0: empty
  uint64_t last_sequence() const { return last_; }    // given so far, also when acknowledged
  uint64_t bytes() const { return state_.bytes; }
  uint64_t count() const { return state_.count; }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  Spool(sqlite3* db, std::filesystem::path file, Options options)
      : db_(db), file_(std::move(file)), options_(std::move(options)) {}
  absl::Status load();
  absl::Status check_integrity() const;
  absl::Status load_head();
  absl::Status load_contents();
  absl::Status renumber(const std::vector<uint64_t>& sequences, const std::string& epoch);
  absl::Status prepare();
  absl::StatusOr<Statement> compile(const char* sql) const;
  absl::Status execute(const char* sql) const;
  absl::Status error(const char* what) const;
  absl::Status insert(std::vector<SpoolItem>& items, uint64_t& sequence);
  absl::Status make_room();
  absl::Status write_head(uint64_t last) const;
  absl::Status refresh_first();

  // What a transaction changes besides the file; put back when it fails.
  struct State {
    uint64_t bytes = 0, count = 0;
    SpoolLoss fresh, reported;  // reported: taken, and the acknowledgement not seen yet
    uint64_t reported_at = 0;   // the last sequence when it was taken
  };

  sqlite3* db_;
  const std::filesystem::path file_;
  Options options_;
  std::string epoch_;
  std::filesystem::path damaged_file_;
  bool other_boot_ = false;
  uint64_t first_ = 0, last_ = 0;
  State state_;
  Statement insert_, select_, delete_up_to_, sum_up_to_, oldest_least_, delete_one_, first_left_,
      set_head_;
};

}  // namespace picket
