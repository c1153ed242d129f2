// Envelopes on their way from any thread to the uplink thread, bounded. When it is full the oldest
// of the least severe ones waiting gives way to a more severe one; every loss is counted. Also
// carries what the stream reports. Any thread may call publish() and report(); take() belongs to
// the uplink thread. Errors: a refusal is the return value, never a wait.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "picket/v1/agent.pb.h"

namespace picket {

struct Outgoing {
  v1::Envelope envelope;
  uint8_t priority = 0;  // 0 is the most severe
};

struct StreamWritten {};
struct StreamBroken {};  // no more reads will come
struct StreamDone {
  std::string reason;
};
// A signed set of rules as it came; whether it is worth anything the rules' thread finds out.
struct OfferedRules {
  std::string bundle_id;
  std::string bundle;  // serialized
  bool shadow = false;
};
using StreamReport = std::variant<StreamWritten, StreamBroken, StreamDone, v1::Ack, v1::Command,
                                  OfferedRules, v1::WaiverSet>;

class Outbox {
 public:
  explicit Outbox(size_t capacity) : capacity_(capacity) {}

  bool publish(Outgoing item);       // false: refused
  bool report(StreamReport report);  // false: a command, and too many wait already
  // `value` comes back from take() once everything published before this call was taken, or is
  // counted as lost.
  void checkpoint(uint64_t value);
  void wake();
  void close();  // from now on everything published is refused

  struct Taken {
    std::vector<Outgoing> items;  // in the order they were published
    std::vector<StreamReport> reports;
    std::optional<uint64_t> checkpoint;  // the last one that nothing published before waits for
  };
  // Waits until something is there, wake() was called or `timeout` passed; then takes all reports
  // and at most `limit` items. With limit 0 items do not end the wait.
  Taken take(std::chrono::milliseconds timeout, size_t limit);

  uint64_t lost() const;  // items refused or displaced so far
  uint64_t commands_refused() const;
  size_t depth() const;

 private:
  // The wire's priorities with their zero; what is beyond counts as the last.
  static constexpr size_t kPriorities = 9;
  static constexpr size_t kMaxCommands = 1024;
  static constexpr size_t kMaxCheckpoints = 64;
  struct Waiting {
    uint64_t arrival;
    Outgoing item;
  };
  struct Checkpoint {
    uint64_t arrival;  // of the first item after it
    uint64_t value;
  };
  void take_checkpoints(Taken& taken);

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::array<std::deque<Waiting>, kPriorities> waiting_;
  size_t depth_ = 0;
  uint64_t arrivals_ = 0;
  std::deque<Checkpoint> checkpoints_;
  std::vector<StreamReport> reports_;
  size_t commands_ = 0;  // among reports_
  bool woken_ = false;
  bool closed_ = false;
  uint64_t lost_ = 0;
  uint64_t commands_refused_ = 0;
};

}  // namespace picket
