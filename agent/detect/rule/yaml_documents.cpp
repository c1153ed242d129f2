#include "agent/detect/rule/yaml_documents.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <string_view>

namespace picket::rule {
namespace {

// Remembers where each document begins.
class DocumentStart final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  const YAML::Mark& mark() const { return mark_; }

 private:
  YAML::Mark mark_;
};

bool stands_at(std::string_view text, const YAML::Mark& mark, std::string_view word) {
  for (int line = 0; line < mark.line; ++line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  const auto column = static_cast<size_t>(mark.column);
  return column <= text.size() && text.substr(column).starts_with(word);
}

// Whether every document but the first begins with its marker.
bool check_documents(const SourceFile& file, LoadReport& report) {
  std::istringstream stream(file.text);
  YAML::Parser parser(stream);
  DocumentStart start;
  for (bool first = true; parser.HandleNextDocument(start); first = false) {
    if (first || stands_at(file.text, start.mark(), "---")) continue;
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
  } catch (const YAML::Exception& error) {
    report.errors.push_back({file.name, error.mark.line + 1, error.mark.column + 1,
                             fmt::format("not YAML: {}", error.msg)});
  } catch (const std::exception& error) {
    report.errors.push_back({file.name, 0, 0, fmt::format("not YAML: {}", error.what())});
  }
}

}  // namespace picket::rule
