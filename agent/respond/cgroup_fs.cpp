#include "agent/respond/cgroup_fs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>

#include "agent/enrich/cgroup_path.h"

namespace picket {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::string slurp(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

bool has_line(const std::string& text, const std::string& line) {
  return text.starts_with(line + "\n") || text.find("\n" + line + "\n") != std::string::npos;
}

void read_pids(const std::filesystem::path& file, std::vector<uint32_t>& pids) {
  std::ifstream in(file);
  for (uint32_t pid = 0; in >> pid;) {
    if (pid != 0) pids.push_back(pid);  // 0: a process of a pid namespace that we cannot see
  }
}

milliseconds left(Clock::time_point end) {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(end - Clock::now()));
}

}  // namespace

std::filesystem::path CgroupFs::v2(const std::string& cgroup, const char* file) const {
  return v2_ / std::filesystem::path(cgroup).relative_path() / file;
}

std::filesystem::path CgroupFs::v1(const std::string& cgroup) const {
  return v1_freezer_ / std::filesystem::path(cgroup).relative_path();
}

bool CgroupFs::exists(const std::string& cgroup) const {
  std::error_code ignored;
  return std::filesystem::is_directory(v2(cgroup, ""), ignored);
}

uint64_t CgroupFs::id(const std::string& cgroup) const {
  struct stat status {};
  return ::stat(v2(cgroup, "").c_str(), &status) == 0 ? status.st_ino : 0;
}

std::vector<uint32_t> CgroupFs::processes(const std::string& cgroup) const {
  std::vector<uint32_t> pids;
  read_pids(v2(cgroup, "cgroup.procs"), pids);
  std::error_code ignored;
  for (std::filesystem::recursive_directory_iterator it(v2(cgroup, ""), ignored), end; it != end;
       it.increment(ignored)) {
    if (it->is_directory(ignored)) read_pids(it->path() / "cgroup.procs", pids);
  }
  return pids;
}

absl::Status CgroupFs::write(const std::filesystem::path& file, const std::string& text) const {
  const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return absl::InternalError(fmt::format("open {}: {}", file.string(), strerror(errno)));
  const ssize_t written = ::write(fd, text.data(), text.size());
  const int error = errno;
  close(fd);
  if (written == static_cast<ssize_t>(text.size())) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("write \"{}\" to {}: {}", text, file.string(), strerror(error)));
}

// The kernel announces a change of cgroup.events by POLLPRI.
absl::Status CgroupFs::wait_for(const std::filesystem::path& events, const std::string& line,
                                milliseconds deadline) const {
  const auto end = Clock::now() + deadline;
  const int fd = open(events.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return absl::InternalError(fmt::format("open {}: {}", events.string(), strerror(errno)));
  for (;;) {
    char buffer[512];
    const ssize_t size = pread(fd, buffer, sizeof buffer, 0);
    const bool reached = size > 0 && has_line(std::string(buffer, static_cast<size_t>(size)), line);
    const auto rest = left(end);
    if (reached || rest.count() == 0) {
      close(fd);
      if (reached) return absl::OkStatus();
      return absl::DeadlineExceededError(fmt::format("\"{}\" did not appear in {} within {} ms",
                                                     line, events.string(), deadline.count()));
    }
    // A regular file (a test's) has no POLLPRI: poll() then returns at once with POLLIN masked out,
    // so wait in small steps.
    pollfd waiter{fd, POLLPRI, 0};
    poll(&waiter, 1, static_cast<int>(std::min<int64_t>(rest.count(), 100)));
  }
}

absl::Status CgroupFs::set_frozen(const std::string& cgroup, bool frozen,
                                  milliseconds deadline) const {
  const auto file = v2(cgroup, "cgroup.freeze");
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return set_frozen_v1(cgroup, frozen, deadline);
  if (absl::Status status = write(file, frozen ? "1" : "0"); !status.ok()) return status;
  if (!frozen) {  // a runtime that knows v1 may have paused it there
    if (absl::Status status = thaw_v1(cgroup); !status.ok()) return status;
  }
  return wait_for(v2(cgroup, "cgroup.events"), frozen ? "frozen 1" : "frozen 0", deadline);
}

absl::Status CgroupFs::set_frozen_v1(const std::string& cgroup, bool frozen,
                                     milliseconds deadline) const {
  const auto directory = v1(cgroup);
  std::error_code ignored;
  if (v1_freezer_.empty() || !std::filesystem::exists(directory / "freezer.state", ignored)) {
    return absl::NotFoundError(
        fmt::format("cgroup {} has neither cgroup.freeze nor freezer.state", cgroup));
  }
  const std::string wish = frozen ? "FROZEN" : "THAWED";
  if (absl::Status status = write(directory / "freezer.state", wish); !status.ok()) return status;
  // v1 has no notification: reading the state makes the kernel try again, so read until it holds.
  for (const auto end = Clock::now() + deadline; Clock::now() < end; poll(nullptr, 0, 1)) {
    if (slurp(directory / "freezer.state") == wish + "\n") return absl::OkStatus();
  }
  return absl::DeadlineExceededError(
      fmt::format("{} is not {} after {} ms", directory.string(), wish, deadline.count()));
}

bool CgroupFs::is_frozen(const std::string& cgroup) const {
  if (has_line(slurp(v2(cgroup, "cgroup.events")), "frozen 1")) return true;
  if (v1_freezer_.empty()) return false;
  const std::string state = slurp(v1(cgroup) / "freezer.state");
  return state.starts_with("FROZEN") || state.starts_with("FREEZING");
}

// Also the cgroups below: each may have been frozen by itself.
absl::Status CgroupFs::thaw_v1(const std::string& cgroup) const {
  if (v1_freezer_.empty()) return absl::OkStatus();
  absl::Status first;
  const auto thaw = [&](const std::filesystem::path& state) {
    const std::string now = slurp(state);
    if (!now.empty() && !now.starts_with("THAWED")) first.Update(write(state, "THAWED"));
  };
  thaw(v1(cgroup) / "freezer.state");
  std::error_code ignored;
  for (std::filesystem::recursive_directory_iterator it(v1(cgroup), ignored), end; it != end;
       it.increment(ignored)) {
    if (it->is_directory(ignored)) thaw(it->path() / "freezer.state");
  }
  return first;
}

absl::Status CgroupFs::kill_all(const std::string& cgroup, milliseconds deadline) const {
  const auto end = Clock::now() + deadline;
  if (absl::Status status = write(v2(cgroup, "cgroup.kill"), "1"); !status.ok()) return status;
  const absl::Status thawed = thaw_v1(cgroup);
  absl::Status empty = wait_for(v2(cgroup, "cgroup.events"), "populated 0", left(end));
  return empty.ok() || thawed.ok() ? empty : thawed;
}

std::optional<ProcStat> CgroupFs::stat(uint32_t pid) const {
  const std::string text = slurp(proc_ / std::to_string(pid) / "stat");
  const size_t name_end = text.rfind(')');  // the name may hold anything, also ") "
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream in(text.substr(name_end + 1));
  ProcStat stat;
  std::string skipped;
  in >> stat.state >> stat.parent;  // fields 3 and 4
  for (int field = 5; field < 22; ++field) in >> skipped;
  in >> stat.start_ticks;  // field 22
  if (!in) return std::nullopt;
  return stat;
}

std::vector<uint32_t> CgroupFs::children(uint32_t pid) const {
  std::vector<uint32_t> pids;
  std::error_code ignored;
  for (std::filesystem::directory_iterator it(proc_ / std::to_string(pid) / "task", ignored), end;
       it != end; it.increment(ignored)) {
    read_pids(it->path() / "children", pids);
  }
  return pids;
}

std::optional<std::string> CgroupFs::cgroup_of(uint32_t pid) const {
  std::istringstream lines(slurp(proc_ / std::to_string(pid) / "cgroup"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::"))
      return path_from_root(namespace_root_, std::string_view(line).substr(3));
  }
  return std::nullopt;
}

CgroupMounts cgroup_mounts(const std::filesystem::path& mounts) {
  CgroupMounts found;
  std::ifstream in(mounts);
  std::string source, target, type, options, rest;
  while (in >> source >> target >> type >> options && std::getline(in, rest)) {
    if (type == "cgroup2" && found.v2.empty()) found.v2 = target;
    if (type == "cgroup" && ("," + options + ",").find(",freezer,") != std::string::npos)
      found.v1_freezer = target;
  }
  return found;
}

}  // namespace picket
