#include "collector/export/runner.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "common/alert_json.h"

namespace picket {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kPatience = 3;  // failures in a row, as the wait after them is

std::string text_of(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

OutputRunner::OutputRunner(Options options, std::unique_ptr<Output> output, Store& store,
                           Writer& writer, const Clock& clock, MetricRegistry& registry)
    : options_(std::move(options)),
      output_(std::move(output)),
      turn_(store.output_turn(options_.name)),
      store_(store),
      writer_(writer),
      clock_(clock),
      delivered_(registry.counter("picket_output_delivered_total",
                                  "Alerts that the output's destination has acknowledged",
                                  {"output", options_.name})),
      refused_(registry.counter("picket_output_refused_total",
                                "Alerts that the output's destination will not have, now or later",
                                {"output", options_.name})),
      failures_(registry.counter("picket_output_failures_total",
                                 "Tries to deliver that failed and are repeated",
                                 {"output", options_.name})) {
  health_.set_name(options_.name);
  health_.set_kind(options_.kind);
}

OutputRunner::~OutputRunner() { stop(); }

void OutputRunner::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
}

void OutputRunner::ask_to_stop() { thread_.request_stop(); }

void OutputRunner::stop() {
  ask_to_stop();
  if (thread_.joinable()) thread_.join();
}

void OutputRunner::wake(uint64_t row) {
  {
    const std::lock_guard lock(mutex_);  // else the thread may look before and sleep after
    newest_ = std::max(newest_.load(), row);
  }
  woken_.notify_all();
}

v1::OutputHealth OutputRunner::health() const {
  v1::OutputHealth health;
  {
    const std::lock_guard lock(health_mutex_);
    health = health_;
  }
  health.set_delivered(delivered_.value());
  health.set_refused(refused_.value());
  const uint64_t newest = newest_, passed = passed_, waits_ns = waits_ns_;
  if (health.place() != v1::OUTPUT_PLACE_HERE) return health;  // whoever runs it knows
  health.set_lag_alerts(newest > passed ? newest - passed : 0);
  const uint64_t now_ns = clock_.wall_ns();
  if (waits_ns != 0 && now_ns > waits_ns)
    health.set_lag_seconds((now_ns - waits_ns) / 1'000'000'000U);
  return health;
}

void OutputRunner::loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (const absl::Status status = step(stop); !status.ok()) fail(status, stop);
  }
  if (const absl::Status status = note_cursor(); !status.ok())
    spdlog::warn("output {}: what was delivered last comes again: {}", options_.name,
                 text_of(status));
}

// One thing at a time, so that nothing is sent long after the turn was found to be held.
absl::Status OutputRunner::step(const std::stop_token& stop) {
  const auto held = turn_->hold();
  if (!held.ok()) {
    leave(v1::OUTPUT_PLACE_UNSPECIFIED);
    // The server is asked often: nobody sends until one has the turn.
    failed_ = std::min(failed_, kPatience);
    return held.status();
  }
  if (*held) return begun_ ? deliver(stop) : begin();
  leave(v1::OUTPUT_PLACE_ELSEWHERE);
  recover();
  wait(options_.stand_by, stop, false);
  return absl::OkStatus();
}

absl::Status OutputRunner::deliver(const std::stop_token& stop) {
  if (position_ == page_.size()) {
    if (absl::Status status = read_page(); !status.ok()) return status;
  } else if (absl::Status status = send(stop); !status.ok()) {
    return status;
  }
  if (is_note_due()) return note_cursor();
  if (position_ < page_.size() || newest_ > passed_) return absl::OkStatus();
  recover();  // what could not be read before was nothing for this output
  wait(noted_ == passed_ ? options_.look_again : options_.commit_after, stop, true);
  return absl::OkStatus();
}

// What was sent and not noted comes again, from here or from another collector.
void OutputRunner::leave(v1::OutputPlace place) {
  if (begun_)
    spdlog::warn("output {}: this collector does not run it any more, {} rows on from its cursor",
                 options_.name, passed_ - noted_);
  begun_ = false;
  page_.clear();
  position_ = 0;
  waits_ns_ = 0;
  const std::lock_guard lock(health_mutex_);
  health_.set_place(place);
}

absl::Status OutputRunner::begin() {
  auto reader = store_.reader();
  if (!reader.ok()) return reader.status();
  const auto newest = (*reader)->newest_row();
  if (!newest.ok()) return newest.status();
  const auto cursor = (*reader)->output_cursor(options_.name);
  if (!cursor.ok()) return cursor.status();
  const uint64_t row = *cursor ? **cursor : options_.from_oldest ? 0 : *newest;
  reader_ = *std::move(reader);
  page_end_ = noted_ = row;
  passed_ = row;
  wake(*newest);
  // From now on nothing may be missed, whatever happens before the first delivery.
  if (!*cursor) {
    absl::Status status =
        writer_.run_and_wait([&](Store& /*store*/) { return turn_->set_cursor(row); });
    if (!status.ok()) return status;
  }
  begun_ = true;
  spdlog::info("output {}: runs here, from row {} on", options_.name, row);
  const std::lock_guard lock(health_mutex_);
  health_.set_place(v1::OUTPUT_PLACE_HERE);
  return absl::OkStatus();
}

absl::Status OutputRunner::read_page() {
  if (!reader_) {
    auto reader = store_.reader();
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
  }
  const uint64_t announced = newest_;  // and committed before
  auto page = reader_->alerts_after(passed_, options_.page_alerts, options_.page_bytes);
  if (!page.ok()) {
    reader_.reset();
    return page.status();
  }
  page_ = *std::move(page);
  position_ = 0;
  if (page_.empty()) {
    waits_ns_ = 0;
    passed_ = std::max(passed_.load(), announced);  // what is not there any more
    return absl::OkStatus();
  }
  page_end_ = page_.back().row;
  waits_ns_ = wall_ns(page_.front().alert.stored());
  wake(page_end_);
  std::erase_if(page_, [&](const StoredAlert& one) { return !options_.filter.matches(one.alert); });
  if (page_.empty()) pass({});
  return absl::OkStatus();
}

absl::Status OutputRunner::send(const std::stop_token& stop) {
  auto taken = output_->send(std::span(page_).subspan(position_), stop);
  if (!taken.ok()) return taken.status();
  pass(*taken);
  return absl::OkStatus();
}

void OutputRunner::pass(const Taken& taken) {
  delivered_.add(taken.alerts - taken.refused);
  refused_.add(taken.refused);
  const size_t before = position_;
  position_ += taken.alerts;
  if (noted_ == passed_) unnoted_since_ = Steady::now();
  passed_ = position_ == page_.size() ? page_end_ : page_[position_ - 1].row;
  waits_ns_ = position_ < page_.size() ? wall_ns(page_[position_].alert.stored()) : 0;
  if (taken.refused > 0)
    spdlog::warn("output {}: {} of the alerts from {} on refused for good: {}", options_.name,
                 taken.refused, page_[before].alert.id(), taken.why);
  if (taken.alerts == 0) return;
  recover();
  const std::lock_guard lock(health_mutex_);
  set_wall_ns(*health_.mutable_last_delivery(), clock_.wall_ns());
  if (taken.refused == 0) return;
  health_.set_last_error(taken.why);
  set_wall_ns(*health_.mutable_last_error_time(), clock_.wall_ns());
}

void OutputRunner::recover() {
  if (failed_ == 0) return;
  failed_ = 0;
  spdlog::info("output {}: works again", options_.name);
  const std::lock_guard lock(health_mutex_);
  health_.set_failing(false);
}

bool OutputRunner::is_note_due() const {
  return noted_ != passed_ && Steady::now() - unnoted_since_ >= options_.commit_after;
}

absl::Status OutputRunner::note_cursor() {
  const uint64_t row = passed_;
  if (!begun_ || noted_ == row) return absl::OkStatus();
  absl::Status status =
      writer_.run_and_wait([&](Store& /*store*/) { return turn_->set_cursor(row); });
  if (status.ok()) noted_ = row;
  return status;
}

void OutputRunner::fail(const absl::Status& status, const std::stop_token& stop) {
  if (stop.stop_requested()) return;
  if (const absl::Status noted = note_cursor(); !noted.ok())
    spdlog::debug("output {}: {}", options_.name, text_of(noted));
  failures_.add();
  if (failed_ == 0)
    spdlog::warn("output {}: {}", options_.name, text_of(status));
  else
    spdlog::debug("output {}: {}", options_.name, text_of(status));
  {
    const std::lock_guard lock(health_mutex_);
    health_.set_failing(true);
    health_.set_last_error(text_of(status));
    set_wall_ns(*health_.mutable_last_error_time(), clock_.wall_ns());
  }
  const auto full =
      std::min(options_.last_backoff, options_.first_backoff * (1 << std::min(failed_, 20U)));
  const double jitter = options_.random ? options_.random() : 0.0;
  ++failed_;
  wait(milliseconds(static_cast<int64_t>(static_cast<double>(full.count()) * (1.0 - jitter / 2))),
       stop, false);
}

void OutputRunner::wait(milliseconds most, const std::stop_token& stop, bool for_alerts) {
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, stop, most, [&] { return for_alerts && newest_ > passed_; });
}

}  // namespace picket
