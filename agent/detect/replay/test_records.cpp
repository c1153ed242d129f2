#include "agent/detect/replay/test_records.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace picket {
namespace {

constexpr uint64_t kFirstStartNs = 1'000'000'000, kStartStepNs = 1'000'000;
constexpr uint64_t kFirstTimeNs = 100'000'000'000, kTimeStepNs = 10'000'000;
constexpr uint32_t kFirstPid = 1001, kOutsidePid = 900;

// Names of rule fields for what the record calls otherwise.
constexpr auto kAliases = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"proc.name", "comm"},         {"proc.exepath", "exe"},    {"proc.cwd", "cwd"},
    {"proc.filename", "filename"}, {"proc.interp", "interp"},  {"proc.layer", "layer"},
    {"proc.vpid", "vpid"},         {"proc.sid", "session"},    {"proc.pgid", "group"},
    {"proc.tty", "tty_nr"},        {"user.uid", "uid"},        {"user.ruid", "ruid"},
    {"user.loginuid", "loginuid"}, {"group.gid", "egid"},      {"proc.exec_in", "exec_in"},
    {"fd.rip", "remote_addr"},     {"fd.sip", "remote_addr"},  {"fd.rport", "remote_port"},
    {"fd.sport", "remote_port"},   {"fd.lip", "local_addr"},   {"fd.cip", "local_addr"},
    {"fd.lport", "local_port"},    {"fd.cport", "local_port"}, {"fd.l4proto", "proto"},
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
  current_.clear();
  pk_header& header = current_.emplace_back(type_).header();
  header.pid = header.tid = key.pid;
  header.start_ns = key.start_ns;
  header.cgroup_id = kCgroup;
  header.time_ns = kFirstTimeNs + records_.size() * kTimeStepNs;
  if (field_row(*row, "parent_pid") == nullptr) return absl::OkStatus();
  absl::Status status = set_number("parent_pid", above.pid);
  status.Update(set_number("parent_start_ns", above.start_ns));
  status.Update(set_number("vpid", key.pid));
  return status;
}

absl::Status TestRecords::set(std::string_view field, std::string_view value) {
  const std::string name = schema_name(field);
  given_[name] = value;
  return current_.front().set_text(name, value);
}

absl::Status TestRecords::set(std::string_view field, const std::vector<std::string>& values) {
  const std::string name = schema_name(field);
  given_[name] = values.empty() ? "" : values.front();
  return current_.front().set_list(name, values);
}

// A program without a name is called after its file, one without arguments was called by its path.
absl::Status TestRecords::set_defaults() {
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
  if (set_defaults().ok()) records_.push_back(current_.front().bytes());
  current_.clear();
}

}  // namespace picket
