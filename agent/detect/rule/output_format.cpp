#include "agent/detect/rule/output_format.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <utility>

#include "agent/detect/rule/operand.h"

namespace picket::rule {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '.'; }

// Falco's word for who the container is.
constexpr std::string_view kContainerInfo = "container.info";

class OutputParser {
 public:
  explicit OutputParser(std::string_view text) : text_(text) {
    if (text_.starts_with('*')) ++offset_;
    while (text_.ends_with('\n') || text_.ends_with(' ')) text_.remove_suffix(1);
  }

  std::variant<std::vector<OutputPart>, SyntaxError> parse() {
    while (offset_ < text_.size()) {
      if (text_[offset_] != '%') {
        part_.literal += text_[offset_++];
      } else if (const size_t begin = field_begin(); begin == 0) {
        part_.literal += '%';
        offset_ += text_.substr(offset_, 2) == "%%" ? 2 : 1;
      } else if (!take_field(begin)) {
        return std::move(error_);
      }
    }
    if (!part_.literal.empty() || parts_.empty()) parts_.push_back(std::move(part_));
    return std::move(parts_);
  }

 private:
  // Where the field behind this percent sign begins, past a width; 0: there is none.
  size_t field_begin() const {
    size_t at = offset_ + 1;
    while (at < text_.size() && is_digit(text_[at])) ++at;
    const bool begins = at < text_.size() && (text_[at] == '(' || is_letter(text_[at]));
    return begins ? at : 0;
  }

  bool take_field(size_t begin) {
    constexpr uint32_t kWidthMax = 4096;
    const std::string_view digits = text_.substr(offset_ + 1, begin - offset_ - 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), part_.width);
    if (part_.width > kWidthMax) {
      return fail(offset_ + 1, fmt::format("a width up to {} expected", kWidthMax));
    }
    offset_ = begin;
    const bool bracketed = text_[offset_] == '(';
    if (bracketed) ++offset_;
    // The field's own text: a condition's word would go on behind it.
    Lexer lexer(text_.substr(0, field_end(bracketed)));
    lexer.skip(offset_);
    auto operand = take_operand(lexer);
    if (auto* error = std::get_if<SyntaxError>(&operand)) {
      return fail(error->offset, std::move(error->message));
    }
    offset_ = lexer.offset();
    if (bracketed && (offset_ >= text_.size() || text_[offset_++] != ')')) {
      return fail(offset_, "')' expected after the field");
    }
    add(std::get<Operand>(std::move(operand)));
    return true;
  }

  // A full stop or a dash behind the field is the sentence's, brackets belong to it.
  size_t field_end(bool bracketed) const {
    size_t at = offset_;
    while (at < text_.size() && is_name(text_[at])) ++at;
    if (!bracketed && at < text_.size() && text_[at] == '(') return end_of_call(at);
    while (at > offset_ && text_[at - 1] == '.') --at;
    if (at >= text_.size() || text_[at] != '[') return at;
    return end_of_argument(at);
  }

  size_t end_of_call(size_t at) const {
    size_t depth = 0;
    for (; at < text_.size(); ++at) {
      if (text_[at] == '(') ++depth;
      if (text_[at] == ')' && --depth == 0) return at + 1;
    }
    return at;
  }

  size_t end_of_argument(size_t at) const {
    const size_t end = text_.find(']', at);
    return end == text_.npos ? text_.size() : end + 1;
  }

  void add(Operand field) {
    if (field.field != kContainerInfo || !field.transforms.empty()) {
      part_.field = std::move(field);
      parts_.push_back(std::exchange(part_, {}));
      return;
    }
    for (const std::string_view name : {"container.id", "container.name"}) {
      part_.literal += parts_.empty() || name == "container.id" ? "" : " ";
      part_.literal += fmt::format("{}=", name);
      part_.field = field;
      part_.field->field = name;
      parts_.push_back(std::exchange(part_, {}));
    }
  }

  bool fail(size_t offset, std::string message) {
    error_ = {offset, std::move(message)};
    return false;
  }

  std::string_view text_;
  size_t offset_ = 0;
  OutputPart part_;
  std::vector<OutputPart> parts_;
  SyntaxError error_;
};

}  // namespace

std::variant<std::vector<OutputPart>, SyntaxError> parse_output(std::string_view text) {
  return OutputParser(text).parse();
}

}  // namespace picket::rule
