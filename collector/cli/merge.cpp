#include "collector/cli/merge.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace picket {
namespace {

constexpr size_t kAhead = 256;  // so many rows a source may be ahead of the reader

struct Shared {
  std::mutex mutex;
  std::condition_variable brought, taken;
  bool enough = false;
  uint64_t arrivals = 0;
};

// One source and what it brought; everything in it is Shared's mutex's.
class Lane final : public RowSink {
 public:
  explicit Lane(Shared& all) : all_(all) {}

  bool add(Row row) override {
    std::unique_lock lock(all_.mutex);
    all_.taken.wait(lock, [&] { return rows_.size() < kAhead || all_.enough; });
    if (all_.enough) return false;
    rows_.emplace_back(++all_.arrivals, std::move(row));
    all_.brought.notify_one();
    return true;
  }
  void note(std::string words) override {
    const std::lock_guard lock(all_.mutex);
    notes_.push_back(std::move(words));
    all_.brought.notify_one();
  }
  void finish(absl::Status status) {
    const std::lock_guard lock(all_.mutex);
    ended_ = std::move(status);
    all_.brought.notify_one();
  }

  bool has_row() const { return !rows_.empty(); }
  bool may_bring_more() const { return !ended_ && !told_; }
  uint64_t key(bool by_time) const {
    const auto& [arrival, row] = rows_.front();
    return by_time ? row.time_ns : arrival;
  }
  bool told() const { return told_; }

  Row take_row() {
    Row row = std::move(rows_.front().second);
    rows_.pop_front();
    all_.taken.notify_all();
    return row;
  }
  std::optional<std::string> take_note() {
    if (notes_.empty()) return std::nullopt;
    std::string words = std::move(notes_.front());
    notes_.pop_front();
    return words;
  }
  // Once, when all it brought has been taken.
  std::optional<absl::Status> take_end() {
    if (!ended_ || has_row()) return std::nullopt;
    told_ = true;
    return std::exchange(ended_, std::nullopt);
  }

 private:
  Shared& all_;
  std::deque<std::pair<uint64_t, Row>> rows_;  // by their arrival
  std::deque<std::string> notes_;
  std::optional<absl::Status> ended_;
  bool told_ = false;
};

struct Taken {
  size_t source;
  std::variant<Row, std::string, absl::Status> what;
};

class Merge {
 public:
  Merge(const std::vector<RowSource>& sources, bool by_time)
      : sources_(sources), by_time_(by_time) {
    for (size_t i = 0; i < sources.size(); ++i) lanes_.emplace_back(all_);
    for (size_t i = 0; i < sources.size(); ++i)
      threads_.emplace_back([this, i] { lanes_[i].finish(sources_[i].run(lanes_[i])); });
  }
  ~Merge() {
    for (std::thread& thread : threads_) thread.join();
  }
  Merge(const Merge&) = delete;
  Merge& operator=(const Merge&) = delete;

  // nullopt: that was all.
  std::optional<Taken> next() {
    std::unique_lock lock(all_.mutex);
    for (;;) {
      if (auto taken = take()) return taken;
      if (std::ranges::all_of(lanes_, &Lane::told)) return std::nullopt;
      all_.brought.wait(lock);
    }
  }
  void stop() {
    {
      const std::lock_guard lock(all_.mutex);
      all_.enough = true;
      all_.taken.notify_all();
    }
    for (const RowSource& source : sources_) source.cancel();
  }

 private:
  std::optional<Taken> take() {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (auto words = lanes_[i].take_note()) return Taken{i, *std::move(words)};
      if (auto status = lanes_[i].take_end()) return Taken{i, *std::move(status)};
    }
    std::optional<size_t> first;
    for (size_t i = 0; i < lanes_.size(); ++i) {
      const Lane& lane = lanes_[i];
      // What it brings next may be older than what the others have.
      if (!lane.has_row() && by_time_ && lane.may_bring_more()) return std::nullopt;
      if (lane.has_row() && (!first || lane.key(by_time_) < lanes_[*first].key(by_time_)))
        first = i;
    }
    if (!first) return std::nullopt;
    return Taken{*first, lanes_[*first].take_row()};
  }

  const std::vector<RowSource>& sources_;
  const bool by_time_;
  Shared all_;
  std::deque<Lane> lanes_;
  std::vector<std::thread> threads_;
};

}  // namespace

void merge_rows(const std::vector<RowSource>& sources, const MergeOptions& options,
                const RowReader& reader) {
  Merge merge(sources, options.by_time);
  std::deque<std::pair<size_t, Row>> newest;
  while (auto taken = merge.next()) {
    const size_t source = taken->source;
    if (auto* words = std::get_if<std::string>(&taken->what)) {
      reader.note(source, *words);
    } else if (auto* status = std::get_if<absl::Status>(&taken->what)) {
      reader.end(source, *status);
    } else if (auto& row = std::get<Row>(taken->what); options.newest != 0) {
      newest.emplace_back(source, std::move(row));
      if (newest.size() > options.newest) newest.pop_front();
    } else if (!reader.row(source, row)) {
      return merge.stop();
    }
  }
  for (auto& [source, row] : newest)
    if (!reader.row(source, row)) return;
}

}  // namespace picket
