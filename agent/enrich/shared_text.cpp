#include "agent/enrich/shared_text.h"

#include <cstring>
#include <functional>
#include <new>

namespace picket {

SharedText::SharedText(std::string_view text) {
  if (text.empty()) return;
  void* memory = ::operator new(sizeof(Body) + text.size());
  body_ = new (memory) Body{1, static_cast<uint32_t>(text.size())};
  std::memcpy(static_cast<char*>(memory) + sizeof(Body), text.data(), text.size());
}

void SharedText::drop() {
  if (body_ == nullptr || body_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  body_->~Body();
  ::operator delete(body_);
}

SharedText TextCache::share(std::string_view text) {
  if (text.empty() || slots_.empty()) return SharedText(text);
  SharedText& slot = slots_[std::hash<std::string_view>{}(text) % slots_.size()];
  if (slot != text) slot = SharedText(text);
  return slot;
}

}  // namespace picket
