#include "agent/detect/rule/output_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace picket::rule {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.'; }

class OutputParser {
 public:
  explicit OutputParser(std::string_view text) : text_(text) {
    if (text_.starts_with('*')) ++offset_;
    while (text_.ends_with('\n') || text_.ends_with(' ')) text_.remove_suffix(1);
  }

  std::variant<std::vector<OutputPart>, SyntaxError> parse() {
    OutputPart part;
    while (offset_ < text_.size()) {
      if (text_[offset_] != '%') {
        part.literal += text_[offset_++];
        continue;
      }
      const char next = offset_ + 1 < text_.size() ? text_[offset_ + 1] : '\0';
      if (next == '(' || is_letter(next)) {
        if (!take_field(part, next == '(')) return std::move(error_);
        parts_.push_back(std::move(part));
        part = {};
      } else {
        part.literal += '%';
        offset_ += next == '%' ? 2 : 1;
      }
    }
    if (!part.literal.empty() || parts_.empty()) parts_.push_back(std::move(part));
    return std::move(parts_);
  }

 private:
  bool take_field(OutputPart& part, bool bracketed) {
    offset_ += bracketed ? 2 : 1;
    OutputField field;
    field.offset = offset_;
    while (offset_ < text_.size() && is_name(text_[offset_])) ++offset_;
    // A full stop behind the field ends the sentence.
    while (!bracketed && text_[offset_ - 1] == '.') --offset_;
    field.name = text_.substr(field.offset, offset_ - field.offset);
    if (offset_ < text_.size() && text_[offset_] == '[') {
      const size_t end = text_.find(']', offset_);
      if (end == std::string_view::npos) return fail(offset_, "']' expected after the argument");
      field.argument = std::string(text_.substr(offset_ + 1, end - offset_ - 1));
      offset_ = end + 1;
    }
    if (bracketed) {
      if (offset_ >= text_.size() || text_[offset_] != ')') {
        return fail(offset_, "')' expected after the field");
      }
      ++offset_;
    }
    part.field = std::move(field);
    return true;
  }

  bool fail(size_t offset, std::string message) {
    error_ = {offset, std::move(message)};
    return false;
  }

  std::string_view text_;
  size_t offset_ = 0;
  std::vector<OutputPart> parts_;
  SyntaxError error_;
};

}  // namespace

std::variant<std::vector<OutputPart>, SyntaxError> parse_output(std::string_view text) {
  return OutputParser(text).parse();
}

std::string printable(std::string_view text) {
  constexpr unsigned char kFirstPrintable = 0x20, kDelete = 0x7f;
  std::string clean;
  clean.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < kFirstPrintable || byte == kDelete) {
      fmt::format_to(std::back_inserter(clean), "\\x{:02x}", byte);
    } else {
      clean += c;
    }
  }
  return clean;
}

}  // namespace picket::rule
