// Immutable text that copies share: a forked process has its parent's command line without a second
// copy of it. Any thread may copy and drop its own SharedText; the text itself never changes.
// Nothing fails; an empty text allocates nothing.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace picket {

class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string_view text);  // NOLINT: stands where a string stood
  SharedText(const std::string& text) : SharedText(std::string_view(text)) {}  // NOLINT
  SharedText(const char* text) : SharedText(std::string_view(text)) {}         // NOLINT
  SharedText(const SharedText& other) : body_(other.body_) { hold(); }
  SharedText(SharedText&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  SharedText& operator=(SharedText other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~SharedText() { drop(); }

  std::string_view view() const {
    return body_ ? std::string_view(reinterpret_cast<const char*>(body_ + 1), body_->size)
                 : std::string_view();
  }
  operator std::string_view() const { return view(); }          // NOLINT
  operator std::string() const { return std::string(view()); }  // NOLINT
  bool empty() const { return body_ == nullptr; }
  size_t size() const { return body_ ? body_->size : 0; }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.body_ == b.body_ || a.view() == b.view();
  }
  friend bool operator==(const SharedText& a, std::string_view b) { return a.view() == b; }
  friend bool operator==(const SharedText& a, const std::string& b) { return a.view() == b; }
  friend bool operator==(const SharedText& a, const char* b) { return a.view() == b; }
  friend std::ostream& operator<<(std::ostream& out, const SharedText& text) {
    return out << text.view();
  }

 private:
  struct Body {  // the characters follow it
    std::atomic<uint32_t> references;
    uint32_t size;
  };
  void hold() const {
    if (body_) body_->references.fetch_add(1, std::memory_order_relaxed);
  }
  void drop();

  Body* body_ = nullptr;
};

// Gives equal texts one body, for the texts seen lately: a thousand processes of one program have
// one path. Bounded by its slots, one thread.
class TextCache {
 public:
  explicit TextCache(size_t slots) : slots_(slots) {}
  SharedText share(std::string_view text);

 private:
  std::vector<SharedText> slots_;
};

}  // namespace picket

template <>
struct fmt::formatter<picket::SharedText> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const picket::SharedText& text, Context& context) const {
    return fmt::formatter<std::string_view>::format(text.view(), context);
  }
};
