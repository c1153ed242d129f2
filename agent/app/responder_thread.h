// Carries verdicts out one after the other on a thread of its own. order() may be called by any
// thread; the answer comes from this one, again and again until it is taken. Errors: in the
// Response; order() answers false when too many wait.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "agent/respond/responder.h"
#include "common/bounded_queue.h"

namespace picket {

class ResponderThread {
 public:
  using Answer = std::function<bool(const Response&)>;  // false: not taken

  ResponderThread(Responder& responder, Answer answer)
      : responder_(responder), answer_(std::move(answer)) {}
  ~ResponderThread() { stop(); }

  void start() {
    thread_ = std::thread([this] {
      while (!verdicts_.finished()) {
        // close() wakes it: an idle agent sleeps.
        if (const auto verdict = verdicts_.pop(std::chrono::hours(1)))
          tell(responder_.carry_out(*verdict));
      }
    });
  }
  bool order(Verdict verdict) { return verdicts_.push(std::move(verdict)); }
  void stop() {
    stopping_ = true;
    verdicts_.close();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void tell(const Response& response) {
    constexpr std::chrono::milliseconds kPause{10};
    while (!answer_(response) && !stopping_) std::this_thread::sleep_for(kPause);
  }

  Responder& responder_;
  const Answer answer_;
  BoundedQueue<Verdict> verdicts_{256};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace picket
