// The uplink with a stand-in for the stream: no gRPC, whose own synchronisation ThreadSanitizer
// cannot see, so that a race of ours shows.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "agent/uplink/uplink.h"

namespace picket {
namespace {

// What the collector has committed; outlives the streams.
struct Committed {
  std::mutex mutex;
  uint64_t last = 0;
  std::map<std::string, int> times;
  int streams = 0;
};

// A thread plays gRPC and the collector: it commits, acknowledges, and breaks after some writes.
class PlayedStream final : public Stream {
 public:
  PlayedStream(Committed& committed, Outbox& outbox, int writes)
      : committed_(committed), outbox_(outbox), writes_left_(writes), thread_([this] { play(); }) {}
  ~PlayedStream() override { thread_.join(); }

  void write(const v1::ConnectRequest& request) override {
    note([&] { requests_.push_back(request); });
  }
  void cancel() override {
    note([&] { cancelled_ = true; });
  }
  void release() override {
    note([&] { released_ = true; });
  }

 private:
  template <class Change>
  void note(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  void play() {
    std::unique_lock lock(mutex_);
    while (writes_left_-- > 0) {
      changed_.wait(lock, [&] { return cancelled_ || !requests_.empty(); });
      if (cancelled_) break;
      const v1::ConnectRequest request = std::move(requests_.front());
      requests_.pop_front();
      lock.unlock();
      outbox_.report(StreamWritten{});
      outbox_.report(commit(request));
      lock.lock();
    }
    outbox_.report(StreamBroken{});
    changed_.wait(lock, [&] { return released_; });
    outbox_.report(StreamDone{"played"});
  }

  v1::Ack commit(const v1::ConnectRequest& request) {
    const std::lock_guard lock(committed_.mutex);
    for (const v1::Envelope& envelope : request.batch().envelopes()) {
      if (envelope.sequence() <= committed_.last) continue;
      committed_.last = envelope.sequence();
      ++committed_.times[envelope.alert().id()];
    }
    v1::Ack ack;
    ack.set_sequence(committed_.last);
    return ack;
  }

  Committed& committed_;
  Outbox& outbox_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::ConnectRequest> requests_;
  bool cancelled_ = false, released_ = false;
  int writes_left_;
  std::thread thread_;
};

class PlayedStreams final : public StreamFactory {
 public:
  explicit PlayedStreams(Committed& committed) : committed_(committed) {}
  std::unique_ptr<Stream> connect(Outbox& outbox) override {
    int streams = 0;
    {
      const std::lock_guard lock(committed_.mutex);
      streams = ++committed_.streams;
    }
    return std::make_unique<PlayedStream>(committed_, outbox, streams % 5);
  }

 private:
  Committed& committed_;
};

TEST(UplinkThreads, ManyPublishersAndStreamsThatBreak) {
  std::string pattern = (std::filesystem::temp_directory_path() / "picket-threads-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(pattern.data());
  Committed committed;
  {
    auto spool = Spool::open(folder / "spool.db", {});
    ASSERT_TRUE(spool.ok()) << spool.status();
    Uplink::Options options;
    options.batch_items = 10;
    options.first_backoff = options.last_backoff = std::chrono::milliseconds(1);
    MetricRegistry registry;
    Uplink uplink(std::move(*spool), std::make_unique<PlayedStreams>(committed), options, {},
                  registry);
    uplink.start();
    std::vector<std::thread> publishers;
    for (int publisher = 0; publisher < 4; ++publisher) {
      publishers.emplace_back([&, publisher] {
        for (int i = 0; i < 250; ++i) {
          v1::Envelope envelope;
          envelope.mutable_alert()->set_id(std::to_string(publisher) + "-" + std::to_string(i));
          EXPECT_TRUE(uplink.publish(std::move(envelope), static_cast<uint8_t>(i % 9)));
          (void)uplink.connected();
        }
      });
    }
    for (std::thread& publisher : publishers) publisher.join();
    uplink.stop(std::chrono::seconds(60));
  }
  EXPECT_EQ(committed.times.size(), 1000U);
  for (const auto& [id, times] : committed.times) EXPECT_EQ(times, 1) << id;
  EXPECT_GT(committed.streams, 20);
  std::filesystem::remove_all(folder);
}

TEST(UplinkThreads, EndsWithAStreamThatIsInTheMiddleOfSomething) {
  std::string pattern = (std::filesystem::temp_directory_path() / "picket-threads-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(pattern.data());
  for (int round = 0; round < 30; ++round) {
    Committed committed;
    auto spool = Spool::open(folder / "spool.db", {});
    ASSERT_TRUE(spool.ok()) << spool.status();
    MetricRegistry registry;
    Uplink uplink(std::move(*spool), std::make_unique<PlayedStreams>(committed), {}, {}, registry);
    uplink.start();
    for (int i = 0; i < round; ++i) EXPECT_TRUE(uplink.publish({}, 3));
    uplink.stop(std::chrono::milliseconds(0));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace picket
