#include "agent/detect/rule/yaml_documents.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/detect/rule/load_limits.h"

namespace picket::rule {
namespace {

struct Refused {
  YAML::Mark mark;
  std::string message;
};

struct Size {
  size_t nodes = 0, bytes = 0;
  void add(const Size& other) {
    nodes += other.nodes;
    bytes += other.bytes;
  }
};

// Remembers where each document begins, and counts what it holds with every alias written out:
// then no later step can be made to walk over more than that.
class Measure final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    mark_ = mark;
    open_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(mark, anchor, 0); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& value) override {
    leaf(mark, anchor, value.size());
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) throw Refused{mark, "this alias stands within what it names"};
    add(mark, known->second);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor);
  }
  void OnMapEnd() override { close(); }

  const YAML::Mark& mark() const { return mark_; }

 private:
  struct Open {
    YAML::anchor_t anchor = 0;
    Size size;
    YAML::Mark mark;
  };

  void leaf(const YAML::Mark& mark, YAML::anchor_t anchor, size_t bytes) {
    const Size size{1, bytes};
    if (anchor != 0) anchors_[anchor] = size;
    add(mark, size);
  }
  void open(const YAML::Mark& mark, YAML::anchor_t anchor) {
    open_.push_back({anchor, {1, 0}, mark});
  }
  void close() {
    const Open closed = open_.back();
    open_.pop_back();
    if (closed.anchor != 0) anchors_[closed.anchor] = closed.size;
    add(closed.mark, closed.size);
  }
  void add(const YAML::Mark& mark, const Size& size) {
    Size& outer = open_.empty() ? all_ : open_.back().size;
    outer.add(size);
    if (outer.nodes > kFileNodes) {
      throw Refused{mark, fmt::format("more than {} values, aliases written out", kFileNodes)};
    }
    if (outer.bytes > kFileBytes) {
      throw Refused{mark,
                    fmt::format("more than {} MiB of text, aliases written out", kFileBytes >> 20)};
    }
  }

  YAML::Mark mark_;
  Size all_;  // of every document so far
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Size> anchors_;
};

// Looks at places of a text, each behind the one before: all of them cost one walk over its lines.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  bool stands_at(const YAML::Mark& mark, std::string_view word) {
    for (; line_ < mark.line; ++line_) {
      const size_t end = rest_.find('\n');
      if (end == std::string_view::npos) return false;
      rest_.remove_prefix(end + 1);
    }
    const auto column = static_cast<size_t>(mark.column);
    return column <= rest_.size() && rest_.substr(column).starts_with(word);
  }

 private:
  std::string_view rest_;  // from the start of line_
  int line_ = 0;
};

// Whether every document but the first begins with its marker.
bool check_documents(const SourceFile& file, LoadReport& report) {
  std::istringstream stream(file.text);
  YAML::Parser parser(stream);
  Measure start;
  Lines lines(file.text);
  for (bool first = true; parser.HandleNextDocument(start); first = false) {
    if (first || lines.stands_at(start.mark(), "---")) continue;
    report.errors.push_back({file.name, start.mark().line + 1, start.mark().column + 1,
                             "this belongs to nothing above it; is it indented as it should be?"});
    return false;
  }
  return true;
}

}  // namespace

void for_each_document(const SourceFile& file, LoadReport& report,
                       const std::function<void(const YAML::Node&)>& read) {
  try {
    if (!check_documents(file, report)) return;
    for (const YAML::Node& document : YAML::LoadAll(file.text)) {
      if (!document.IsNull()) read(document);
    }
  } catch (const Refused& refused) {
    report.errors.push_back(
        {file.name, refused.mark.line + 1, refused.mark.column + 1, refused.message});
  } catch (const YAML::Exception& error) {
    report.errors.push_back({file.name, error.mark.line + 1, error.mark.column + 1,
                             fmt::format("not YAML: {}", error.msg)});
  } catch (const std::exception& error) {
    report.errors.push_back({file.name, 0, 0, fmt::format("not YAML: {}", error.what())});
  }
}

}  // namespace picket::rule
