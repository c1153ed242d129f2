#include "agent/detect/rule/load_report.h"

#include <fmt/format.h>

#include "common/printable.h"

namespace picket {

std::string Diagnostic::text() const {
  if (line == 0) return printable(fmt::format("{}: {}", file, message));
  return printable(fmt::format("{}:{}:{}: {}", file, line, column, message));
}

std::string LoadReport::error_text() const {
  std::string text;
  for (const Diagnostic& error : errors) {
    if (!text.empty()) text += '\n';
    text += error.text();
  }
  return text;
}

}  // namespace picket
