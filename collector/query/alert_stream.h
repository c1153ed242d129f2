// Sends stored alerts page by page and then, for those who watch, the live ones. The subscription
// begins before the stored part is read: what is stored later than that reading's newest row comes
// live, the rest from the store, so nothing is lost or sent twice at the seam. Owner: gRPC until
// OnDone; workers and the feed hold shares. Errors: end the call with the reason; a watcher who
// does not keep up gets RESOURCE_EXHAUSTED.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "collector/auth/access.h"
#include "collector/query/alert_feed.h"
#include "collector/query/grpc_status.h"
#include "collector/query/worker_pool.h"
#include "collector/store/store.h"
#include "common/watching_metadata.h"
#include "picket/v1/operator.pb.h"

namespace picket {

struct AlertStreamSource {
  const Store& store;
  AlertFeed& feed;
  WorkerPool& workers;
  std::vector<std::string> namespaces = {};  // nothing else is sent; empty: all
  std::function<absl::Status()> admit = {};  // on a worker, before anything is sent
  std::string watcher = {};                  // who
};

AlertQuery alert_query(const v1::AlertFilter& filter);
// Of a live alert. `since` does not count: what comes now is new, whenever it happened.
bool matches(const AlertQuery& query, const v1::Alert& alert);

// The part that knows nothing of gRPC: what to send next.
class AlertSequence {
 public:
  // `after`: of the stored ones those behind this row, in the order of rows.
  AlertSequence(const AlertStreamSource& source, AlertQuery query, bool stored,
                std::shared_ptr<Subscription> live, std::optional<uint64_t> after = std::nullopt)
      : source_(source),
        query_(std::move(query)),
        stored_(stored),
        live_(std::move(live)),
        after_(after) {}

  // On a worker: opens the store, or reads the next page.
  absl::Status load();

  enum class Next { alert, load, wait, end };
  // alert: `alert` and `row` are filled. load: call load() on a worker. wait: a live one will wake
  // us. end: `status` says why.
  Next next(v1::Alert& alert, uint64_t& row, absl::Status& status);
  bool in_order_of_rows() const { return after_.has_value(); }

 private:
  absl::Status open();
  absl::Status load_by_time();
  absl::Status load_by_row();

  const AlertStreamSource source_;
  AlertQuery query_;
  bool stored_;  // more stored ones may come
  const std::shared_ptr<Subscription> live_;
  std::optional<uint64_t> after_;  // moves on
  std::unique_ptr<StoreReader> reader_;
  AlertCursor cursor_;
  uint64_t seam_ = 0;  // rows up to here come from the store
  uint64_t left_ = 0;  // of the limit
  bool opened_ = false;
  std::vector<StoredAlert> page_;
  size_t position_ = 0;
};

template <class Response>
class AlertStream final : public grpc::ServerWriteReactor<Response>,
                          public std::enable_shared_from_this<AlertStream<Response>> {
 public:
  // gRPC owns the returned reactor; `call` outlives it.
  static AlertStream* begin(grpc::CallbackServerContext& call, const AlertStreamSource& source,
                            const v1::AlertFilter& filter, uint64_t limit, bool watch,
                            std::optional<uint64_t> after = std::nullopt) {
    std::shared_ptr<AlertStream> stream(new AlertStream(source));
    const std::lock_guard lock(stream->mutex_);
    stream->self_ = stream;
    stream->start(call, filter, limit, watch, after);
    return stream.get();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ending_) return finish_now(*ending_);
    if (!ok) return finish(grpc::Status::CANCELLED);
    advance();
  }
  void OnCancel() override {
    const std::lock_guard lock(mutex_);
    finish(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    if (live_) source_.feed.unsubscribe(live_);
    std::shared_ptr<AlertStream> self;  // the last share may go only after the lock has
    const std::lock_guard lock(mutex_);
    self.swap(self_);
  }

 private:
  // What a watcher may be behind before it is cut off.
  static constexpr size_t kBacklog = 8192;
  static constexpr size_t kMaxWatchers = 256;

  explicit AlertStream(const AlertStreamSource& source) : source_(source) {}

  void start(grpc::CallbackServerContext& call, const v1::AlertFilter& filter, uint64_t limit,
             bool watch, std::optional<uint64_t> after) {
    if (after && filter.has_since())
      return finish({grpc::StatusCode::INVALID_ARGUMENT, "either `since` or `after`"});
    AlertQuery query = alert_query(filter);
    query.limit = limit;
    query.namespaces = source_.namespaces;
    if (watch) {
      const auto wake = [weak = this->weak_from_this()] {
        if (const auto stream = weak.lock()) {
          const std::lock_guard lock(stream->mutex_);
          stream->advance();
        }
      };
      live_ = std::make_shared<Subscription>(kBacklog, wake, source_.watcher);
      if (source_.feed.subscribers() >= kMaxWatchers) {
        return finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many are watching"});
      }
      if (!source_.feed.subscribe(live_)) {
        return finish({grpc::StatusCode::UNAVAILABLE, "the collector is stopping"});
      }
      // The caller may now act and be sure to see the alert of it. A refused call has metadata too,
      // but not this one.
      call.AddInitialMetadata(kWatchingMetadata, "1");
      this->StartSendInitialMetadata();
    }
    sequence_.emplace(source_, std::move(query), !watch || filter.has_since() || after, live_,
                      after);
    load();
  }

  void load() {
    loading_ = true;
    const bool posted = source_.workers.post([self = self_] {
      const absl::Status status = self->sequence_->load();
      const std::lock_guard lock(self->mutex_);
      self->loading_ = false;
      if (!status.ok()) return self->finish(grpc_status(status));
      self->advance();
    });
    if (posted) return;
    loading_ = false;
    finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many queries are waiting"});
  }

  void advance() {
    if (finished_ || ending_ || writing_ || loading_) return;
    absl::Status status;
    uint64_t row = 0;
    switch (sequence_->next(*response_.mutable_alert(), row, status)) {
      case AlertSequence::Next::alert:
        writing_ = true;
        if constexpr (std::is_same_v<Response, v1::WatchAlertsResponse>)
          response_.set_cursor(sequence_->in_order_of_rows() ? row : 0);
        return this->StartWrite(&response_);
      case AlertSequence::Next::load:
        return load();
      case AlertSequence::Next::wait:
        return;
      case AlertSequence::Next::end:
        return finish(grpc_status(status));
    }
  }

  void finish(grpc::Status status) {
    if (finished_ || ending_) return;
    if (writing_) {
      ending_ = std::move(status);
      return;
    }
    finish_now(std::move(status));
  }
  void finish_now(grpc::Status status) {
    finished_ = true;
    this->Finish(std::move(status));
  }

  const AlertStreamSource source_;
  std::shared_ptr<Subscription> live_;
  std::mutex mutex_;
  std::shared_ptr<AlertStream> self_;  // gRPC's share
  // Used by one at a time: by the worker while loading_, else with the mutex held.
  std::optional<AlertSequence> sequence_;
  Response response_;
  bool writing_ = false, loading_ = false;
  bool finished_ = false;
  std::optional<grpc::Status> ending_;  // waits for the write on its way
};

}  // namespace picket
