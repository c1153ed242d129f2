#include "agent/detect/rule/source_text.h"

#include <algorithm>
#include <utility>

namespace picket::rule {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

size_t offset_of(std::string_view text, Position position) {
  size_t offset = 0;
  for (int line = 1; line < position.line; ++line) {
    const size_t end = text.find('\n', offset);
    if (end == std::string_view::npos) return text.size();
    offset = end + 1;
  }
  return std::min(text.size(), offset + static_cast<size_t>(position.column - 1));
}

Position position_of(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const size_t newline = before.rfind('\n');
  const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(offset - line_start) + 1};
}

// Skips an anchor or a tag in front of the scalar's own text.
size_t skip_properties(std::string_view text, size_t offset) {
  while (offset < text.size() && (text[offset] == '&' || text[offset] == '!')) {
    while (offset < text.size() && !is_blank(text[offset])) ++offset;
    while (offset < text.size() && is_blank(text[offset])) ++offset;
  }
  return offset;
}

// One unit of the scalar as written: where it starts, where it ends, and how many non-blank bytes
// YAML makes of it.
struct Unit {
  size_t start, end;
  size_t bytes;
};

Unit double_quoted_escape(std::string_view text, size_t offset) {
  if (offset + 1 >= text.size()) return {offset, text.size(), 1};
  switch (text[offset + 1]) {
    case 'n':
    case 'r':
    case 't':
    case ' ':
    case '\t':
    case '\n':
    case '\r':
      return {offset, offset + 2, 0};
    case 'x':
      return {offset, std::min(text.size(), offset + 4), 1};
    case 'N':
    case '_':
      return {offset, offset + 2, 2};
    case 'L':
    case 'P':
      return {offset, offset + 2, 3};
    default:
      return {offset, offset + 2, 1};
  }
}

// Walks over the scalar. Folding and indentation change blanks only, so counting the other bytes
// leads back to the source.
class Walk {
 public:
  Walk(std::string_view text, size_t offset) : text_(text), offset_(skip_properties(text, offset)) {
    if (offset_ >= text_.size()) return;
    const char first = text_[offset_];
    if (first == '|' || first == '>') {
      offset_ = std::min(text_.size(), text_.find('\n', offset_));
    } else if (first == '"' || first == '\'') {
      quote_ = first;
      ++offset_;
    }
  }

  Unit next() {
    while (offset_ < text_.size() && is_blank(text_[offset_])) ++offset_;
    Unit unit{offset_, offset_ + 1, 1};
    if (offset_ >= text_.size()) return {text_.size(), text_.size(), 0};
    if (quote_ == '\'' && text_.substr(offset_, 2) == "''") unit.end = offset_ + 2;
    if (quote_ == '"' && text_[offset_] == '\\') unit = double_quoted_escape(text_, offset_);
    offset_ = unit.end;
    return unit;
  }

  bool at_end() const { return offset_ >= text_.size(); }

 private:
  std::string_view text_;
  size_t offset_;
  char quote_ = 0;
};

}  // namespace

void SourceText::append(SourceText more) {
  value += ' ';
  value += more.value;
  appended.push_back(std::move(more));
}

size_t SourceText::own_size() const {
  size_t size = value.size();
  for (const SourceText& more : appended) size -= more.value.size() + 1;
  return size;
}

Place SourceText::at(size_t offset) const {
  size_t end = own_size();
  if (offset <= end || appended.empty()) return {file, own_position(offset)};
  for (const SourceText& more : appended) {
    const size_t begin = end + 1;
    end = begin + more.value.size();
    if (offset <= end) return more.at(offset - begin);
  }
  return appended.back().at(appended.back().value.size());
}

Position SourceText::own_position(size_t offset) const {
  if (file == nullptr) return start;
  const std::string_view own = std::string_view(value).substr(0, own_size());
  offset = std::min(offset, own.size());
  const bool on_blank = offset == own.size() || is_blank(own[offset]);
  const auto before = static_cast<size_t>(
      std::ranges::count_if(own.substr(0, offset), [](char c) { return !is_blank(c); }));
  // A blank is named by the position behind the byte in front of it.
  size_t wanted = on_blank ? before : before + 1;
  if (wanted == 0) return start;
  Walk walk(file->text, offset_of(file->text, start));
  while (!walk.at_end()) {
    const Unit unit = walk.next();
    if (unit.bytes >= wanted) return position_of(file->text, on_blank ? unit.end : unit.start);
    wanted -= unit.bytes;
  }
  return start;
}

}  // namespace picket::rule
