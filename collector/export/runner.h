// Brings stored alerts to one output, in the order in which they were stored, each at least once.
// Its own thread reads the store, sends, and moves a cursor that the store keeps: behind what the
// destination has acknowledged. Ingest never waits for it. Of several collectors on one database
// one sends, the others stand by. Errors: a destination that does not take an alert is tried again,
// ever more slowly and for ever; one that refuses it for good is counted.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "collector/export/output.h"
#include "collector/export/output_filter.h"
#include "collector/store/writer.h"
#include "common/clock.h"
#include "common/metrics.h"

namespace picket {

class OutputRunner {
 public:
  struct Options {
    std::string name = {};
    std::string kind = {};  // for people
    OutputFilter filter = {};
    bool from_oldest = false;
    // What is in memory at a time, at most (one alert may be larger).
    size_t page_alerts = 64, page_bytes = 4U << 20;
    // After a failure, doubling, with a random half.
    std::chrono::milliseconds first_backoff{200}, last_backoff{60'000};
    // Between an acknowledgement and its note in the store: what may come twice after a crash.
    std::chrono::milliseconds commit_after{500};
    // Somebody else may store, too.
    std::chrono::milliseconds look_again{5'000};
    // While another collector has the turn.
    std::chrono::milliseconds stand_by{1'000};
    std::function<double()> random = {};  // 0..1
  };

  // All outlive it.
  OutputRunner(Options options, std::unique_ptr<Output> output, Store& store, Writer& writer,
               const Clock& clock, MetricRegistry& registry);
  ~OutputRunner();

  // After the writer's.
  void start();
  // Before the writer's: what was acknowledged is noted.
  void stop();
  void ask_to_stop();  // without waiting for it

  // From any thread: alerts up to `row` are stored.
  void wake(uint64_t row);
  v1::OutputHealth health() const;

 private:
  using Steady = std::chrono::steady_clock;

  void loop(const std::stop_token& stop);
  absl::Status step(const std::stop_token& stop);
  absl::Status deliver(const std::stop_token& stop);
  void leave(v1::OutputPlace place);
  absl::Status begin();
  absl::Status read_page();
  absl::Status send(const std::stop_token& stop);
  void pass(const Taken& taken);
  void recover();
  absl::Status note_cursor();
  bool is_note_due() const;
  void fail(const absl::Status& status, const std::stop_token& stop);
  void wait(std::chrono::milliseconds most, const std::stop_token& stop, bool for_alerts);

  const Options options_;
  const std::unique_ptr<Output> output_;
  const std::unique_ptr<OutputTurn> turn_;
  const Store& store_;
  Writer& writer_;
  const Clock& clock_;
  Counter& delivered_;
  Counter& refused_;
  Counter& failures_;

  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::atomic<uint64_t> newest_{0};    // row
  std::atomic<uint64_t> passed_{0};    // row: all up to here are dealt with
  std::atomic<uint64_t> waits_ns_{0};  // since then the oldest one waits; 0: none does

  // The thread's own.
  std::unique_ptr<StoreReader> reader_;
  bool begun_ = false;                // and the turn is held
  uint64_t noted_ = 0;                // row, in the store
  Steady::time_point unnoted_since_;  // when `passed_` went ahead of it
  std::vector<StoredAlert> page_;
  size_t position_ = 0;    // of the next one in page_
  uint64_t page_end_ = 0;  // row, with what the filter has left out
  unsigned failed_ = 0;    // in a row

  mutable std::mutex health_mutex_;
  v1::OutputHealth health_;

  std::jthread thread_;  // last: ends first
};

}  // namespace picket
