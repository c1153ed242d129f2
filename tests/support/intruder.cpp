#include "tests/support/intruder.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"

namespace picket::test {
namespace {

absl::Status failed(std::string_view step) {
  return absl::InternalError(fmt::format("{}: {}", step, strerror(errno)));
}

std::string program_name(uint32_t id) {
  const Fd program(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) return {};
  return info.name;
}

// Of a link: the program behind it; 0: it is no link.
uint32_t linked_program(pid_t pid, const std::string& fd) {
  std::ifstream info(fmt::format("/proc/{}/fdinfo/{}", pid, fd));
  bool is_link = false;
  uint32_t program = 0;
  for (std::string word; info >> word;) {
    if (word == "link_id:") is_link = true;
    if (word == "prog_id:") info >> program;
  }
  return is_link ? program : 0;
}

std::vector<int> links_of(pid_t pid, std::string_view name) {
  std::vector<int> found;
  const std::string wanted(name.substr(0, BPF_OBJ_NAME_LEN - 1));
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
    const std::string fd = entry.path().filename();
    const uint32_t program = linked_program(pid, fd);
    if (program != 0 && program_name(program) == wanted) found.push_back(std::stoi(fd));
  }
  return found;
}

// Where its code has a `syscall` instruction.
std::optional<uint64_t> syscall_instruction(pid_t pid) {
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  const Fd memory(open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDONLY | O_CLOEXEC));
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" r-xp ") == line.npos || line.find("[vsyscall]") != line.npos) continue;
    const uint64_t from = std::stoull(line, nullptr, 16);
    const uint64_t to = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
    std::string code(to - from, '\0');
    const ssize_t size = pread(memory.get(), code.data(), code.size(), static_cast<off_t>(from));
    if (size <= 0) continue;
    const size_t at = code.substr(0, static_cast<size_t>(size)).find("\x0f\x05");
    if (at != code.npos) return from + at;
  }
  return std::nullopt;
}

// One system call of the stopped process; it goes on afterwards as if nothing had been.
absl::Status close_inside(pid_t pid, int fd, uint64_t instruction) {
  user_regs_struct before{};
  if (ptrace(PTRACE_GETREGS, pid, nullptr, &before) != 0) return failed("read the registers");
  user_regs_struct call = before;
  call.rax = SYS_close;
  call.orig_rax = ~0ULL;  // what it was stopped in is not to be restarted yet
  call.rdi = static_cast<uint64_t>(fd);
  call.rip = instruction;
  int status = 0;
  if (ptrace(PTRACE_SETREGS, pid, nullptr, &call) != 0 ||
      ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) != 0 || waitpid(pid, &status, __WALL) != pid)
    return failed("run a system call");
  const bool got = ptrace(PTRACE_GETREGS, pid, nullptr, &call) == 0 && call.rax == 0;
  if (ptrace(PTRACE_SETREGS, pid, nullptr, &before) != 0) return failed("restore the registers");
  return got ? absl::OkStatus() : failed("close inside");
}

absl::Status close_all(pid_t pid, const std::vector<int>& fds) {
  const auto instruction = syscall_instruction(pid);
  if (!instruction) return absl::NotFoundError("no system call instruction was found");
  for (const int fd : fds)
    if (absl::Status closed = close_inside(pid, fd, *instruction); !closed.ok()) return closed;
  return absl::OkStatus();
}

}  // namespace

absl::Status detach_program(pid_t pid, std::string_view name) {
  const std::vector<int> links = links_of(pid, name);
  if (links.empty())
    return absl::NotFoundError(fmt::format("process {} has attached no program {}", pid, name));
  int status = 0;
  if (ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0 ||
      ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) != 0 || waitpid(pid, &status, __WALL) != pid)
    return failed(fmt::format("stop process {}", pid));
  const absl::Status closed = close_all(pid, links);
  if (ptrace(PTRACE_DETACH, pid, nullptr, nullptr) != 0) return failed("let it go");
  return closed;
}

}  // namespace picket::test
