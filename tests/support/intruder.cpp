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

// One system call of the stopped thread; it goes on afterwards as if nothing had been.
absl::StatusOr<long> call_inside(pid_t thread, const SystemCall& wanted, uint64_t instruction) {
  user_regs_struct before{};
  if (ptrace(PTRACE_GETREGS, thread, nullptr, &before) != 0) return failed("read the registers");
  user_regs_struct call = before;
  call.rax = static_cast<uint64_t>(wanted.number);
  call.orig_rax = ~0ULL;  // what it was stopped in is not to be restarted yet
  const auto& [rdi, rsi, rdx, r10, r8, r9] = wanted.arguments;
  call.rdi = rdi;
  call.rsi = rsi;
  call.rdx = rdx;
  call.r10 = r10;
  call.r8 = r8;
  call.r9 = r9;
  call.rip = instruction;
  int status = 0;
  if (ptrace(PTRACE_SETREGS, thread, nullptr, &call) != 0 ||
      ptrace(PTRACE_SINGLESTEP, thread, nullptr, nullptr) != 0 ||
      waitpid(thread, &status, __WALL) != thread)
    return failed("run a system call");
  const bool read = ptrace(PTRACE_GETREGS, thread, nullptr, &call) == 0;
  if (ptrace(PTRACE_SETREGS, thread, nullptr, &before) != 0) return failed("restore the registers");
  return read ? absl::StatusOr<long>(static_cast<long>(call.rax)) : failed("read a result");
}

absl::StatusOr<std::vector<long>> all_inside(pid_t thread, std::span<const SystemCall> calls) {
  const auto instruction = syscall_instruction(thread);
  if (!instruction) return absl::NotFoundError("no system call instruction was found");
  std::vector<long> results;
  for (const SystemCall& call : calls) {
    const auto result = call_inside(thread, call, *instruction);
    if (!result.ok()) return result.status();
    results.push_back(*result);
  }
  return results;
}

}  // namespace

absl::StatusOr<std::vector<long>> calls_inside(pid_t thread, std::span<const SystemCall> calls) {
  int status = 0;
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0 ||
      ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 ||
      waitpid(thread, &status, __WALL) != thread)
    return failed(fmt::format("stop thread {}", thread));
  auto results = all_inside(thread, calls);
  if (ptrace(PTRACE_DETACH, thread, nullptr, nullptr) != 0) return failed("let it go");
  return results;
}

absl::Status detach_program(pid_t pid, std::string_view name) {
  std::vector<SystemCall> closes;
  for (const int fd : links_of(pid, name))
    closes.push_back({SYS_close, {static_cast<unsigned long>(fd)}});
  if (closes.empty())
    return absl::NotFoundError(fmt::format("process {} has attached no program {}", pid, name));
  const auto closed = calls_inside(pid, closes);
  if (!closed.ok()) return closed.status();
  for (const long result : *closed)
    if (result != 0) return absl::InternalError(fmt::format("close inside: {}", result));
  return absl::OkStatus();
}

}  // namespace picket::test
