#include <fmt/format.h>

#include <algorithm>

#include "collector/export/render.h"
#include "common/alert_json.h"
#include "common/printable.h"
#include "common/utf8.h"

namespace picket {
namespace {

// Syslog's severities are Falco's priorities, and ours count from one.
unsigned syslog_severity(v1::Priority priority) {
  const bool known = priority >= v1::PRIORITY_EMERGENCY && priority <= v1::PRIORITY_DEBUG;
  return static_cast<unsigned>(known ? priority : v1::PRIORITY_NOTICE) - 1;
}

unsigned cef_severity(v1::Priority priority) {
  static constexpr unsigned kOf[] = {10, 9, 8, 7, 5, 3, 1, 0};
  return kOf[syslog_severity(priority)];
}

// A header field of RFC 5424: printable ASCII, never empty.
std::string header_field(std::string_view text, size_t most) {
  std::string field(text.substr(0, most));
  for (char& c : field)
    if (c <= ' ' || c >= '\x7f') c = '_';
  return field.empty() ? "-" : field;
}

std::string structured_value(std::string_view text) {
  std::string value;
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == ']') value += '\\';
    value += c;
  }
  return value;
}

std::string escaped(const std::string& text, std::string_view special) {
  std::string out;
  for (const char c : to_utf8(text)) {
    if (c == '\n' || c == '\r') {
      out += special.find('=') == std::string_view::npos ? " " : c == '\n' ? "\\n" : "\\r";
      continue;
    }
    if (c == '\\' || special.find(c) != std::string_view::npos) out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return printable_json(std::move(out));
}
std::string cef_header(const std::string& text) { return escaped(text, "|"); }

class Extension {
 public:
  void add(std::string_view key, const std::string& value) {
    if (value.empty()) return;
    if (!text_.empty()) text_ += ' ';
    text_ += fmt::format("{}={}", key, escaped(value, "="));
  }
  void add(std::string_view key, uint64_t value) { add(key, std::to_string(value)); }
  // A custom field with the name that it shall have at the reader's.
  void add(int number, std::string_view label, const std::string& value) {
    if (value.empty()) return;
    add(fmt::format("cs{}Label", number), std::string(label));
    add(fmt::format("cs{}", number), value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

std::string cef_line(const v1::Alert& alert, std::string_view version) {
  const auto milliseconds = [](const google::protobuf::Timestamp& time) {
    return wall_ns(time) / 1'000'000U;
  };
  Extension extension;
  extension.add("rt", milliseconds(alert.time()));
  extension.add("externalId", alert.id());
  extension.add("dvchost", node_name(alert.node()));
  extension.add("cnt", std::max<uint64_t>(alert.count(), 1));
  extension.add("start", milliseconds(alert.has_first() ? alert.first() : alert.time()));
  extension.add("end", milliseconds(alert.has_last() ? alert.last() : alert.time()));
  extension.add("act", alert.action());
  if (alert.process().pid() != 0) {
    extension.add("spid", alert.process().pid());
    extension.add("sproc", alert.process().cmdline());
    extension.add("suid", alert.process().uid());
    extension.add("filePath", alert.process().exe());
  }
  extension.add(1, "workspace", alert.workspace().name());
  extension.add(2, "workspaceId", alert.workspace().id());
  extension.add(3, "namespace", alert.workspace().pod().namespace_());
  extension.add(4, "owner", alert.workspace().owner());
  extension.add(5, "tags", fmt::format("{}", fmt::join(alert.tags(), ",")));
  extension.add(6, "incident", alert.incident().id());
  extension.add("msg", alert.output());
  return fmt::format("CEF:0|Picket|Picket|{}|{}|{}|{}|{}", cef_header(std::string(version)),
                     cef_header(alert.rule()), cef_header(alert.rule()),
                     cef_severity(alert.priority()), extension.text());
}

std::string syslog_message(const v1::Alert& alert, std::string_view message, uint64_t facility,
                           std::string_view version) {
  const std::string time = time_text(alert.time());  // RFC 5424 takes six digits of fraction
  return fmt::format("<{}>1 {}Z {} picket - alert [origin software=\"Picket\" swVersion=\"{}\"] {}",
                     facility * 8 + syslog_severity(alert.priority()), time.substr(0, 26),
                     header_field(node_name(alert.node()), 255), structured_value(version),
                     message);
}

}  // namespace picket
