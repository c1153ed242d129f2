#include "agent/detect/replay/test_records.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace picket {
namespace {

constexpr uint64_t kFirstStartNs = 1'000'000'000, kStartStepNs = 1'000'000;
constexpr uint32_t kFirstPid = 1001, kOutsidePid = 900;

// Names of rule fields for what the record calls otherwise.
constexpr auto kAliases = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"proc.name", "comm"},
    {"proc.exepath", "exe"},
    {"proc.cwd", "cwd"},
    {"proc.filename", "filename"},
    {"proc.interp", "interp"},
    {"proc.layer", "layer"},
    {"proc.vpid", "vpid"},
    {"proc.sid", "session"},
    {"proc.pgid", "group"},
    {"proc.tty", "tty_nr"},
    {"user.uid", "uid"},
    {"user.ruid", "ruid"},
    {"user.loginuid", "loginuid"},
    {"group.gid", "gid"},
    {"proc.exec_in", "exec_in"},
    {"fd.rip", "remote_addr"},
    {"fd.sip", "remote_addr"},
    {"fd.rport", "remote_port"},
    {"fd.sport", "remote_port"},
    {"fd.lip", "local_addr"},
    {"fd.cip", "local_addr"},
    {"fd.lport", "local_port"},
    {"fd.cport", "local_port"},
    {"fd.l4proto", "proto"},
    {"evt.type", "call"},
    {"evt.rawres", "result"},
    {"fd.name", "path"},
    {"fd.nameraw", "raw"},
    {"fd.ino", "inode"},
    {"fd.dev", "dev"},
    {"fd.proc.pid", "proc_pid"},
    {"fd.layer", "layer"},
    {"evt.is_open_read", "reads"},
    {"evt.is_open_write", "writes"},
    {"evt.is_open_create", "created"},
});

constexpr auto kPrefixes = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"event.", ""},
    {"proc.stdin.", "fd0."},
    {"proc.stdout.", "fd1."},
    {"proc.stderr.", "fd2."},
});

std::string schema_name(std::string_view field) {
  for (const auto& [alias, name] : kAliases) {
    if (alias == field) return std::string(name);
  }
  std::string name(field);
  for (const auto& [prefix, replacement] : kPrefixes) {
    if (!field.starts_with(prefix)) continue;
    name = fmt::format("{}{}", replacement, field.substr(prefix.size()));
    break;
  }
  // An address is *_ip as a rule field, *_addr in a record.
  if (name.ends_with("_ip")) name.replace(name.size() - 2, 2, "addr");
  return name;
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

TestRecords::Key TestRecords::key_of(std::string_view process) {
  const auto n = static_cast<uint32_t>(keys_.size());
  return keys_
      .try_emplace(std::string(process), Key{kFirstPid + n, kFirstStartNs + n * kStartStepNs})
      .first->second;
}

absl::Status TestRecords::set_number(std::string_view field, uint64_t value) {
  return current_.front().set(field, static_cast<int64_t>(value));
}

absl::Status TestRecords::begin(std::string_view event, std::string_view process,
                                std::string_view parent) {
  const EventRow* row = event_row(event);
  if (row == nullptr) return absl::InvalidArgumentError(fmt::format("no event '{}'", event));
  // The parent first: a parent is never younger than its child.
  const Key above = parent.empty() ? Key{kOutsidePid, 1} : key_of(parent);
  const Key key = key_of(process);
  type_ = row->type;
  given_.clear();
  dns_ = {};
  message_.clear();
  current_.clear();
  pk_header& header = current_.emplace_back(type_).header();
  header.pid = header.tid = key.pid;
  header.start_ns = key.start_ns;
  header.cgroup_id = kCgroup;
  header.time_ns = next_ns_;
  if (field_row(*row, "parent_pid") == nullptr) return absl::OkStatus();
  absl::Status status = set_number("parent_pid", above.pid);
  status.Update(set_number("parent_start_ns", above.start_ns));
  status.Update(set_number("vpid", key.pid));
  return status;
}

absl::Status TestRecords::set_time(std::string_view text) {
  std::string_view number = text;
  uint64_t unit_ns = 1'000'000'000;
  if (number.ends_with('m')) unit_ns *= 60;
  if (number.ends_with('m') || number.ends_with('s')) number.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || value < 0 || value > 1e6)
    return absl::InvalidArgumentError(
        fmt::format("'{}' is no time from the first event on; as in 2s, 0.5s, 3m", text));
  const uint64_t time_ns =
      kFirstTimeNs + static_cast<uint64_t>(std::llround(value * static_cast<double>(unit_ns)));
  if (time_ns < last_ns_)
    return absl::InvalidArgumentError(fmt::format("'{}' is before the event above it", text));
  current_.front().header().time_ns = time_ns;
  return absl::OkStatus();
}

// What only the bytes of a message say; false: the field is one of the record.
bool TestRecords::set_in_message(std::string_view field, const std::vector<std::string>& values) {
  const std::string value = values.empty() ? "" : values.front();
  if (type_ == PK_PAYLOAD && field == "tls.sni") {
    message_ = tls_hello(value);
    return true;
  }
  if (type_ != PK_DNS || !field.starts_with("dns.")) return false;
  if (field == "dns.question.name") {
    dns_.name = value;
  } else if (field == "dns.question.type") {
    dns_.type = value;
  } else if (field == "dns.answers") {
    dns_.answers = values;
  } else if (field == "dns.rcode") {
    dns_.rcode = value;
  } else {
    return false;
  }
  dns_.response |= field == "dns.answers" || field == "dns.rcode";
  message_ = dns_.bytes();
  return true;
}

absl::Status TestRecords::set(std::string_view field, std::string_view value) {
  if (set_in_message(field, {std::string(value)})) return absl::OkStatus();
  const std::string name = schema_name(field);
  given_[name] = value;
  return current_.front().set_text(name, value);
}

absl::Status TestRecords::set(std::string_view field, const std::vector<std::string>& values) {
  if (set_in_message(field, values)) return absl::OkStatus();
  const std::string name = schema_name(field);
  given_[name] = values.empty() ? "" : values.front();
  return current_.front().set_list(name, values);
}

// What opens is openat, and what it opens is a file; a refused open knows of none.
absl::Status TestRecords::set_open_defaults() {
  RecordBuilder& record = current_.front();
  absl::Status status;
  if (!given_.contains("call")) status.Update(record.set_text("call", "openat"));
  const auto result = given_.find("result");
  const bool refused = result != given_.end() && result->second.starts_with('-');
  if (refused) {
    status.Update(record.set("user_text", true));
  } else if (!given_.contains("kind")) {
    status.Update(record.set_text("kind", "file"));
  }
  if (result == given_.end()) status.Update(record.set("result", int64_t{3}));
  return status;
}

// A program without a name is called after its file, one without arguments was called by its path.
absl::Status TestRecords::set_defaults() {
  if (type_ == PK_OPEN) return set_open_defaults();
  if (type_ == PK_PAYLOAD && !message_.empty()) return current_.front().set("data", message_);
  if (type_ == PK_DNS && !message_.empty()) {
    absl::Status status = current_.front().set("message", message_);
    if (dns_.response) status.Update(current_.front().set("answer", true));
    return status;
  }
  if (type_ != PK_EXEC && type_ != PK_FOUND) return absl::OkStatus();
  const auto given = [&](std::string_view field) {
    const auto found = given_.find(field);
    return found == given_.end() ? std::string_view() : std::string_view(found->second);
  };
  RecordBuilder& record = current_.front();
  const std::string_view exe = given("exe");
  absl::Status status;
  if (given("comm").empty()) {
    status.Update(record.set("comm", base_name(exe).substr(0, PK_COMM_LEN - 1)));
  }
  if (given("filename").empty()) status.Update(record.set("filename", exe));
  if (given("argv").empty() && !exe.empty()) {
    status.Update(record.set_list("argv", {std::string(exe)}));
  }
  if (given("layer").empty()) status.Update(record.set_text("layer", "image"));
  return status;
}

void TestRecords::end() {
  last_ns_ = current_.front().header().time_ns;
  next_ns_ = last_ns_ + kTimeStepNs;
  if (set_defaults().ok()) records_.push_back(current_.front().bytes());
  current_.clear();
}

}  // namespace picket
