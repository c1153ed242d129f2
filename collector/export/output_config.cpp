#include "collector/export/output_config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <set>

#include "absl/status/statusor.h"
#include "common/alert_json.h"
#include "common/tls_files.h"

namespace picket {
namespace {

constexpr uint64_t kFacilities = 24;

absl::StatusOr<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || port == 0)
    return absl::InvalidArgumentError("expected a port from 1 to 65535");
  return port;
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// Of HOST:PORT or [ADDRESS]:PORT; the port may be missing.
absl::Status parse_authority(std::string_view text, std::string& host, uint16_t& port) {
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return absl::InvalidArgumentError("the ] is missing");
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (host.empty()) return absl::InvalidArgumentError("the host is missing");
  if (rest.empty()) return absl::OkStatus();
  if (!rest.starts_with(':')) return absl::InvalidArgumentError("expected HOST:PORT");
  const auto given = parse_port(rest.substr(1));
  if (!given.ok()) return given.status();
  port = *given;
  return absl::OkStatus();
}

void read_url(ConfigReader& section, Url& url) {
  std::string text;
  section.read("url", text);
  auto parsed = Url::parse(text);
  if (!parsed.ok()) return section.fail("url", std::string(parsed.status().message()));
  url = *std::move(parsed);
}

void read_client_tls(ConfigReader section, ClientTls& tls) {
  section.read("ca", tls.ca);
  section.read("cert", tls.cert);
  section.read("key", tls.key);
  if (tls.cert.empty() != tls.key.empty())
    section.fail(tls.cert.empty() ? "cert" : "key", "a certificate and its key belong together");
  section.finish_section();
}

void read_filter(ConfigReader section, OutputFilter& filter) {
  std::string least = "DEBUG";
  section.read("priority", least);
  bool known = false;
  for (int number = v1::PRIORITY_EMERGENCY; number <= v1::PRIORITY_DEBUG; ++number) {
    const auto priority = static_cast<v1::Priority>(number);
    if (priority_name(priority) != least) continue;
    filter.least = priority;
    known = true;
  }
  if (!known) section.fail("priority", "expected a priority, as in WARNING");
  section.read("rules", filter.rules);
  section.read("tags", filter.tags);
  section.read("namespaces", filter.namespaces);
  section.read("workspaces", filter.workspaces);
  section.read("shadow", filter.shadow);
  section.finish_section();
}

// `formats`: those that the kind has, the usual one first.
void read_format(ConfigReader& section, std::vector<std::pair<std::string, AlertFormat>> formats,
                 AlertFormat& format) {
  std::string text = formats.front().first, names;
  section.read("format", text);
  for (const auto& [name, value] : formats) {
    names += names.empty() ? name : ", " + name;
    if (name == text) {
      format = value;
      return;
    }
  }
  section.fail("format", fmt::format("expected one of: {}", names));
}

const std::pair<std::string, AlertFormat> kPicket{"picket", AlertFormat::picket};
const std::pair<std::string, AlertFormat> kFalco{"falco", AlertFormat::falco};
const std::pair<std::string, AlertFormat> kOcsf{"ocsf", AlertFormat::ocsf};
const std::pair<std::string, AlertFormat> kCef{"cef", AlertFormat::cef};

FileTarget read_file_target(ConfigReader& section, AlertFormat& format) {
  FileTarget target;
  read_format(section, {kPicket, kFalco, kOcsf, kCef}, format);
  section.read("path", target.path);
  if (target.path.empty()) section.fail("path", "expected the file to append to");
  return target;
}

HttpTarget read_http_target(ConfigReader& section, AlertFormat& format) {
  HttpTarget target;
  read_format(section, {kPicket, kFalco, kOcsf}, format);
  read_url(section, target.url);
  read_client_tls(section.section("tls"), target.tls);
  section.read("token_file", target.token_file);
  section.read("secret_file", target.secret_file);
  return target;
}

OtlpTarget read_otlp_target(ConfigReader& section) {
  OtlpTarget target;
  read_url(section, target.url);
  read_client_tls(section.section("tls"), target.tls);
  section.read("token_file", target.token_file);
  return target;
}

SyslogTarget read_syslog_target(ConfigReader& section, AlertFormat& format) {
  SyslogTarget target;
  read_format(section, {kPicket, kCef, kOcsf, kFalco}, format);
  std::string address;
  section.read("address", address);
  const absl::Status status = parse_authority(address, target.host, target.port);
  if (!status.ok()) section.fail("address", std::string(status.message()));
  read_client_tls(section.section("tls"), target.tls);
  section.read("facility", target.facility, 0, kFacilities - 1);
  return target;
}

KafkaTarget read_kafka_target(ConfigReader& section, AlertFormat& format) {
  KafkaTarget target;
  read_format(section, {kPicket, kFalco, kOcsf}, format);
  std::vector<std::string> brokers;
  section.read("brokers", brokers);
  if (brokers.empty()) section.fail("brokers", "expected at least one HOST:PORT");
  target.brokers = fmt::format("{}", fmt::join(brokers, ","));
  section.read("topic", target.topic);
  if (target.topic.empty()) section.fail("topic", "expected the topic's name");
  section.read("encrypted", target.encrypted);
  read_client_tls(section.section("tls"), target.tls);
  ConfigReader sasl = section.section("sasl");
  sasl.read("mechanism", target.sasl_mechanism);
  sasl.read("user", target.sasl_user);
  sasl.read("password_file", target.sasl_password_file);
  const bool has_all = !target.sasl_mechanism.empty() && !target.sasl_user.empty() &&
                       !target.sasl_password_file.empty();
  if (section.has("sasl") && !has_all)
    sasl.fail("mechanism", "expected mechanism, user and password_file");
  sasl.finish_section();
  return target;
}

OutputConfig read_output(ConfigReader section, std::set<std::string>& names) {
  OutputConfig output;
  std::string kind, start = "new";
  bool is_known = true;
  section.read("name", output.name);
  if (output.name.empty() || !is_printable_ascii(output.name))
    section.fail("name", "expected a name without spaces");
  else if (!names.insert(output.name).second)
    section.fail("name", fmt::format("\"{}\" is the name of another output", output.name));
  section.read("kind", kind);
  if (kind == "file")
    output.target = read_file_target(section, output.format);
  else if (kind == "http")
    output.target = read_http_target(section, output.format);
  else if (kind == "syslog")
    output.target = read_syslog_target(section, output.format);
  else if (kind == "otlp")
    output.target = read_otlp_target(section);
  else if (kind == "kafka")
    output.target = read_kafka_target(section, output.format);
  else
    is_known = false;
  if (!is_known) section.fail("kind", "expected file, http, syslog, otlp or kafka");
  section.read("start", start);
  if (start != "new" && start != "oldest") section.fail("start", "expected new or oldest");
  output.from_oldest = start == "oldest";
  read_filter(section.section("filter"), output.filter);
  if (is_known) section.finish_section();  // else nobody can say which keys belong here
  return output;
}

absl::Status check_tls(const ClientTls& tls) {
  absl::Status status = absl::OkStatus();
  if (!tls.ca.empty()) status = check_authorities(tls.ca);
  if (status.ok() && !tls.cert.empty()) status = check_pair(tls.cert, tls.key);
  return status;
}

absl::Status check_secret(const std::filesystem::path& file) {
  return file.empty() ? absl::OkStatus() : read_secret(file).status();
}

absl::Status check_target(const FileTarget& target) {
  const bool is_there = ::access(target.path.c_str(), F_OK) == 0;
  const std::string place = is_there ? target.path.string() : target.path.parent_path().string();
  if (::access(place.c_str(), W_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("cannot write to {}: {}", place, std::strerror(errno)));
}
absl::Status check_target(const HttpTarget& target) {
  absl::Status status = check_tls(target.tls);
  if (status.ok()) status = check_secret(target.token_file);
  if (status.ok()) status = check_secret(target.secret_file);
  return status;
}
absl::Status check_target(const OtlpTarget& target) {
  absl::Status status = check_tls(target.tls);
  return status.ok() ? check_secret(target.token_file) : status;
}
absl::Status check_target(const SyslogTarget& target) { return check_tls(target.tls); }
absl::Status check_target(const KafkaTarget& target) {
  absl::Status status = check_tls(target.tls);
  return status.ok() ? check_secret(target.sasl_password_file) : status;
}

}  // namespace

absl::StatusOr<Url> Url::parse(const std::string& text) {
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
    url.port = 443;
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    url.port = 80;
    url.tls = false;
  } else {
    return absl::InvalidArgumentError("expected http://... or https://...");
  }
  if (!is_printable_ascii(rest) || rest.find('#') != std::string_view::npos)
    return absl::InvalidArgumentError("expected a URL of printable ASCII, without a fragment");
  const size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  if (authority.find('@') != std::string_view::npos)
    return absl::InvalidArgumentError("a URL is no place for a password: see token_file");
  absl::Status status = parse_authority(authority, url.host, url.port);
  if (!status.ok()) return status;
  const std::string_view path = rest.substr(slash);
  url.path = path.starts_with('/') ? std::string(path) : "/" + std::string(path);
  return url;
}

std::string Url::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

std::vector<OutputConfig> read_outputs(ConfigReader& config) {
  std::vector<OutputConfig> outputs;
  std::set<std::string> names;
  for (ConfigReader& section : config.list("outputs"))
    outputs.push_back(read_output(std::move(section), names));
  return outputs;
}

absl::Status check_output(const OutputConfig& config) {
  const absl::Status status =
      std::visit([](const auto& target) { return check_target(target); }, config.target);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      fmt::format("output {}: {}", config.name, std::string(status.message())));
}

absl::StatusOr<std::string> read_secret(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  if (!in || !std::getline(in, line))
    return absl::InvalidArgumentError(fmt::format("cannot read a secret from {}", file.string()));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  if (line.empty())
    return absl::InvalidArgumentError(fmt::format("the first line of {} is empty", file.string()));
  return line;
}

}  // namespace picket
