// The seccomp profiles that Picket ships, compiled as a runtime does it and tried on a process.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

namespace picket {
namespace {

using nlohmann::json;
using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, decltype(&seccomp_release)>;

json profile(const std::string& name) {
  return json::parse(std::ifstream(PICKET_SOURCE_DIR "/" + name));
}

uint32_t action_of(const json& rule, const char* action, const char* error) {
  if (rule[action] == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  EXPECT_EQ(rule[action], "SCMP_ACT_ERRNO");
  return SCMP_ACT_ERRNO(rule.value(error, EPERM));
}

scmp_arg_cmp condition(const json& argument) {
  static const std::map<std::string, scmp_compare> kWords{
      {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  return {argument["index"].get<unsigned>(), kWords.at(argument["op"]),
          argument["value"].get<uint64_t>(), argument.value("valueTwo", uint64_t{0})};
}

// Names that no architecture of the profile has are errors: each is a slip of the pen.
Filter compile(const std::string& name) {
  const json from = profile(name);
  const uint32_t usual = action_of(from, "defaultAction", "defaultErrnoRet");
  Filter filter(seccomp_init(usual), &seccomp_release);
  for (const json& word : from["architectures"]) {
    std::string arch = word.get<std::string>().substr(std::string("SCMP_ARCH_").size());
    for (char& letter : arch) letter = static_cast<char>(tolower(letter));
    const int added = seccomp_arch_add(filter.get(), seccomp_arch_resolve_name(arch.c_str()));
    EXPECT_TRUE(added == 0 || added == -EEXIST) << word;
  }
  for (const json& rule : from["syscalls"]) {
    const uint32_t action = action_of(rule, "action", "errnoRet");
    std::vector<scmp_arg_cmp> conditions;
    for (const json& argument : rule.value("args", json::array()))
      conditions.push_back(condition(argument));
    for (const std::string call : rule["names"]) {
      const int number = seccomp_syscall_resolve_name(call.c_str());
      EXPECT_NE(number, __NR_SCMP_ERROR) << name << ": nobody knows the call " << call;
      if (action == usual) continue;  // named for its reader; a runtime leaves it out as well
      EXPECT_EQ(seccomp_rule_add_array(filter.get(), action, number,
                                       static_cast<unsigned>(conditions.size()), conditions.data()),
                0)
          << name << ": " << call;
    }
  }
  return filter;
}

// What the call gives behind the filter: 0 or its error. In a process of its own.
int behind(const Filter& filter, const std::function<long()>& call) {
  const pid_t child = fork();
  if (child == 0) {
    if (seccomp_load(filter.get()) != 0) _exit(255);
    errno = 0;
    const long result = call();
    _exit(result >= 0 ? 0 : errno);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_NE(WEXITSTATUS(status), 255) << "the filter cannot be loaded";
  return WEXITSTATUS(status);
}

struct Try {
  const char* what;
  std::function<long()> call;
  int expected;
};

void expect_all(const std::string& name, const std::vector<Try>& tries) {
  const Filter filter = compile(name);
  for (const Try& one : tries)
    EXPECT_EQ(behind(filter, one.call), one.expected) << name << ": " << one.what;
}

TEST(Seccomp, WorkspaceKeepsItsWorkAndLosesTheSteppingStones) {
  const auto clone_with = [](unsigned long flags) {
    const long pid = syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid == 0) _exit(0);
    return pid;
  };
  expect_all(
      "rules/seccomp/workspace.json",
      {{"a file", [] { return long{open("/proc/self/status", O_RDONLY)}; }, 0},
       {"a process", [&] { return clone_with(0); }, 0},
       {"fork of the C library",
        [] {
          const pid_t pid = fork();
          if (pid == 0) _exit(0);
          return long{pid};
        },
        0},
       {"a debugger's start", [] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }, 0},
       {"own table of files", [] { return long{unshare(CLONE_FILES)}; }, 0},
       {"a user namespace", [] { return long{unshare(CLONE_NEWUSER)}; }, EPERM},
       {"a user namespace by clone", [&] { return clone_with(CLONE_NEWUSER); }, EPERM},
       {"clone3", [] { return syscall(SYS_clone3, nullptr, 0); }, ENOSYS},
       {"mount", [] { return syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }, EPERM},
       {"the new mount calls", [] { return syscall(SYS_fsopen, "tmpfs", 0); }, EPERM},
       {"setns", [] { return syscall(SYS_setns, -1, 0); }, EPERM},
       {"a ring", [] { return syscall(SYS_io_uring_setup, 0, nullptr); }, EPERM},
       {"bpf", [] { return syscall(SYS_bpf, 0, nullptr, 0); }, EPERM},
       {"keys", [] { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); }, EPERM},
       {"a file by its handle", [] { return syscall(SYS_open_by_handle_at, -1, nullptr, 0); },
        EPERM},
       {"held page faults", [] { return syscall(SYS_userfaultfd, 0); }, EPERM},
       {"a module", [] { return syscall(SYS_init_module, nullptr, 0, ""); }, EPERM}});
}

TEST(Seccomp, AgentKeepsItsWorkAndNothingElse) {
  expect_all(
      "deploy/seccomp/picketd.json",
      {{"a file", [] { return long{open("/proc/self/status", O_RDONLY)}; }, 0},
       // It reached the kernel, which found the arguments wrong.
       {"bpf", [] { return syscall(SYS_bpf, 9999, nullptr, 0); }, EINVAL},
       {"a signal", [] { return syscall(SYS_pidfd_open, getpid(), 0); }, 0},
       {"a user namespace", [] { return long{unshare(CLONE_NEWUSER)}; }, EPERM},
       {"mount", [] { return syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }, EPERM},
       {"setns", [] { return syscall(SYS_setns, -1, 0); }, EPERM},
       {"ptrace", [] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }, EPERM},
       {"memory of others",
        [] { return syscall(SYS_process_vm_writev, 0, nullptr, 0, nullptr, 0, 0); }, EPERM},
       {"a module", [] { return syscall(SYS_init_module, nullptr, 0, ""); }, EPERM}});
}

}  // namespace
}  // namespace picket
