#include "agent/app/audit_event.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "absl/time/time.h"

namespace picket {
namespace {

using nlohmann::json;

constexpr size_t kMaxWords = 256;

std::string text_of(const json& object, const char* pointer) {
  const json::json_pointer at(pointer);
  if (!object.contains(at)) return {};
  const auto* text = object.at(at).get_ptr<const std::string*>();
  return text != nullptr ? *text : std::string();
}

std::vector<std::string> texts_of(const json& object, const char* pointer) {
  std::vector<std::string> texts;
  const json::json_pointer at(pointer);
  if (!object.contains(at) || !object.at(at).is_array()) return texts;
  for (const json& one : object.at(at)) {
    const auto* text = one.get_ptr<const std::string*>();
    if (text != nullptr && texts.size() < kMaxWords) texts.push_back(*text);
  }
  return texts;
}

std::string decoded(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const bool coded = text[i] == '%' && i + 2 < text.size() &&
                       std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
                           text.data() + i + 3;
    plain += coded ? static_cast<char>(byte) : text[i] == '+' ? ' ' : text[i];
    if (coded) i += 2;
  }
  return plain;
}

// command=sh&command=-c&container=x of the request's address.
void read_query(std::string_view uri, ApiAccess& access) {
  const size_t mark = uri.find('?');
  std::string_view query = mark == uri.npos ? std::string_view() : uri.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    const size_t equals = part.find('=');
    if (equals == part.npos) continue;
    const std::string_view key = part.substr(0, equals), value = part.substr(equals + 1);
    if (key == "container") access.container = decoded(value);
    if (key == "command" && access.command.size() < kMaxWords)
      access.command.push_back(decoded(value));
  }
}

bool stands(const json& event) {
  const std::string stage = text_of(event, "/stage");
  if (stage != "ResponseStarted" && stage != "ResponseComplete") return false;
  const json::json_pointer code("/responseStatus/code");
  return !event.contains(code) || !event.at(code).is_number_integer() || event.at(code) < 400;
}

}  // namespace

std::optional<uint64_t> wall_ns_of(std::string_view rfc3339) {
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, absl::string_view(rfc3339.data(), rfc3339.size()), &time,
                       nullptr))
    return std::nullopt;
  const int64_t nanoseconds = absl::ToUnixNanos(time);
  if (nanoseconds < 0) return std::nullopt;
  return static_cast<uint64_t>(nanoseconds);
}

absl::StatusOr<std::optional<ApiAccess>> parse_api_access(std::string_view line) {
  const json event = json::parse(line, nullptr, false);
  if (!event.is_object() || text_of(event, "/kind") != "Event" ||
      !text_of(event, "/apiVersion").starts_with("audit.k8s.io/"))
    return absl::InvalidArgumentError("read the Kubernetes audit log: a line is no audit event");
  ApiAccess access;
  access.verb = text_of(event, "/objectRef/subresource");
  const bool ours =
      text_of(event, "/objectRef/resource") == "pods" &&
      (access.verb == "exec" || access.verb == "attach" || access.verb == "portforward");
  if (!ours || !stands(event)) return std::nullopt;
  access.audit_id = text_of(event, "/auditID");
  access.user = text_of(event, "/user/username");
  if (const std::string as = text_of(event, "/impersonatedUser/username"); !as.empty())
    access.user += " as " + as;
  access.groups = texts_of(event, "/user/groups");
  access.client = text_of(event, "/userAgent");
  access.ns = text_of(event, "/objectRef/namespace");
  access.pod = text_of(event, "/objectRef/name");
  if (const auto sources = texts_of(event, "/sourceIPs"); !sources.empty())
    access.source = sources.front();
  read_query(text_of(event, "/requestURI"), access);
  const auto received = wall_ns_of(text_of(event, "/requestReceivedTimestamp"));
  if (access.audit_id.empty() || access.user.empty() || access.pod.empty() || !received)
    return absl::InvalidArgumentError(
        "read the Kubernetes audit log: an event without auditID, user, pod or time");
  access.wall_ns = *received;
  return access;
}

}  // namespace picket
