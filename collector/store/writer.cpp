#include "collector/store/writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>

namespace picket {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kIdle{60'000};

bool is_urgent(const v1::Batch& batch) {
  return std::any_of(batch.envelopes().begin(), batch.envelopes().end(), [](const auto& envelope) {
    return envelope.has_alert() || envelope.has_result();
  });
}

}  // namespace

Writer::Writer(Store& store, Options options, MetricRegistry& registry)
    : store_(store),
      options_(options),
      queue_(options.queue),
      commit_seconds_(registry.histogram("picket_store_commit_seconds",
                                         "Time of one commit, with its wait for the disk",
                                         {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2})),
      commit_rows_(registry.histogram("picket_store_commit_rows", "Envelopes in one commit",
                                      {1, 2, 5, 10, 50, 100, 500, 1000})),
      failures_(
          registry.counter("picket_store_commit_failures_total",
                           "Batches that could not be stored; their senders keep and resend them")),
      refused_(registry.counter("picket_store_queue_refused_total",
                                "Writes refused because the writer's queue was full")) {}

Writer::~Writer() { stop(); }

void Writer::start() {
  thread_ = std::thread([this] { loop(); });
}

void Writer::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

bool Writer::submit(NodeBatch batch, Committed done) {
  if (queue_.push(Pending{std::move(batch), std::move(done)})) return true;
  refused_.add();
  return false;
}

bool Writer::run(Task task) {
  if (queue_.push(std::move(task))) return true;
  refused_.add();
  return false;
}

absl::Status Writer::run_and_wait(const std::function<absl::Status(Store&)>& task) {
  std::promise<absl::Status> promise;
  std::future<absl::Status> answer = promise.get_future();
  if (!run([&](Store& store) { promise.set_value(task(store)); })) {
    return absl::ResourceExhaustedError("write to the store: too many writes are waiting");
  }
  return answer.get();
}

milliseconds Writer::patience() const {
  if (batches_.empty()) return kIdle;
  if (urgent_) return milliseconds(0);
  const auto left = oldest_ + options_.max_wait - Clock::now();
  return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(left));
}

void Writer::loop() {
  while (true) {
    auto job = queue_.pop(patience());
    if (!job) {
      commit_gathered();
      if (queue_.finished()) return;
      continue;
    }
    if (Task* task = std::get_if<Task>(&*job)) {
      commit_gathered();
      (*task)(store_);
      continue;
    }
    Pending& pending = std::get<Pending>(*job);
    if (batches_.empty()) oldest_ = Clock::now();
    rows_ += static_cast<size_t>(pending.batch.batch.envelopes_size());
    urgent_ = urgent_ || is_urgent(pending.batch.batch);
    batches_.push_back(std::move(pending.batch));
    senders_.push_back(std::move(pending.done));
    if (rows_ >= options_.max_rows) commit_gathered();
  }
}

void Writer::announce(const CommitOutcome& outcome) {
  for (const Listener& listener : listeners_) listener(outcome);
}

void Writer::commit_gathered() {
  if (batches_.empty()) return;
  const auto start = Clock::now();
  const auto outcome = store_.commit(batches_);
  commit_seconds_.observe(std::chrono::duration<double>(Clock::now() - start).count());
  commit_rows_.observe(static_cast<double>(rows_));
  if (outcome.ok()) {
    announce(*outcome);
    for (size_t i = 0; i < senders_.size(); ++i) senders_[i](outcome->committed[i]);
  } else {
    spdlog::warn("commit of {} batches failed: {}", batches_.size(), outcome.status().ToString());
    // One batch that cannot be stored must not hold up the others.
    for (size_t i = 0; i < batches_.size(); ++i) commit_one(batches_[i], senders_[i]);
  }
  batches_.clear();
  senders_.clear();
  rows_ = 0;
  urgent_ = false;
}

void Writer::commit_one(const NodeBatch& batch, const Committed& done) {
  const auto outcome = store_.commit({&batch, 1});
  if (!outcome.ok()) {
    failures_.add();
    spdlog::error("an envelope batch of {} could not be stored: {}", batch.node,
                  outcome.status().ToString());
    done(outcome.status());
    return;
  }
  announce(*outcome);
  done(outcome->committed.front());
}

}  // namespace picket
