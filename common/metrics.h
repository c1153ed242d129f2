// What a daemon counts about itself, for Prometheus. Counting is safe from every thread and takes
// no lock but a histogram's own; a reference from the registry holds as long as the registry.
// Nothing fails.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace picket {

class Counter {
 public:
  void add(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Histogram {
 public:
  struct Counts {
    std::vector<uint64_t> up_to;  // observations of at most each bound
    uint64_t all = 0;
    double sum = 0;
  };
  explicit Histogram(std::vector<double> bounds);  // rising
  void observe(double value);
  const std::vector<double>& bounds() const { return bounds_; }
  Counts counts() const;

 private:
  const std::vector<double> bounds_;
  mutable std::mutex mutex_;
  Counts counts_;
};

// One series of a metric; without a name there is one series only.
struct MetricLabel {
  std::string name, value;
};

class MetricRegistry {
 public:
  enum class Kind { counter, gauge };
  struct Series {
    MetricLabel label;
    uint64_t value = 0;
  };
  using Ask = std::function<std::vector<Series>()>;

  MetricRegistry() = default;
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  // The same name and label again is the same series.
  Counter& counter(std::string name, std::string help, const MetricLabel& label = {});
  Gauge& gauge(std::string name, std::string help);
  Histogram& histogram(std::string name, std::string help, std::vector<double> bounds);
  // What somebody else counts: asked for when somebody looks, on that thread.
  void ask(std::string name, std::string help, Kind kind, Ask ask);

  // Prometheus' text format, version 0.0.4.
  std::string text() const;

 private:
  struct Family {
    std::string name, help;
    const char* type;
    std::vector<std::function<void(std::string&)>> print;  // each appends its lines
  };
  Family& family(std::string name, std::string help, const char* type);

  mutable std::mutex mutex_;
  std::deque<Family> families_;
  std::map<std::string, Counter, std::less<>> counters_;  // by name and label, as printed
  std::map<std::string, Gauge, std::less<>> gauges_;
  std::map<std::string, Histogram, std::less<>> histograms_;
};

}  // namespace picket
