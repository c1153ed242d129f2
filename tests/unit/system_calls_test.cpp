// Every system call has one state: what is watched is not also ignored, and what the kernel's
// headers know is one of the two.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "agent/event/ignored_calls.h"
#include "agent/event/schema.h"
#include "agent/sensor/system_calls.h"
#include "bpf/picket/calls.h"
#include "known_system_calls.h"

namespace picket {
namespace {

using State = SystemCall::State;
using testing::ElementsAre;

#define PK_NAME(name, native, compat, handler, type) #name,
constexpr std::string_view kWatched[] = {PK_CALLS(PK_NAME)};
#undef PK_NAME

std::vector<CoverageLine> everything() {
  std::vector<CoverageLine> lines;
  for (const EventRow& row : event_rows())
    lines.push_back({.hook = "x",
                     .event = std::string(row.name),
                     .state = CoverageLine::State::attached,
                     .effect = "",
                     .reason = ""});
  return lines;
}

SystemCall of(const std::string& function) {
  const std::vector<std::string> one{function};
  const auto rows = system_calls(one, everything());
  return rows.empty() ? SystemCall{} : rows.front();
}

TEST(SystemCalls, WhatIsWatchedIsNotIgnored) {
  for (const std::string_view call : kWatched) EXPECT_EQ(why_ignored(call), "") << call;
}

// By the headers <asm/unistd_64.h> and <asm/unistd_32.h> of the build.
TEST(SystemCalls, EveryCallOfTheHeadersIsKnown) {
  size_t names = 0;
  std::istringstream headers(kKnownSystemCalls);
  for (std::string name; headers >> name; ++names)
    EXPECT_TRUE(!why_ignored(name).empty() || std::ranges::count(kWatched, name) != 0) << name;
  EXPECT_GT(names, 400u);
}

TEST(SystemCalls, FunctionsHaveTheNamesOfTheirCalls) {
  EXPECT_EQ(call_name("newfstat"), "fstat");
  EXPECT_EQ(call_name("newuname"), "uname");
  EXPECT_EQ(call_name("sendfile64"), "sendfile64");
  EXPECT_EQ(call_name("umount"), "umount2");
  EXPECT_EQ(call_name("oldumount"), "umount");
  EXPECT_EQ(call_name("chown16"), "chown");
  EXPECT_EQ(call_name("clock_settime32"), "clock_settime");
  EXPECT_EQ(call_name("ia32_truncate64"), "truncate64");
  EXPECT_EQ(call_name("recvmmsg_time32"), "recvmmsg");
  EXPECT_EQ(call_name("ni_syscall"), "");
  EXPECT_EQ(call_name("sync_file_range2"), "");
}

TEST(SystemCalls, ACallHasOneStateAndItsReason) {
  EXPECT_EQ(of("openat").state, State::watched);
  EXPECT_EQ(of("openat").detail, "file_open");
  EXPECT_EQ(of("getpid").state, State::ignored);
  EXPECT_NE(of("getpid").detail, "");
  EXPECT_EQ(of("from_the_future").state, State::unknown);
  const std::vector<std::string> twice{"newstat", "stat"};
  EXPECT_EQ(system_calls(twice, everything()).size(), 1u);
}

TEST(SystemCalls, WithoutItsHookAWatchedCallIsUnseen) {
  auto lines = everything();
  for (CoverageLine& line : lines)
    if (line.event == "file_open") line.state = CoverageLine::State::refused;
  const std::vector<std::string> calls{"openat", "mount"};
  const auto rows = system_calls(calls, lines);
  EXPECT_EQ(rows[0].state, State::watched) << rows[0].name;
  EXPECT_EQ(rows[1].state, State::unseen) << rows[1].name;
}

TEST(SystemCalls, WeakSymbolsAndPartsAreNoCalls) {
  const auto root =
      std::filesystem::temp_directory_path() / ("picket-calls-" + std::to_string(getpid()));
  std::filesystem::create_directories(root);
  std::ofstream(root / "kallsyms") << "0000000000000000 T __x64_sys_openat\n"
                                      "0000000000000000 W __x64_sys_rtas\n"
                                      "0000000000000000 t __x64_sys_setitimer.cold\n"
                                      "0000000000000000 T __ia32_sys_openat\n"
                                      "0000000000000000 T do_sys_open\n"
                                      "ffffffffc0000000 t __x64_sys_mine\t[module]\n";
  EXPECT_THAT(system_call_functions({.proc = root, .sys = root}), ElementsAre("openat"));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace picket
