// The agent that is shipped: one file, which runs where nothing else is, loads its programs and
// finds its collector by address and by name.
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

constexpr char kAgent[] = PICKET_BINARY_DIR "/picketd";
constexpr size_t kMaxBytes = 30 << 20;

template <class T>
T read_at(const std::string& bytes, size_t offset) {
  T value{};
  if (offset + sizeof value <= bytes.size())
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

TEST(Static, TheAgentNeedsNoLibraryAndNoInterpreter) {
  const std::string bytes = read_file(kAgent).value_or("");
  EXPECT_LT(bytes.size(), kMaxBytes);
  const auto header = read_at<Elf64_Ehdr>(bytes, 0);
  ASSERT_EQ(std::memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(header.e_type, ET_DYN) << "it is loaded at a random address";
  ASSERT_GT(header.e_phnum, 0);
  for (size_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = read_at<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr));
    EXPECT_NE(segment.p_type, static_cast<Elf64_Word>(PT_INTERP));
    if (segment.p_type != PT_DYNAMIC) continue;
    for (size_t at = 0; at < segment.p_filesz; at += sizeof(Elf64_Dyn))
      EXPECT_NE(read_at<Elf64_Dyn>(bytes, segment.p_offset + at).d_tag, DT_NEEDED);
  }
}

class STATIC : public AcceptanceTest {};

TEST_F(STATIC, RunsWhereNothingElseIs) {
  const std::string root = sandbox().path("root");
  ASSERT_TRUE(std::filesystem::create_directory(root));
  std::filesystem::copy_file(kAgent, root + "/picketd");
  const pid_t child = fork();
  if (child == 0) {
    if (chroot(root.c_str()) == 0 && chdir("/") == 0)
      execl("/picketd", "picketd", "--version", nullptr);
    _exit(127);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// The program as a whole, and whom it asks for the address: C libraries that are linked in cannot
// load the plug-ins that /etc/nsswitch.conf names.
class Reach : public STATIC, public ::testing::WithParamInterface<const char*> {};

TEST_P(Reach, AlertsAtItsCollector) {
  deploy({.collector_host = GetParam()});
  if (HasFatalFailure()) return;
  const auto box = make_container();
  ASSERT_TRUE(box);
  ASSERT_EQ(box->run({"listener", "4400", "1"})->exit_code, 0);
  ASSERT_TRUE(box->run({"reverse_shell", "dup2", "4400"}).ok());
  const auto alerts = by_rule(distinct(alerts_so_far(*box)), "reverse_shell");
  ASSERT_EQ(alerts.size(), 1u);
  expect_identity(alerts[0], *box);
}

INSTANTIATE_TEST_SUITE_P(ByAddressAndName, Reach,
                         ::testing::Values("127.0.0.1", "localhost", "collector.picket.test"),
                         [](const auto& info) { return "Host" + std::to_string(info.index); });

}  // namespace
}  // namespace picket::test
